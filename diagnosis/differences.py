"""Where two networks begin to differ."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rnnspec import accuracy
from rnnspec.diagnosis.trial import Apart, Trial
from rnnspec.model import Model
from rnnspec.ops import Array, States, under
from rnnspec.reference.ops import steps
from rnnspec.valid import Valid

# What conversions are tested to. Longer sums and more steps are allowed more (`accuracy.allowed`).
_FLOOR = {"float16": 2e-3, "float32": 1e-5, "float64": 1e-10}
_MOST = 1e-3  # a mistake may be off by no more than that


def tolerance(trial: Trial, dtypes: set[str]) -> float:
    """What the coarsest of the dtypes allows on this trial."""
    dtype = next((dtype for dtype in _FLOOR if dtype in dtypes), "float64")
    if dtype == "float16":
        return _FLOOR[dtype]
    with np.errstate(over="ignore"):
        single = {
            k: a.astype("float32") if a.dtype == "float64" else a for k, a in (trial.weights | trial.inputs).items()
        }
    rough = replace(trial, weights={k: single[k] for k in trial.weights}, inputs={k: single[k] for k in trial.inputs})
    _, spread = accuracy.worst(rough.results(), trial.results())
    terms, time = accuracy.terms(trial.model), trial.time
    if not np.isfinite(spread):
        return _FLOOR[dtype]
    allowed = accuracy.allowed(dtype, terms, time, accuracy.condition(spread, terms, time))
    return min(_MOST, max(_FLOOR[dtype], allowed))


@dataclass(frozen=True)
class Difference:
    """One output or state: `error` as in ACC-1, `row` and `step` where it is first beyond the tolerance (None where it
    is not, or has no steps), `actual` and `expected` where it is largest."""

    name: str
    error: float
    row: int | None = None
    step: int | None = None
    actual: float | None = None
    expected: float | None = None
    note: str = ""


def compare(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], allowed: float) -> list[Difference]:
    """One for each expected array."""
    return [_difference(name, found.get(name), array, allowed) for name, array in expected.items()]


def _difference(name: str, found: np.ndarray | None, expected: np.ndarray, allowed: float) -> Difference:
    if found is None or found.shape != expected.shape:
        shape = "nothing" if found is None else found.shape
        return Difference(name, float("inf"), note=f"expected shape {expected.shape}, found {shape}")
    distance = accuracy.errors(found, expected)
    if not distance.size:
        return Difference(name, 0.0)
    place = np.unravel_index(distance.argmax(), distance.shape)
    row, step = _first(distance, allowed)
    return Difference(name, float(distance.max()), row, step, float(found[place]), float(expected[place]))


def _first(distance: np.ndarray, allowed: float, backward: bool = False) -> tuple[int | None, int | None]:
    """Row and step where the distance (batch, [time,] features) is first beyond what is allowed."""
    if not distance.size or distance.max() <= allowed:
        return None, None
    if distance.ndim == 2:
        return int(distance.max(1).argmax()), None
    beyond = np.flatnonzero(distance.max((0, 2)) > allowed)
    step = int(beyond[-1 if backward else 0])
    return int(distance[:, step].max(1).argmax()), step


@dataclass(frozen=True)
class First:
    """The first layer that differs, and what of it differs first: a state, or else its output."""

    layer: str
    name: str
    row: int | None
    step: int | None


def _states(model: Model, layer: str) -> list[str]:
    """The layer's states, cell by cell, h last: it is made of the others."""
    names = [name for name in model.states() if name.startswith(layer + ".")]
    cells = [name.rpartition(".")[0] for name in names]
    return sorted(names, key=lambda name: (cells.index(name.rpartition(".")[0]), name.endswith(".h")))


def first_of_results(model: Model, differences: list[Difference], allowed: float) -> First | None:
    """From final states and outputs alone: the first layer with a state or an output that is off; of a state the step
    is not known, and taken from the layer's output where that is off."""
    off = {each.name: each for each in differences if each.error > allowed}
    for layer in model.layers:
        y = next((off[name] for name in _returned(model, layer.name) if name in off), None)
        for name in filter(off.__contains__, _states(model, layer.name)):
            return First(layer.name, name, off[name].row, y.step if y else None)
        if y:
            return First(layer.name, y.name, y.row, y.step)
    return None


def _returned(model: Model, layer: str) -> list[str]:
    """The names in a call's results under which a layer's output is returned."""
    if layer not in model.graph.outputs:
        return []
    name = "y" if model.outputs is None else layer
    return [each for each in model.results if each in (name, f"{name}.forward", f"{name}.backward")]


def first_of_models(a: Trial, b: Trial, allowed: float) -> First | None:
    """Layer by layer and step by step, for two models with the same layers; None where nothing differs."""
    ours, theirs = trace(a), trace(b)
    found = (first_of_layer(a.model, layer.name, ours, theirs, allowed) for layer in a.model.layers)
    return next(filter(None, found), None)


def first_of_layer(
    model: Model, layer: str, ours: "dict[str, Seen]", theirs: "dict[str, Seen]", allowed: float
) -> First | None:
    """What of one layer differs first, in two traces; what has another shape in the other is left out."""
    found: list[tuple[int, First]] = []
    for name in [*_states(model, layer), layer]:
        if name not in theirs or ours[name].values.shape != theirs[name].values.shape:
            continue
        mine = ours[name]
        distance = accuracy.errors(mine.values, theirs[name].values)
        row, step = _first(distance, allowed, mine.backward)
        if row is not None:
            visit = 0 if step is None else distance.shape[1] - 1 - step if mine.backward else step
            found.append((visit, First(layer, name, row, step)))
    states = [each for each in found if each[1].name != layer]
    return min(states or found, key=lambda each: each[0])[1] if found else None


@dataclass(frozen=True)
class Seen:
    """What stands at a place after every step, or for each row."""

    values: np.ndarray  # (batch, [time,] features)
    backward: bool = False


class _Recorder(Apart):
    """Keeps the states after every step, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, Seen] = {}

    def unroll(self, cell, p, x: Array, valid: Valid, state: States, start: States, reverse: bool):
        batch, time = x.shape[:2]
        mask, begins = steps(valid, x, reverse)
        outputs = np.zeros((batch, time, cell.outputs(x.shape[-1])))
        kept = {name: np.zeros((batch, time, array.shape[-1])) for name, array in state.items()}
        for t in reversed(range(time)) if reverse else range(time):
            here = slice(t, t + 1)
            one = Valid(mask=mask[:, here], reset=None if valid.reset is None else begins[:, here])
            y, state = super().unroll(cell, p, x[:, here], one, state, start, False)
            outputs[:, t] = y[:, 0]
            for name, array in state.items():
                kept[name][:, t] = array
        place = self._place.removeprefix(".").rstrip(".")
        self.seen |= under(place, {name: Seen(array, reverse) for name, array in kept.items()})
        return outputs, state


def trace(trial: Trial) -> dict[str, Seen]:
    """State name → its values after every step, and layer → its output (the first of two)."""
    recorder = _Recorder()
    outputs = trial.outputs(recorder)
    return recorder.seen | {name: Seen(array) for name, array in outputs.items()}
