"""The minimal gated unit."""

from typing import ClassVar

from rnnspec.activations import Activation, activate
from rnnspec.cells.base import Cell
from rnnspec.config import Size
from rnnspec.ops import Array, Ops, Parameters, States


class MGU(Cell, tag="mgu", frozen=True, kw_only=True):
    """Minimal gated unit (Zhou et al. 2016): a GRU, reset before, whose two gates are one.

        f = σ(W_f x + R_f h + b_f)                                   MGU-1
        n = φ(W_n x + R_n (f ⊙ h) + b_n)                             MGU-2
        h' = (1 − f) ⊙ h + f ⊙ n                                     MGU-3
        y  = h'                                                      MGU-4

    W `kernel (2, units, inputs)`, R `recurrent_kernel (2, units, units)`, b `bias (2, units)` if `bias`; gates in the
    order forget f, new n; σ `gate_activation`, φ `activation`; state `h (batch, units)`.
    """

    gates: ClassVar = ("forget", "new")
    emits: ClassVar = "h"
    units: Size
    gate_activation: Activation = "sigmoid"
    activation: Activation = "tanh"
    bias: bool = True

    def outputs(self, inputs: int) -> int:
        return self.units

    def states(self, inputs: int) -> dict[str, int]:
        return {"h": self.units}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {
            "kernel": (2, self.units, inputs),
            "recurrent_kernel": (2, self.units, self.units),
        }
        return shapes | ({"bias": (2, self.units)} if self.bias else {})

    def prepare(self, ops: Ops, p: dict[str, Array]) -> Parameters:
        return p | {"recurrent_f": p["recurrent_kernel"][:1], "recurrent_n": p["recurrent_kernel"][1:]}

    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        return ops.linear(x, p["kernel"], p.get("bias"))

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        h = state["h"]
        x_f, x_n = ops.split(projected, 2)
        f = activate(ops, self.gate_activation, x_f + ops.linear(h, p["recurrent_f"]))
        n = activate(ops, self.activation, x_n + ops.linear(f * h, p["recurrent_n"]))
        h = h + f * (n - h)
        return h, {"h": h}
