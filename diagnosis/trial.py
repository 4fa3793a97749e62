"""A model and one call of it, to be changed and run again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import msgspec
import numpy as np

from rnnspec import accuracy
from rnnspec.cells import Cell
from rnnspec.cells.tree import inside, joined, plain, with_inside
from rnnspec.config import Config
from rnnspec.inputs import STEPS
from rnnspec.layers import Recurrent
from rnnspec.model import Model
from rnnspec.ops import Array, States, scope
from rnnspec.reference.ops import NumpyOps
from rnnspec.valid import Valid

Arrays = dict[str, np.ndarray]


class Apart(NumpyOps):
    """The reference, which runs cells made of cells one after the other, so that each can be caught alone."""

    def recurrent(
        self, layer: Recurrent, p: dict[str, Array], x: Array, valid: Valid, state: States
    ) -> tuple[list[Array], States]:
        return layer.unroll(self, p, x, valid, state)


@dataclass(frozen=True)
class Trial:
    """What a mistake changes.

    Args:
        model, weights: the network, in float64.
        inputs: x, or the inputs by name, and where the call has them lengths, mask, reset and all states, under the
            names of an .npz file (`rnnspec.inputs.as_call`).
        ops: the operations that it runs on.
        after: what is done to the results, in turn.
    """

    model: Model
    weights: Arrays
    inputs: Arrays
    ops: type[NumpyOps] = Apart
    after: tuple[Callable[[Arrays], Arrays], ...] = ()

    @classmethod
    def of(cls, model: Model, weights: Mapping[str, np.ndarray], inputs: Mapping[str, np.ndarray]) -> Self:
        """The trial in float64; ids, lengths and masks stay as they are."""
        return cls(model, _double(weights), _double(inputs))

    @property
    def time(self) -> int:
        """The steps of the longest input."""
        sequences = (self.inputs[name].shape[1] for name, given in self.model.given.items() if given.sequence)
        return max(sequences, default=1)

    def results(self, ops: NumpyOps | None = None) -> Arrays:
        """The outputs and every final state by name; arithmetic that overflows gives what it gives."""
        model, ops = self.model, ops or self.ops()
        p = model.by_layer(self.weights)
        x = {name: self.inputs[name] for name in model.given}
        state = {name: self.inputs[name] for name in model.states() if name in self.inputs}
        with np.errstate(all="ignore"):
            if not state:
                rows = len(next(iter(x.values())))
                zeros = {name: np.zeros((rows, size)) for name, size in model.states().items()}
                state = model.start(ops, p, zeros)
            y, new = model.apply(ops, p, x, self._valid(), state)
            found = model.named(y) | new
            for change in self.after:
                found = change(found)
        return found

    def _valid(self) -> dict[str, Valid]:
        """Which steps count, by the inputs with a time of their own."""
        own = [name for name, given in self.model.given.items() if given.sequence and not given.like]
        prefix = {name: f"{name}." if self.model.by_name else "" for name in own}
        return {name: Valid(*(self.inputs.get(prefix[name] + key) for key in STEPS)) for name in own}

    def outputs(self, ops: NumpyOps | None = None) -> Arrays:
        """The output of every layer by its name; of one whose directions stay apart, the forward one."""
        names = [layer.name for layer in self.model.layers]
        found = replace(self, model=msgspec.structs.replace(self.model, outputs=names), after=()).results(ops)
        return {name: found[name] if name in found else found[f"{name}.forward"] for name in names}

    def rows(self, chosen: list[int]) -> Self:
        """The same call for some of the rows."""
        return replace(self, inputs={name: array[chosen] for name, array in self.inputs.items()})

    def steps(self, count: int) -> Self:
        """The same call for the first steps."""
        inputs = {k: a[:, :count] if k in ("x", "mask", "reset") else a for k, a in self.inputs.items()}
        if "lengths" in inputs:
            inputs["lengths"] = np.minimum(inputs["lengths"], count)
        return replace(self, inputs=inputs)

    def but(self, *without: str, **inputs: np.ndarray) -> Self:
        """The trial with other inputs, or without some."""
        kept = {name: array for name, array in self.inputs.items() if name not in without}
        return replace(self, inputs=kept | inputs)

    def on(self, mixin: type[NumpyOps]) -> Self:
        """The trial on operations that `mixin` overrides."""
        return replace(self, ops=type(mixin.__name__, (mixin, self.ops), {}))

    def then(self, change: Callable[[Arrays], Arrays]) -> Self:
        """The trial with something done to its results."""
        return replace(self, after=(*self.after, change))


def error(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> float:
    """The largest error over what is expected; infinite where something is missing."""
    return max(accuracy.error(found[name], a) if name in found else float("inf") for name, a in expected.items())


def parts(model: Model) -> dict[str, Config]:
    """Place → each layer, and each plain cell in it: `rnn`, `rnn.forward`, `rnn.cells.0`.

    A forward or backward layer's own cell has its layer's place with a dot behind, `rnn.`.
    """
    found: dict[str, Config] = {}
    for layer in model.layers:
        found[layer.name] = layer
        if isinstance(layer, Recurrent):
            for prefix, (cell, _) in layer.directions.items():
                found |= {f"{layer.name}.{place}": each for place, each in plain(cell, prefix).items()}
    return found


def weights_of(weights: Mapping[str, np.ndarray], place: str) -> Arrays:
    """The weights below a place, by their names there."""
    return scope(dict(weights), place.rstrip("."))


def with_part(trial: Trial, place: str, part: Config, weights: Arrays) -> Trial:
    """The trial with another layer or cell, and its weights, at a place."""
    prefix = place.rstrip(".") + "."
    others = {name: array for name, array in trial.weights.items() if not name.startswith(prefix)}
    layers = tuple(_with(layer, place, part) for layer in trial.model.layers)
    model = trial.model if layers == trial.model.layers else msgspec.structs.replace(trial.model, layers=layers)
    return replace(trial, model=model, weights=others | {prefix + name: array for name, array in weights.items()})


def _with(layer: Any, place: str, part: Any) -> Any:
    if layer.name == place:
        return part
    if not place.startswith(layer.name + "."):
        return layer
    below = place.removeprefix(f"{layer.name}.")
    cells = [_cell(cell, prefix, below, part) for prefix, (cell, _) in layer.directions.items()]
    backward = cells[1] if len(cells) == 2 and cells[1] != cells[0] else None
    return msgspec.structs.replace(layer, cell=cells[0], backward_cell=backward)


def _cell(cell: Cell, here: str, place: str, part: Any) -> Cell:
    below = inside(cell)
    if not below:
        return part if here == place else cell
    return with_inside(cell, [_cell(each, joined(here, name), place, part) for name, each in below.items()])


def _double(arrays: Mapping[str, np.ndarray]) -> Arrays:
    found = {name: np.asarray(array) for name, array in arrays.items()}
    return {name: a.astype("float64") if a.dtype.kind == "f" else a for name, a in found.items()}
