"""Cells around a cell."""

from typing import Annotated, ClassVar

import msgspec
import numpy as np

from rnnspec.cells.base import Cell
from rnnspec.errors import SpecError
from rnnspec.ops import Array, Ops, Parameters, Projected, States
from rnnspec.valid import Valid

Rate = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class Wrapper(Cell, frozen=True, kw_only=True):
    """A cell around `cell`. It has no parameters and states of its own, and no place in names either, so that it can
    be put around a trained cell and taken off again (WRAP-1)."""

    cell: Cell

    @property
    def gates(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the leading axis of the kernels is."""
        return self.cell.gates

    @property
    def emits(self) -> str | None:  # type: ignore[override]
        """The state that is the output, if one is."""
        return self.cell.emits

    @property
    def memory(self) -> int | None:  # type: ignore[override]
        """Features of the memory that it reads, if it reads one."""
        return self.cell.memory

    def outputs(self, inputs: int) -> int:
        return self.cell.outputs(inputs)

    def states(self, inputs: int) -> dict[str, int]:
        return self.cell.states(inputs)

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return self.cell.parameters(inputs)

    def prepare(self, ops: Ops, p: dict[str, Array]) -> Parameters:
        return self.cell.prepare(ops, p)

    def project(self, ops: Ops, p: Parameters, x: Array) -> Projected:
        return self.cell.project(ops, p, x)

    def initialize(
        self, name: str, shape: tuple[int, ...], rng: "np.random.Generator", scheme: str = "keras"
    ) -> np.ndarray:
        return self.cell.initialize(name, shape, rng, scheme)

    def _needs_state(self, field: str, state: str) -> None:
        """Raise SpecError unless the output of the inner cell is its state h, and it has `state`."""
        if self.cell.emits != "h" or state not in self.cell.states(1):
            raise SpecError(
                f"{type(self).__name__}.{field}: {type(self.cell).__name__} has no such state of its own; "
                "put the wrapper around an inner cell"
            )


class Residual(Wrapper, tag="residual", frozen=True, kw_only=True):
    """A residual connection around a cell (He et al. 2015; TensorFlow 1 `ResidualWrapper`).

        y = x + y_cell                                               RESIDUAL-1

    The cell's outputs must be as many as its inputs. Its states are untouched.
    """

    emits: ClassVar = None

    def outputs(self, inputs: int) -> int:
        outputs = self.cell.outputs(inputs)
        if outputs != inputs:
            raise SpecError(f"Residual.cell: expected {inputs} outputs, as many as its inputs, found {outputs}")
        return outputs

    def project(self, ops: Ops, p: Parameters, x: Array) -> Projected:
        return x, self.cell.project(ops, p, x)

    def step(self, ops: Ops, p: Parameters, projected: Projected, state: States) -> tuple[Array, States]:
        x, inner = projected
        y, new = self.cell.step(ops, p, inner, state)
        return x + y, new

    def unroll(
        self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States, start: States, reverse: bool
    ) -> tuple[Array, States]:
        if type(self).step is not Residual.step:  # a derived cell may mean something else
            return ops.unroll(self, p, x, valid, state, start, reverse)
        y, new = self.cell.unroll(ops, p, x, valid, state, start, reverse)
        return ops.masked(x, valid) + y, new
