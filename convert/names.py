"""Names of layers: what a source calls them, made valid and unique."""

import re
from collections.abc import Container, Iterable

from rnnspec.convert.blocks import shared


def valid(text: str, digit: str = "layer_") -> str:
    """A name that a layer may have: `my lstm` → `my_lstm`, and `digit` in front of what begins with no letter."""
    text = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    return text if re.match("[A-Za-z_]", text) else digit + text


def unique(name: str, taken: Container[str]) -> str:
    """The name, or `name_1`, `name_2`, …: the first that is not taken."""
    found, number = name, 0
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def names(places: Iterable[str], separator: str, dropped: tuple[str, ...]) -> dict[str, str]:
    """Place in the source → our name: its parts joined by "_", without those that all places begin with and those that
    say nothing (`dropped`); "rnn" if nothing is left.
    """
    paths = {place: [part for part in place.split(separator) if part not in dropped] for place in places}
    depth = shared(list(paths.values()))
    return {place: valid("_".join(path[depth:]) or "rnn") for place, path in paths.items()}
