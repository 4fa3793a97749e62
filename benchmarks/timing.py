"""Timing: the rivals of a comparison take turns, and only medians of the same run are compared."""

import gc
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

TOLERANCE = 1e-5
_SAMPLE = 0.005  # seconds: a sample repeats short calls until it is about this long


class Effort(NamedTuple):
    """How long a comparison is measured: at least so many seconds and so many rounds."""

    seconds: float
    rounds: int


def flatten(result: Any) -> list[Any]:
    """The tensors of a result in order: nested dicts, lists and tuples undone."""
    if isinstance(result, dict):
        result = result.values()
    elif not isinstance(result, (list, tuple)):
        return [result]
    return [leaf for item in result for leaf in flatten(item)]


class Rival(NamedTuple):
    """A call to be timed; `numbers` brings its result into the peer's order and layout, for the check alone."""

    call: Callable[[], Any]
    numbers: Callable[[Any], list[Any]] = flatten


@dataclass(frozen=True)
class Comparison:
    """Rivals that compute the same thing; the first is the peer, the others are ours."""

    what: str
    cell: str
    size: str
    rivals: dict[str, Rival]

    def check(self) -> None:
        """Raise AssertionError unless all give the peer's numbers: comparing different things is void."""
        results = {label: rival.numbers(rival.call()) for label, rival in self.rivals.items()}
        expected = next(iter(results.values()))
        for label, actual in results.items():
            assert len(actual) == len(expected), f"{self}: {label} gives {len(actual)} arrays, not {len(expected)}"
            for mine, theirs in zip(actual, expected, strict=True):
                a, b = (np.asarray(leaf).ravel() for leaf in (mine, theirs))
                error = np.abs(a - b).max() / max(1, np.abs(b).max())
                assert error <= TOLERANCE, f"{self}: {label} is off by {error:.1e}"

    def __str__(self) -> str:
        return f"{self.what}, {self.cell}, {self.size}"


@dataclass(frozen=True)
class Result:
    """Seconds per call of every rival, round by round; the first is the peer."""

    what: str
    cell: str
    size: str
    samples: dict[str, list[float]] = field(repr=False)

    @property
    def peer(self) -> str:
        """The label of the peer."""
        return next(iter(self.samples))

    def median(self, label: str) -> float:
        """Median seconds per call."""
        return statistics.median(self.samples[label])

    def ratio(self, label: str) -> float:
        """Ratio of medians, ours to the peer's."""
        return self.median(label) / self.median(self.peer)

    def spread(self, label: str) -> float:
        """Half the distance between the quartiles, relative to the median: how noisy the reading is."""
        low, _, high = statistics.quantiles(self.samples[label])
        return (high - low) / 2 / self.median(label)

    def to_builtins(self) -> dict[str, Any]:
        """As plain data, for the JSON file."""
        rivals = {
            label: {"median": self.median(label), "ratio": self.ratio(label), "spread": self.spread(label)}
            for label in self.samples
        }
        rounds = len(self.samples[self.peer])
        return {"what": self.what, "cell": self.cell, "size": self.size, "rounds": rounds, "rivals": rivals}


def measure(comparison: Comparison, effort: Effort) -> Result:
    """Check the comparison, warm up, then let the rivals take turns in an order drawn anew for each round."""
    comparison.check()
    gc.collect()
    gc.disable()
    calls = {label: rival.call for label, rival in comparison.rivals.items()}
    shortest = min(_seconds(call, 1) for call in calls.values() for _ in range(2))
    repeats = max(1, round(_SAMPLE / shortest))  # the same for all: on a busy machine it decides what a median sees
    samples: dict[str, list[float]] = {label: [] for label in calls}
    order = list(calls)
    shuffle = random.Random(0).shuffle
    end = time.perf_counter() + effort.seconds
    while time.perf_counter() < end or len(samples[order[0]]) < effort.rounds:
        shuffle(order)
        for label in order:
            samples[label].append(_seconds(calls[label], repeats))
    gc.enable()
    return Result(comparison.what, comparison.cell, comparison.size, samples)


def _seconds(call: Callable[[], Any], repeats: int) -> float:
    """Seconds per call."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats
