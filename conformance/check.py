"""A check of the library itself, for what no backend can be asked: files, starting values, export, the runner."""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Check:
    """`run` raises AssertionError, in one line, where a clause does not hold.

    Args:
        id: unique among checks and cases, words joined by `-`.
        clauses: what of SPEC.md it tries.
        needs: packages without which it cannot run.
    """

    id: str
    clauses: tuple[str, ...]
    run: Callable[[], None]
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """What it needs and is not installed."""
        return missing(self.needs)


def missing(packages: tuple[str, ...]) -> list[str]:
    """Those that are not installed."""
    return [name for name in packages if importlib.util.find_spec(name) is None]


def holds(what: str, condition: Any) -> None:
    """Unlike `assert`, with `python -O` too."""
    if not condition:
        raise AssertionError(what)


def equal(what: str, found: Any, expected: Any) -> None:
    """The same value; arrays the same numbers, dtype and shape."""
    if isinstance(expected, np.ndarray):
        same = np.array_equal(found, expected) and found.dtype == expected.dtype
    else:
        same = found == expected
    if not same:
        raise AssertionError(f"{what}: expected {_short(expected)}, found {_short(found)}")


def near(what: str, found: Any, expected: Any, within: float) -> None:
    """The same shape, and numbers no further apart than `within`."""
    found, expected = np.asarray(found, "float64"), np.asarray(expected, "float64")
    equal(f"{what}: shape", found.shape, expected.shape)
    worst = np.abs(found - expected).max(initial=0)
    holds(f"{what}: {worst:.1e} off, {within:.1e} allowed", worst <= within)


@contextmanager
def refused(what: str, error: type[Exception], *says: str) -> Iterator[None]:
    """The body raises the error, in one line that has all of `says`."""
    try:
        yield
    except error as refusal:
        text = str(refusal)
        holds(f"{what}: the error has more than one line", "\n" not in text)
        for word in says:
            holds(f"{what}: the error does not say {word!r}: {text}", word in text)
    else:
        raise AssertionError(f"{what}: accepted; expected {error.__name__}")


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 120 else f"{text[:117]}…"
