"""Cells inside a cell."""

from typing import ClassVar

import numpy as np

from rnnspec.cells.base import Cell
from rnnspec.config import Config
from rnnspec.errors import SpecError
from rnnspec.ops import Array, Ops, Parameters, States, scope, under


class Stack(Cell, tag="stack", frozen=True, kw_only=True):
    """Cells stacked within one time step (TF1 `MultiRNNCell`, Keras `StackedRNNCells`).

        x_0 = x,   x_(k+1), s_k' = cell_k(x_k, s_k)                  STACK-1
        y = the output of the last cell                              STACK-2

    Parameters and states of cell k are named `cells.k.…`. In a bidirectional layer each direction has its own stack,
    and the directions meet only after the last cell: a stack of bidirectional layers is something else (STACK-3).
    """

    gates: ClassVar = ()
    cells: tuple[Cell, ...]

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        if not self.cells:
            raise SpecError("Stack.cells: expected at least one cell, found none")

    @property
    def outputs(self) -> int:
        return self.cells[-1].outputs

    def states(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for k, cell in enumerate(self.cells):
            sizes |= under(f"cells.{k}", cell.states())
        return sizes

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for k, cell in enumerate(self.cells):
            shapes |= under(f"cells.{k}", cell.parameters(inputs))
            inputs = cell.outputs
        return shapes

    def prepare(self, ops: Ops, p: dict[str, Array]) -> Parameters:
        return [cell.prepare(ops, scope(p, f"cells.{k}")) for k, cell in enumerate(self.cells)]

    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        return self.cells[0].project(ops, p[0], x)

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        new: States = {}
        y = projected
        for k, cell in enumerate(self.cells):
            z = cell.project(ops, p[k], y) if k else projected
            y, s = cell.step(ops, p[k], z, scope(state, f"cells.{k}"))
            new |= under(f"cells.{k}", s)
        return y, new

    def initialize(self, name: str, shape: tuple[int, ...], rng: "np.random.Generator") -> np.ndarray:
        _, k, rest = name.split(".", 2)
        return self.cells[int(k)].initialize(rest, shape, rng)
