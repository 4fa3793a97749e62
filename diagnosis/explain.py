"""Which of the usual mistakes makes a network's numbers match."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from rnnspec.cells import Cell
from rnnspec.diagnosis.change import Mistake
from rnnspec.diagnosis.mistakes import mistakes, part_mistakes
from rnnspec.diagnosis.trial import Arrays, Trial, error, parts, weights_of
from rnnspec.layers import Dense, Embedding, Recurrent

_BUDGET = 20_000  # steps of cells that may be spent on pairs: a few seconds


@dataclass(frozen=True)
class Match:
    """Mistakes that, made together, give what was expected but for `error`."""

    mistakes: tuple[Mistake, ...]
    error: float

    def __str__(self) -> str:
        return ", and ".join(map(str, self.mistakes))


@dataclass(frozen=True)
class Explanation:
    """The matches, and how many mistakes and pairs of mistakes were tried, of how many."""

    matches: list[Match]
    tried: int
    pairs: int
    all_pairs: int


def explain(trial: Trial, expected: Arrays, tolerance: float) -> Explanation:
    """Try every mistake; where none matches, pairs of the usual ones.

    A match has every expected array within the tolerance, and ten times closer than without the mistake: what differs
    by little more than rounding is not explained by another rounding. Constant arrays match anything that saturates, so
    nothing is tried where all are constant.
    """
    search = _Search(trial, expected, tolerance)
    if all(np.ptp(array) <= tolerance for array in expected.values() if array.size):
        return Explanation([], 0, 0, 0)
    singles = [(mistake,) for mistake in mistakes(trial)]
    matches = search.distinct(filter(None, map(search.match, singles)))
    usual = [mistake for (mistake,) in singles if mistake.usual]
    pairs = [pair for pair in combinations(usual, 2) if not all(each.name.startswith("order") for each in pair)]
    if matches:
        return Explanation(matches, len(singles), 0, len(pairs))
    tried, spent, found = 0, 0, []
    for pair in pairs:
        if spent > _BUDGET:
            break
        tried, spent = tried + 1, spent + search.cost(pair)
        found.append(search.match(pair))
    return Explanation(search.distinct(filter(None, found)), len(singles), tried, len(pairs))


class _Search:
    """Mistakes are tried on the rows that are off the most, and if that is enough on the first steps alone; what
    matches there is tried on everything."""

    def __init__(self, trial: Trial, expected: Arrays, tolerance: float) -> None:
        self.tolerance = tolerance
        self.whole = trial, expected
        found = trial.results()
        self.limit = min(tolerance, error(found, expected) / 10)
        self.small = dict.fromkeys(("step", "row", "batch"), self.whole)
        if all(name in found and found[name].shape == array.shape for name, array in expected.items()):
            self._crop(found)

    def _crop(self, found: Arrays) -> None:
        trial, expected = self.whole
        off = {name: np.nan_to_num(np.abs(found[name] - a), nan=np.inf) for name, a in expected.items()}
        by_row = np.max([a.reshape(len(a), -1).max(1, initial=0) for a in off.values()], axis=0)
        rows = sorted(np.argsort(by_row)[-2:].tolist())
        fewer = trial.rows(rows), {name: a[rows] for name, a in expected.items()}
        self.small["row"] = self.small["step"] = fewer
        layers = [layer for layer in trial.model.layers if isinstance(layer, Recurrent)]
        forward = all(layer.direction == "forward" and not layer.reverse_output for layer in layers)
        if not forward or "y" not in expected or expected["y"].ndim != 3:
            return
        steps = np.flatnonzero(off["y"][rows].max((0, 2), initial=0) > self.tolerance)
        if steps.size:
            count = int(steps[0]) + 3
            self.small["step"] = fewer[0].steps(count), {"y": fewer[1]["y"][:, :count]}

    def match(self, wrong: tuple[Mistake, ...]) -> Match | None:
        small, expected = self.small[_reach(wrong)]
        if self._error(small, expected, wrong) > self.tolerance:
            return None
        off = self._error(*self.whole, wrong)
        return Match(wrong, off) if off <= self.limit else None

    def _error(self, trial: Trial, expected: Arrays, wrong: tuple[Mistake, ...]) -> float:
        changed = _made(trial, wrong)
        return float("inf") if changed is None else error(changed.results(), expected)

    def cost(self, wrong: tuple[Mistake, ...]) -> int:
        """How many steps of cells a try takes."""
        trial, _ = self.small[_reach(wrong)]
        cells = sum(isinstance(part, Cell) for part in parts(trial.model).values())
        return max(1, cells) * trial.inputs["x"].shape[1]

    def distinct(self, matches) -> list[Match]:
        """The best first, without those that change exactly the same."""
        kept: list[tuple[Match, Trial | None]] = []
        for match in matches:
            made = _made(self.whole[0], match.mistakes)
            if not any(_same(made, other) for _, other in kept):
                kept.append((match, made))
        return sorted((match for match, _ in kept), key=lambda match: match.error)


def _made(trial: Trial, wrong: tuple[Mistake, ...]) -> Trial | None:
    changed: Trial | None = trial
    for mistake in wrong:
        changed = changed and mistake.change(changed)
    return changed


def _reach(wrong: tuple[Mistake, ...]) -> str:
    reaches = {mistake.reach for mistake in wrong}
    return next(reach for reach in ("batch", "row", "step") if reach in reaches)


def _same(a: Trial | None, b: Trial | None) -> bool:
    if a is None or b is None or a.after or b.after or a.model != b.model:
        return False
    if [kind.__name__ for kind in a.ops.__mro__] != [kind.__name__ for kind in b.ops.__mro__]:
        return False
    return _equal(a.weights, b.weights, 0) and _equal(a.inputs, b.inputs, 0)


def _equal(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray], tolerance: float) -> bool:
    return a.keys() == b.keys() and all(
        a[name].shape == b[name].shape and np.allclose(a[name], b[name], rtol=tolerance, atol=tolerance) for name in a
    )


def explain_weights(a: Trial, b: Trial) -> dict[str, list[str]]:
    """Place → what turns `a` into `b` there, for every cell, dense layer and embedding in which they differ.

    The two have the same layers. A list is empty where no mistake does it.
    """
    found: dict[str, list[str]] = {}
    others = parts(b.model)
    for place, part in parts(a.model).items():
        if not isinstance(part, (Cell, Dense, Embedding)) or place not in others:
            continue
        p, q = weights_of(a.weights, place), weights_of(b.weights, place)
        if part == others[place] and _equal(p, q, 1e-6):
            continue
        changes = ((mistake, mistake.change(part, p)) for mistake in part_mistakes(a.model))
        found[place.rstrip(".")] = [
            mistake.sentence
            for mistake, changed in changes
            if changed is not None and changed[0] == others[place] and _equal(changed[1], q, 1e-6)
        ]
    return found
