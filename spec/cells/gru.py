"""The gated recurrent unit, in both of its readings."""

from typing import ClassVar

from rnnspec.cells.base import Cell
from rnnspec.config import Size
from rnnspec.ops import Array, Ops, Parameters, States


class GRU(Cell, tag="gru", frozen=True, kw_only=True):
    """Gated recurrent unit (Cho et al. 2014: v3 of the paper resets before the product, v1 after it).

        r = σ(W_r x + R_r h + b_r)      u = σ(W_u x + R_u h + b_u)   GRU-1
        n = tanh(W_n x + b_n + R_n (r ⊙ h))      reset_after: false  GRU-2
        n = tanh(W_n x + b_n + r ⊙ (R_n h + d))  reset_after: true   GRU-3
        h' = u ⊙ h + (1 − u) ⊙ n                                     GRU-4
        y  = h'                                                      GRU-5

    W `kernel (3, units, inputs)`, R `recurrent_kernel (3, units, units)`, b `bias (3, units)` if `bias`, d
    `recurrent_bias (units,)` if `bias` and `reset_after`; gates in the order reset r, update u, new n; state
    `h (batch, units)`. `reset_after` has no default: the two readings differ, and neither is the usual one (GRU-6).
    """

    gates: ClassVar = ("reset", "update", "new")
    units: Size
    reset_after: bool
    bias: bool = True

    @property
    def outputs(self) -> int:
        return self.units

    def states(self) -> dict[str, int]:
        return {"h": self.units}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {
            "kernel": (3, self.units, inputs),
            "recurrent_kernel": (3, self.units, self.units),
        }
        if self.bias:
            shapes["bias"] = (3, self.units)
            if self.reset_after:
                shapes["recurrent_bias"] = (self.units,)
        return shapes

    def prepare(self, ops: Ops, p: dict[str, Array]) -> Parameters:
        return p | {"gates_kernel": p["recurrent_kernel"][:2], "new_kernel": p["recurrent_kernel"][2:]}

    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        return ops.linear(x, p["kernel"], p.get("bias"))

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        h = state["h"]
        x_ru, x_n = ops.split(projected, (2 * self.units, self.units))
        r, u = ops.split(ops.sigmoid(x_ru + ops.linear(h, p["gates_kernel"])), 2)
        if self.reset_after:
            n = ops.tanh(x_n + r * ops.linear(h, p["new_kernel"], p.get("recurrent_bias")))
        else:
            n = ops.tanh(x_n + ops.linear(r * h, p["new_kernel"]))
        h = n + u * (h - n)
        return h, {"h": h}
