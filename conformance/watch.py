"""Arrays whose bits must stay as they are: what a backend was given, and what it answered (CALL-2, CALL-3)."""

import operator
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from rnnspec.conformance.check import holds


class _Seen(NamedTuple):
    what: str
    array: Any
    before: np.ndarray

    @property
    def unchanged(self) -> bool:
        now = np.asarray(self.array)
        same = now.dtype == self.before.dtype and now.shape == self.before.shape
        return same and now.tobytes() == self.before.tobytes()  # bits: NaN is NaN, and −0 is not 0


class Watch:
    """Remembers arrays by their bits, and mappings by what they hold."""

    def __init__(self) -> None:
        self._given: list[_Seen] = []
        self._answered: list[list[_Seen]] = []  # call by call
        self._mappings: list[tuple[str, Mapping, list]] = []

    def given(self, what: str, value: Any) -> Any:
        """The value as it is, remembered: an array, a list, or a mapping of them."""
        if isinstance(value, Mapping):
            self.mapping(what, value)
            for name, array in value.items():
                self.given(f"{what} {name!r}", array)
        elif value is not None:
            self._given.append(_Seen(what, value, np.asarray(value).copy()))
        return value

    def mapping(self, what: str, value: Mapping[str, Any]) -> None:
        """A mapping whose names and objects must stay."""
        self._mappings.append((what, value, list(value.items())))

    def answered(self, what: str, results: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The backend's results as arrays; the objects themselves are remembered."""
        self._answered.append(
            [_Seen(f"{what}{name}", value, np.asarray(value).copy()) for name, value in results.items()]
        )
        return {name: np.asarray(value) for name, value in results.items()}

    def check(self) -> None:
        """Raise AssertionError where a call changed what it was given, or what an earlier call had answered."""
        for what, mapping, before in self._mappings:
            now = list(mapping.items())
            names, arrays = [name for name, _ in now], [array for _, array in before]
            same = names == [name for name, _ in before] and all(map(operator.is_, (a for _, a in now), arrays))
            holds(f"the backend changed the mapping {what}, which is the caller's", same)
        _check(self._given, "the backend wrote into {}, which it was given")
        _check(chain.from_iterable(self._answered), "a later call changed {}, which an earlier one had answered")

    def spoil(self) -> None:
        """Write into the results, then into what was given: all of it is the caller's. Nothing is remembered after.

        Raises:
            AssertionError: as `check`, or writing into a result changed that of another call, or what was given.
        """
        self.check()
        while self._answered:
            results = self._answered.pop()  # of one call, which may share memory: an output can be a state
            overwritten = [_overwrite(seen.array) for seen in results]
            if any(overwritten):
                shared = f"{results[0].what} or a state of that call shares its memory with {{}}"
                _check(chain(self._given, *self._answered), shared)
        for seen in self._given:
            _overwrite(seen.array)
        self._given, self._mappings = [], []


def _check(seen: Iterable[_Seen], problem: str) -> None:
    for one in seen:
        holds(problem.format(one.what), one.unchanged)


def _overwrite(value: Any) -> bool:
    """Write another value into each element, if that is possible."""
    array = np.asarray(value)
    if not array.flags.writeable:
        return False
    array[...] = ~array if array.dtype == bool else np.nan if array.dtype.kind == "f" else array + 1
    return True
