"""The simple recurrent unit."""

from typing import ClassVar

from rnnspec.activations import Activation, activate
from rnnspec.cells.base import Cell
from rnnspec.config import Size
from rnnspec.ops import Array, Ops, Parameters, Projected, States


class SRU(Cell, tag="sru", frozen=True, kw_only=True):
    """Simple recurrent unit (Lei et al. 2017, v1 of the paper; TensorFlow 1 `SRUCell`): all products are of x alone.

        f = σ(W_f x + b_f)              r = σ(W_r x + b_r)           SRU-1
        c' = f ⊙ c + (1 − f) ⊙ W_n x                                 SRU-2
        y  = r ⊙ φ(c') + (1 − r) ⊙ W_y x                             SRU-3

    W `kernel (4, units, inputs)`, gates in the order new n, forget f, reset r, highway y; b `bias (2, units)` of f and
    r if `bias`; φ `activation`; state `c (batch, units)`, which is not the output. Where the paper lets x itself
    through, W_y is the identity (SRU-4).
    """

    gates: ClassVar = ("new", "forget", "reset", "highway")
    units: Size
    activation: Activation = "tanh"
    bias: bool = True

    def outputs(self, inputs: int) -> int:
        return self.units

    def states(self, inputs: int) -> dict[str, int]:
        return {"c": self.units}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"kernel": (4, self.units, inputs)}
        return shapes | ({"bias": (2, self.units)} if self.bias else {})

    def project(self, ops: Ops, p: Parameters, x: Array) -> Projected:
        gates = ops.sigmoid(ops.linear(x, p["kernel"][1:3], p.get("bias")))
        return ops.linear(x, p["kernel"][:1]), gates, ops.linear(x, p["kernel"][3:])

    def step(self, ops: Ops, p: Parameters, projected: Projected, state: States) -> tuple[Array, States]:
        n, gates, x = projected
        f, r = ops.split(gates, 2)
        c = n + f * (state["c"] - n)
        return x + r * (activate(ops, self.activation, c) - x), {"c": c}
