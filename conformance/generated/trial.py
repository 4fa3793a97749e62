"""What one process does with the suite: see which lines each case reaches, or run it on a module that is changed.

A process is forked for each change, from one that has imported this module and what the backend imports, but not it.
"""

import inspect
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from types import FrameType
from typing import Any

from rnnspec.conformance.generated.source import Changed, Source
from rnnspec.conformance.record import Item, answer
from rnnspec.conformance.selfchecks import checks
from rnnspec.conformance.vectors import cases

cases(), checks()  # read once, by the process that forks

Line = tuple[str, int]  # module, number


@dataclass(frozen=True)
class Reached:
    """What a case did to the backend as it is: how it ended, in how many seconds, and over which lines of functions.

    `always`: the lines outside of functions, which all cases depend on.
    """

    item: Item
    failure: str
    seconds: float
    lines: frozenset[Line]
    always: frozenset[Line]


def reached(part: tuple[dict[str, str], list[Item]]) -> list[Reached]:
    """Run some of the items and watch the modules: file → name."""
    names, items = part
    found = []
    for item in items:
        inside: set[Line] = set()
        outside: set[Line] = set()
        start = perf_counter()
        with _traced(names, inside, outside):
            result = answer(item)
        failure = result.detail if result.outcome == "fail" else ""
        found.append(Reached(item, failure, perf_counter() - start, frozenset(inside), frozenset(outside)))
    return found


@contextmanager
def _traced(names: dict[str, str], inside: set[Line], outside: set[Line]) -> Iterator[None]:
    """Collect the lines of these files, by their names, that are run."""

    def enter(frame: FrameType, event: str, _: Any) -> Any:
        if (name := names.get(frame.f_code.co_filename)) is None:
            return None
        into = inside if frame.f_code.co_flags & inspect.CO_OPTIMIZED else outside
        into.add((name, frame.f_lineno))

        def line(frame: FrameType, event: str, _: Any) -> Any:
            into.add((name, frame.f_lineno))
            return line

        return line

    threading.settrace(enter)
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(None)
        threading.settrace(None)


@dataclass(frozen=True)
class Trial:
    """A change of a module and the items to run, with the seconds that each is given."""

    source: Source
    number: int
    items: tuple[tuple[Item, float], ...]


def killer(trial: Trial) -> Item | None:
    """The first item that fails with the change; None where there is none."""
    if trial.source.name in sys.modules:
        raise AssertionError(f"{trial.source.name} is imported before it could be changed")
    sys.meta_path.insert(0, Changed(trial.source, trial.number))
    for item, seconds in trial.items:
        signal.setitimer(signal.ITIMER_REAL, seconds)  # whose signal ends the process
        if _fails(item):
            return item
    return None


def _fails(item: Item) -> bool:
    try:
        return answer(item).outcome == "fail"
    except Exception:  # while it is imported
        return True
