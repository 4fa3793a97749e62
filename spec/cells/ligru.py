"""The light gated recurrent unit."""

from typing import ClassVar

from rnnspec.activations import Activation, activate
from rnnspec.cells.base import Cell
from rnnspec.config import Size
from rnnspec.ops import Array, Ops, Parameters, States


class LiGRU(Cell, tag="ligru", frozen=True, kw_only=True):
    """Light GRU (Ravanelli, Brakel, Omologo & Bengio 2018, "Light gated recurrent units for speech recognition"): a GRU
    without a reset, whose candidate is relu.

        a  = W x + R h + b                                           LIGRU-1
        z  = σ(a_z)                                                  LIGRU-2
        n  = φ(a_n)                                                  LIGRU-3
        h' = z ⊙ h + (1 − z) ⊙ n                                     LIGRU-4
        y  = h'                                                      LIGRU-5

    W `kernel (2, units, inputs)`, R `recurrent_kernel (2, units, units)`, b `bias (2, units)` if `bias`; gates in the
    order update z, new n; σ `gate_activation`, φ `activation`; state `h (batch, units)`. With the same activations
    these are the equations of `UGRNN`, which has variants of a, and a forget bias where it starts.

    The paper normalises W x over the batch. With stored statistics, as in inference, γ (W x − μ) / √(σ² + ε) + β is
    W x and a bias again: W is `kernel` with its rows multiplied by γ / √(σ² + ε), b is β − γ μ / √(σ² + ε).
    """

    gates: ClassVar = ("update", "new")
    emits: ClassVar = "h"
    units: Size
    gate_activation: Activation = "sigmoid"
    activation: Activation = "relu"
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

    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        return ops.linear(x, p["kernel"], p.get("bias"))

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        z, n = ops.split(projected + ops.linear(state["h"], p["recurrent_kernel"]), 2)
        z, n = activate(ops, self.gate_activation, z), activate(ops, self.activation, n)
        h = n + z * (state["h"] - n)
        return h, {"h": h}
