"""A cell unrolled over time, in one direction or both."""

from typing import Literal

import numpy as np

from rnnspec.cells.base import Cell
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers.base import Layer
from rnnspec.ops import Array, Ops, States, scope, under
from rnnspec.valid import Valid


class Recurrent(Layer, tag="recurrent", frozen=True, kw_only=True):
    """A cell over the steps of a sequence, with the semantics of UNROLL-1 to UNROLL-8.

    `direction`: `forward`, `backward` (valid steps in reverse, outputs at their own time index) or `bidirectional`
    (both, each with its own parameters and states, under `forward.` and `backward.`; outputs concatenated, forward
    first). `return_sequences: false` gives the output of the last step visited, and ends the sequence.
    """

    cell: Cell
    direction: Literal["forward", "backward", "bidirectional"] = "forward"
    return_sequences: bool = True

    @property
    def directions(self) -> dict[str, bool]:
        """Prefix of the names → whether that direction runs backward."""
        if self.direction == "bidirectional":
            return {"forward": False, "backward": True}
        return {"": self.direction == "backward"}

    def outputs(self, inputs: int | None) -> int:
        super().outputs(inputs)
        return self.cell.outputs * len(self.directions)

    def states(self) -> dict[str, int]:
        return {name: size for prefix in self.directions for name, size in under(prefix, self.cell.states()).items()}

    def parameters(self, inputs: int | None) -> dict[str, tuple[int, ...]]:
        assert inputs is not None
        shapes = self.cell.parameters(inputs)
        return {name: shape for prefix in self.directions for name, shape in under(prefix, shapes).items()}

    def apply(self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        return ops.recurrent(self, p, x, valid, state)

    def unroll(self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        """What the layer means, in terms of one direction of one cell: every backend's generic path."""
        outputs: list[Array] = []
        new: States = {}
        for prefix, reverse in self.directions.items():
            y, s = ops.unroll(
                self.cell,
                scope(p, prefix),
                x,
                valid,
                scope(state, prefix),
                reverse=reverse,
                sequences=self.return_sequences,
            )
            outputs.append(y)
            new |= under(prefix, s)
        return (ops.concat(outputs) if len(outputs) > 1 else outputs[0]), new

    def step(self, ops: Ops, p: dict[str, Array], x: Array, state: States) -> tuple[Array, States]:
        if self.direction != "forward":
            raise UnsupportedError(f"layer {self.name!r} is {self.direction}: it has no step; run whole sequences")
        return ops.recurrent_step(self, p, x, state)

    def cell_step(self, ops: Ops, p: dict[str, Array], x: Array, state: States) -> tuple[Array, States]:
        """What one step means: every backend's generic path."""
        prepared = self.cell.prepare(ops, p)
        return self.cell.step(ops, prepared, self.cell.project(ops, prepared, x), state)

    def initialize(self, name: str, shape: tuple[int, ...], rng: "np.random.Generator") -> np.ndarray:
        prefix = name.split(".")[0]
        return self.cell.initialize(name.removeprefix(prefix + ".") if prefix in self.directions else name, shape, rng)


def check_follows(layer: Layer, sequence: bool) -> bool:
    """Whether a sequence is left after `layer`, given whether one reaches it (MODEL-3).

    Raises:
        SpecError: a recurrent layer after one that returned its last output only.
    """
    if not isinstance(layer, Recurrent):
        return sequence
    if not sequence:
        raise SpecError(f"layer {layer.name!r}: no sequence reaches it; set return_sequences on the layer before")
    return layer.return_sequences
