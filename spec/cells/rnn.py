"""The simple recurrent network."""

from typing import ClassVar

from rnnspec.cells.base import Activation, Cell
from rnnspec.config import Size
from rnnspec.ops import Array, Ops, Parameters, States, activation


class RNN(Cell, tag="rnn", frozen=True, kw_only=True):
    """Simple recurrent network (Elman 1990, "Finding structure in time").

        h' = φ(W x + R h + b)                                        RNN-1
        y  = h'                                                      RNN-2

    W `kernel (1, units, inputs)`, R `recurrent_kernel (1, units, units)`, b `bias (1, units)` if `bias`;
    φ `activation`; state `h (batch, units)`.
    """

    gates: ClassVar = ("hidden",)
    units: Size
    activation: Activation = "tanh"
    bias: bool = True

    @property
    def outputs(self) -> int:
        return self.units

    def states(self) -> dict[str, int]:
        return {"h": self.units}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        shapes = {"kernel": (1, self.units, inputs), "recurrent_kernel": (1, self.units, self.units)}
        return shapes | ({"bias": (1, self.units)} if self.bias else {})

    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        return ops.linear(x, p["kernel"], p.get("bias"))

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        h = activation(ops, self.activation, projected + ops.linear(state["h"], p["recurrent_kernel"]))
        return h, {"h": h}
