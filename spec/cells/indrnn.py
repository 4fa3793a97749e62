"""The independently recurrent network."""

from typing import ClassVar

from rnnspec.activations import Activation, activate
from rnnspec.cells.base import Cell
from rnnspec.config import Size
from rnnspec.ops import Array, Ops, Parameters, States


class IndRNN(Cell, tag="indrnn", frozen=True, kw_only=True):
    """Independently recurrent network (Li et al. 2018; TensorFlow 1 `IndRNNCell`): every unit sees its own past only.

        h' = φ(W x + r ⊙ h + b)                                      INDRNN-1
        y  = h'                                                      INDRNN-2

    W `kernel (1, units, inputs)`, r `recurrent_kernel (1, units)`, b `bias (1, units)` if `bias`; φ `activation`, relu
    in the paper and tanh in TensorFlow; state `h (batch, units)`.
    """

    gates: ClassVar = ("hidden",)
    emits: ClassVar = "h"
    units: Size
    activation: Activation = "tanh"
    bias: bool = True

    def outputs(self, inputs: int) -> int:
        return self.units

    def states(self, inputs: int) -> dict[str, int]:
        return {"h": self.units}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"kernel": (1, self.units, inputs), "recurrent_kernel": (1, self.units)}
        return shapes | ({"bias": (1, self.units)} if self.bias else {})

    def prepare(self, ops: Ops, p: dict[str, Array]) -> Parameters:
        return p | {"recurrent_kernel": ops.flat(p["recurrent_kernel"])}

    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        return ops.linear(x, p["kernel"], p.get("bias"))

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        h = activate(ops, self.activation, projected + state["h"] * p["recurrent_kernel"])
        return h, {"h": h}
