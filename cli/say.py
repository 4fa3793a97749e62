"""What the command prints: text from files may hold anything, and a terminal obeys some of it."""

import json
from collections.abc import Iterator
from typing import Any

import click

from rnnspec.shown import one_line, printable


def say(text: str) -> None:
    """One line."""
    click.echo(printable(text))


def say_json(data: Any) -> None:
    """JSON, whose strings hold nothing that does not print."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    click.echo("".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text))


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[k]:02x}{units[k + 1]:02x}" for k in range(0, len(units), 2))


def conversion(metadata: dict[str, Any]) -> dict[str, Any] | None:
    """What `rnnspec convert` wrote into the metadata of a model; None where it is not there, or was changed: metadata
    are free."""
    found = metadata.get("conversion")
    if not isinstance(found, dict) or set(found) != {"format", "source", "notes", "ignored"}:
        return None
    kinds = {"format": str, "source": str, "notes": list, "ignored": dict}
    return found if all(isinstance(found[key], kind) for key, kind in kinds.items()) else None


def notes(conversion: dict[str, Any]) -> Iterator[str]:
    """A line for each note, and for each reason why something was left out of the source.

    ignored: layers/dense/vars/0, layers/dense/vars/1 and 4 more: not in the part tower
    """
    from rnnspec.convert.variables import some

    yield from (one_line(f"note: {note}") for note in conversion["notes"])
    names: dict[str, list[str]] = {}
    for name, reason in conversion["ignored"].items():
        names.setdefault(str(reason), []).append(name)
    yield from (one_line(f"ignored: {some(each, most=2)}: {reason}") for reason, each in names.items())
