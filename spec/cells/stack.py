"""Cells inside a cell."""

from collections.abc import Sequence

import numpy as np

from rnnspec.cells.base import Cell
from rnnspec.config import Config
from rnnspec.errors import SpecError
from rnnspec.ops import Array, Ops, Parameters, Projected, States, scope, under
from rnnspec.valid import Valid


class Stack(Cell, tag="stack", frozen=True, kw_only=True):
    """Cells stacked within one time step (TF1 `MultiRNNCell`, Keras `StackedRNNCells`).

        x_0 = x,   x_(k+1), s_k' = cell_k(x_k, s_k)                  STACK-1
        y = the output of the last cell                              STACK-2

    Parameters and states of cell k are named `cells.k.…`. In a bidirectional layer each direction has its own stack,
    and the directions meet only after the last cell: a stack of bidirectional layers is something else (STACK-3).
    """

    cells: Sequence[Cell]

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        if not self.cells:
            raise SpecError("Stack.cells: expected at least one cell, found none")
        for k, cell in enumerate(self.cells):
            if cell.memory is not None:
                raise SpecError(f"Stack.cells[{k}]: reads a memory; put Attending around the stack")

    def outputs(self, inputs: int) -> int:
        for cell in self.cells:
            inputs = cell.outputs(inputs)
        return inputs

    def states(self, inputs: int) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for k, cell in enumerate(self.cells):
            sizes |= under(f"cells.{k}", cell.states(inputs))
            inputs = cell.outputs(inputs)
        return sizes

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for k, cell in enumerate(self.cells):
            shapes |= under(f"cells.{k}", cell.parameters(inputs))
            inputs = cell.outputs(inputs)
        return shapes

    def prepare(self, ops: Ops, p: dict[str, Array]) -> Parameters:
        return [cell.prepare(ops, scope(p, f"cells.{k}")) for k, cell in enumerate(self.cells)]

    def project(self, ops: Ops, p: Parameters, x: Array) -> Projected:
        return self.cells[0].project(ops.at("cells.0"), p[0], x)

    def step(self, ops: Ops, p: Parameters, projected: Projected, state: States) -> tuple[Array, States]:
        new: States = {}
        y = projected
        for k, cell in enumerate(self.cells):
            place = f"cells.{k}"
            z = cell.project(ops.at(place), p[k], y) if k else projected
            y, s = cell.step(ops, p[k], z, scope(state, place))
            new |= under(place, s)
        return y, new

    def unroll(
        self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States, start: States, reverse: bool
    ) -> tuple[Array, States]:
        """Cell after cell, which is the same (STACK-1): each has its input product done for all steps at once."""
        if type(self).step is not Stack.step:  # a derived cell may mean something else
            return ops.unroll(self, p, x, valid, state, start, reverse)
        new: States = {}
        for k, cell in enumerate(self.cells):
            place = f"cells.{k}"
            p_, state_, start_ = scope(p, place), scope(state, place), scope(start, place)
            x, s = cell.unroll(ops.at(place), p_, x, valid, state_, start_, reverse)
            new |= under(place, s)
        return x, new

    def initialize(
        self, name: str, shape: tuple[int, ...], rng: "np.random.Generator", scheme: str = "keras"
    ) -> np.ndarray:
        _, k, rest = name.split(".", 2)
        return self.cells[int(k)].initialize(rest, shape, rng, scheme)
