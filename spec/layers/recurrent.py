"""A cell unrolled over time, in one direction or both."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import numpy as np

from rnnspec.cells.base import Cell
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers.base import Features, Layer, Place
from rnnspec.ops import Array, Ops, States, scope, under
from rnnspec.valid import Valid


class Recurrent(Layer, tag="recurrent", frozen=True, kw_only=True):
    """A cell over the steps of a sequence, with the semantics of UNROLL-1 to UNROLL-12.

    `direction`: `forward`, `backward` (valid steps in reverse, outputs at their own time index) or `bidirectional`
    (both, each with its own parameters and states, under `forward.` and `backward.`, the backward one with
    `backward_cell` if that is given). `merge`: how their outputs are joined; `none` gives both, as a tuple, and ends
    the model. `return_sequences: false` gives the output of the last step visited, and ends the sequence.
    `padded_output`: at invalid steps `zero`, or `hold` the previous valid output. `reverse_output` flips the time axis
    of the output (Keras `go_backwards`). `learned_state`: states that are not given start from parameters `initial.…`
    `(size,)` and not from zeros. A cell that reads a memory (`Attending`) finds it at the second place of `of`.
    """

    cell: Cell
    backward_cell: Cell | None = None
    direction: Literal["forward", "backward", "bidirectional"] = "forward"
    merge: Literal["concat", "sum", "mul", "ave", "none"] = "concat"
    return_sequences: bool = True
    padded_output: Literal["zero", "hold"] = "zero"
    reverse_output: bool = False
    learned_state: bool = False
    start: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        Layer.__post_init__(self)
        if self.direction != "bidirectional":
            if self.backward_cell is not None:
                raise SpecError(f"layer {self.name!r}: backward_cell needs direction='bidirectional'")
            if self.merge != "concat":
                raise SpecError(f"layer {self.name!r}: merge={self.merge!r} needs direction='bidirectional'")
        if self.backward_cell is not None and self.backward_cell.memory != self.cell.memory:
            raise SpecError(f"layer {self.name!r}: backward_cell: both cells read the same memory, or none")

    @property
    def most(self) -> int:  # type: ignore[override]  # of the class in other layers
        """Places that it can read."""
        return 1 if self.cell.memory is None else 2

    @property
    def whole(self) -> tuple[int, ...]:  # type: ignore[override]  # likewise
        """Those whose steps it reads all at once."""
        return () if self.cell.memory is None else (1,)

    @property
    def directions(self) -> dict[str, tuple[Cell, bool]]:
        """Prefix of the names → the cell and whether that direction runs backward."""
        if self.direction == "bidirectional":
            return {"forward": (self.cell, False), "backward": (self.backward_cell or self.cell, True)}
        return {"": (self.cell, self.direction == "backward")}

    def _inputs(self, inputs: Features) -> int:
        """Features that the cells read beside a memory."""
        return super().outputs(inputs if self.cell.memory is None else inputs[0])

    def outputs(self, inputs: Features) -> int:
        each = self.each(inputs)
        if self.merge in ("concat", "none"):
            return sum(each)
        if each[0] != each[-1]:
            raise SpecError(f"layer {self.name!r}: merge={self.merge!r} needs equal outputs, found {each}")
        return each[0]

    def each(self, inputs: Features) -> list[int]:
        """Features of each direction's output."""
        return [cell.outputs(self._inputs(inputs)) for cell, _ in self.directions.values()]

    def states(self, inputs: Features) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for prefix, (cell, _) in self.directions.items():
            sizes |= under(prefix, cell.states(self._inputs(inputs)))
        return sizes

    def parameters(self, inputs: Features) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for prefix, (cell, _) in self.directions.items():
            shapes |= under(prefix, cell.parameters(self._inputs(inputs)))
        if self.learned_state:
            shapes |= {f"initial.{name}": (size,) for name, size in self.states(inputs).items()}
        return shapes

    def place(self, *reads: Place) -> Place:
        if reads[0].time is None:
            fix = "set return_sequences on the layer before"
            raise SpecError(f"layer {self.name!r}: no sequence reaches it; {fix}, or put a Repeat before it")
        features: Features = reads[0].features
        if self.cell.memory is not None:
            self._check_memory(*reads[1:])
            features = tuple(place.features for place in reads)
        return Place(self.outputs(features), reads[0].time if self.return_sequences else None)

    def _check_memory(self, *memory: Place) -> None:
        found = str(memory[0]) if memory else "one place"
        if not memory or memory[0].time is None or memory[0].features != self.cell.memory:
            expected = f"expected a second place, the memory, a sequence of {self.cell.memory} features"
            raise SpecError(f"layer {self.name!r}: of: {expected}, found {found}")

    def valid(self, ops: Ops, valid: Any) -> Valid:
        if not self.return_sequences:
            return Valid()
        return valid if self.cell.memory is None else valid[0]

    def initial(self, ops: Ops, p: dict[str, Array], zeros: States) -> States:
        """The learned states, where there are any (UNROLL-11)."""
        if not self.learned_state:
            return zeros
        return {name: zero + ops.flat(p[f"initial.{name}"]) for name, zero in zeros.items()}

    def apply(self, ops: Ops, p: dict[str, Array], x: Any, valid: Any, state: States) -> tuple[Array, States]:
        if self.cell.memory is not None:
            p, x, valid = self._beside(ops, p, x, valid)
        each, new = ops.recurrent(self, p, x, valid, state)
        outputs = []
        for y, (_, reverse) in zip(each, self.directions.values(), strict=True):
            if not self.return_sequences:
                y = ops.last(y, valid, reverse)
            elif self.padded_output == "hold" and not (valid.all and valid.reset is None):
                y = ops.hold(y, valid, reverse)
            outputs.append(ops.flip(y) if self.reverse_output and self.return_sequences else y)
        return self._merged(ops, outputs), new

    def _beside(self, ops: Ops, p: dict[str, Array], x: Any, valid: Any) -> tuple[dict[str, Array], Array, Valid]:
        """The memory among the parameters of each direction, and what is left."""
        memory = {"memory": (ops.masked(x[1], valid[1]), valid[1])}
        for prefix in self.directions:
            p = p | under(prefix, memory)
        return p, x[0], valid[0]

    def _merged(self, ops: Ops, outputs: list[Array]) -> Array:
        if len(outputs) == 1:
            return outputs[0]
        if self.merge == "none":
            return tuple(outputs)
        if self.merge == "concat":
            return ops.concat(outputs)
        forward, backward = outputs
        if self.merge == "mul":
            return forward * backward
        return (forward + backward) * 0.5 if self.merge == "ave" else forward + backward

    def unroll(
        self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States, apart: bool = True
    ) -> tuple[list[Array], States]:
        """What the layer means, in terms of one direction of one cell: every backend's generic path.

        `apart`: cells made of cells run each by itself where they can; the reference runs the whole cell step by step.
        """
        ops = ops.at(self.name)
        start: States = {}
        if valid.reset is not None:
            start = self.initial(ops, p, {name: ops.zeros(s, int(s.shape[-1])) for name, s in state.items()})
        p = {name: value for name, value in p.items() if not name.startswith("initial.")}
        outputs: list[Array] = []
        new: States = {}
        for prefix, (cell, reverse) in self.directions.items():
            p_, state_, start_ = scope(p, prefix), scope(state, prefix), scope(start, prefix)
            unroll = cell.unroll if apart else partial(Cell.unroll, cell)
            y, s = unroll(ops.at(prefix), p_, x, valid, state_, start_, reverse)
            outputs.append(y)
            new |= under(prefix, s)
        return outputs, new

    def step(self, ops: Ops, p: dict[str, Array], x: Any, valid: Any, state: States) -> tuple[Array, States]:
        if self.direction != "forward":
            raise UnsupportedError(f"layer {self.name!r} is {self.direction}: it has no step; run whole sequences")
        if self.reverse_output:
            raise UnsupportedError(f"layer {self.name!r} reverses its output: it has no step; run whole sequences")
        if self.cell.memory is not None:
            p, x, valid = self._beside(ops, p, x, valid)
        return ops.recurrent_step(self, p, x, state)

    def cell_step(self, ops: Ops, p: dict[str, Array], x: Array, state: States) -> tuple[Array, States]:
        """What one step means: every backend's generic path."""
        ops = ops.at(self.name)
        prepared = self.cell.prepare(ops, p)
        return self.cell.step(ops, prepared, self.cell.project(ops, prepared, x), state)

    def initialize(
        self,
        name: str,
        shape: tuple[int, ...],
        inputs: Features,
        rng: "np.random.Generator",
        scheme: str = "keras",
    ) -> np.ndarray:
        if name.startswith("initial."):
            return np.zeros(shape)
        prefix = name.split(".")[0]
        if prefix not in self.directions:
            return self.cell.initialize(name, shape, rng, scheme)
        return self.directions[prefix][0].initialize(name.removeprefix(prefix + "."), shape, rng, scheme)
