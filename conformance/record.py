"""Running the whole suite, and what a report holds."""

import dataclasses
import json
import os
import platform
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

from rnnspec import backends
from rnnspec.atomic import write_atomically
from rnnspec.conformance.everything import cases
from rnnspec.conformance.growth import growth
from rnnspec.conformance.mutants import Mutant, killer, mutants
from rnnspec.conformance.nodes import node_killer
from rnnspec.conformance.runner import Result, lost, run, run_check, variants
from rnnspec.conformance.selfchecks import checks
from rnnspec.conformance.workers import Lost, Workers
from rnnspec.errors import SpecError
from rnnspec.version import __version__

_FRAMEWORKS = chain.from_iterable(needs for needs, _ in backends.REQUIRES.values())
_PACKAGES = ("numpy", *_FRAMEWORKS, "safetensors", "msgspec")
_OURS = ""  # what takes the place of a backend's name where a check of ourselves is run


Item = tuple[str, int, int]  # a backend, the number of its variant, the number of the case; or _OURS, 0, of the check


def results(names: Iterable[str], pattern: str, workers: Workers, patterns: Sequence[str] = ("*",)) -> list[Result]:
    """What came of each of `items`.

    Raises:
        SpecError: there is no such backend, or importing it ends its process.
    """
    asked = items(names, pattern, workers, patterns)
    answers = workers.map(answer, asked)
    gone = [k for k, found in enumerate(answers) if isinstance(found, Lost)]
    for k, result in zip(gone, workers.map(_lost, [(*asked[k], answers[k].how) for k in gone]), strict=True):
        answers[k] = result
    return answers


def items(names: Iterable[str], pattern: str, workers: Workers, patterns: Sequence[str] = ("*",)) -> list[Item]:
    """Every case whose id matches, on every variant of the backends that matches one of `patterns`, in that order; then
    the checks of the library.
    """
    places = sorted((k for k, case in enumerate(cases()) if fnmatchcase(case.id, pattern)), key=lambda k: cases()[k].id)
    found = [
        (name, v, k)
        for name, row in columns(names, workers).items()
        for v, full in enumerate(row)
        if any(fnmatchcase(full.removeprefix(f"{name} "), each) for each in patterns)
        for k in places
    ]
    return found + [(_OURS, 0, k) for k, check in enumerate(checks()) if fnmatchcase(check.id, pattern)]


def answer(item: Item) -> Result:
    """What comes of it, in this process."""
    name, v, k = item
    return run_check(checks()[k]) if name == _OURS else run(cases()[k], variants(backends.get(name))[v])


def title(item: Item) -> str:
    """The id of its case or check."""
    name, _, k = item
    return checks()[k].id if name == _OURS else cases()[k].id


def columns(names: Iterable[str], workers: Workers) -> dict[str, list[str]]:
    """Backend → the names of its variants. Raises SpecError: a result of no case that is known."""
    names = list(names)
    found = dict(zip(names, workers.map(_variants, names), strict=True))
    for name, row in found.items():
        if isinstance(row, Lost):
            raise SpecError(f"backend {name!r}: importing it: {row.how}")
    return found


def _variants(name: str) -> list[str]:
    return [variant.name for variant in variants(backends.get(name))]


def _lost(item: tuple[str, int, int, str]) -> Result:
    """What to say of a case that ended its process."""
    name, v, k, how = item
    if name == _OURS:
        return lost(checks()[k], how)
    return lost(cases()[k], how, variants(backends.get(name))[v])


def scores(workers: Workers) -> list[dict[str, Any]]:
    """What became of each mutant: its words, its clause, the case that caught it, or None; and where onnx is installed,
    the one of ONNX's own tests of its nodes that would have, or None.
    """
    rows = []
    for mutant, caught in zip(_mutants(), workers.map(killed, range(len(_mutants()))), strict=True):
        by = {"caught_by": caught.how} if isinstance(caught, Lost) else caught
        rows.append({"mutant": mutant.wrong, "clause": mutant.clause} | by)
    return rows


def killed(k: int) -> dict[str, str | None]:
    """What became of one of them, in a process of `Workers`."""
    mutant = _mutants()[k]
    found = {"caught_by": killer(mutant, cases())}
    return found | ({"onnx_caught_by": node_killer(mutant)} if _installed("onnx") else {})


@cache
def _mutants() -> list[Mutant]:
    return [mutant for mutant in mutants() if not mutant.missing]


def described(names: Iterable[str], found: list[Result], workers: Workers) -> dict[str, Any]:
    """A report: what ran where, every result, and how rounding grows in each float32 variant that can be asked."""
    places = [(name, v) for name, row in columns(names, workers).items() for v in range(len(row))]
    grown = [answer for answer in workers.map(_growth, places) if answer and not isinstance(answer, Lost)]
    return {
        "rnnspec": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {name: metadata.version(name) for name in _PACKAGES if _installed(name)},
        "results": [_row(result) for result in found],
        "growth": dict(grown),
    }


def _growth(place: tuple[str, int]) -> tuple[str, dict[str, list[float]]] | None:
    variant = variants(backends.get(place[0]))[place[1]]
    return (variant.name, growth(variant)) if variant.dtype == "float32" else None


def _installed(name: str) -> bool:
    return any(True for _ in metadata.Distribution.discover(name=name))


def _row(result: Result) -> dict[str, Any]:
    """A result in JSON; numbers with three digits, and none that JSON does not know."""
    row = dataclasses.asdict(result)
    for key in ("error", "headroom"):
        row[key] = f"{row[key]:.3g}"
    return row


def write(path: Path, report: dict[str, Any]) -> None:
    """The report as JSON, whole or not at all."""
    write_atomically(path, (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode())
