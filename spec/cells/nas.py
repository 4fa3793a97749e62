"""The cell that neural architecture search found."""

from typing import ClassVar

from rnnspec.cells.base import Cell
from rnnspec.config import Size
from rnnspec.ops import Array, Ops, Parameters, States


class NAS(Cell, tag="nas", frozen=True, kw_only=True):
    """The recurrent cell of Zoph & Le 2016, "Neural architecture search", as in TensorFlow 1 (`NASCell`).

        a = W x,   m = R h + b                                       NAS-1
        s = tanh(σ(a_0 + m_0) ⊙ relu(a_1 + m_1))                     NAS-2
        t = tanh(σ(a_2 + m_2) + relu(a_3 ⊙ m_3))                     NAS-3
        u = tanh(tanh(a_4 + m_4) ⊙ σ(a_5 + m_5))                     NAS-4
        v = σ(tanh(a_6 + m_6) + σ(a_7 + m_7))                        NAS-5
        c' = tanh(s + c) ⊙ t                                         NAS-6
        h' = P tanh(c' ⊙ tanh(u + v))                                NAS-7
        y  = h'                                                      NAS-8

    W `kernel (8, units, inputs)`, R `recurrent_kernel (8, units, outputs)`, b `bias (8, units)` if `bias`: it belongs
    to m, which in NAS-3 is a factor. P `projection (projection, units)` if `projection`, which then is the number of
    outputs; without it P is left out. States `h (batch, outputs)` and `c (batch, units)`.
    """

    gates: ClassVar = tuple(f"split_{k}" for k in range(8))
    emits: ClassVar = "h"
    units: Size
    bias: bool = True
    projection: Size | None = None

    def outputs(self, inputs: int) -> int:
        return self.projection or self.units

    def states(self, inputs: int) -> dict[str, int]:
        return {"h": self.outputs(inputs), "c": self.units}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {
            "kernel": (8, self.units, inputs),
            "recurrent_kernel": (8, self.units, self.outputs(inputs)),
        }
        if self.bias:
            shapes["bias"] = (8, self.units)
        if self.projection:
            shapes["projection"] = (self.projection, self.units)
        return shapes

    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        return ops.linear(x, p["kernel"])

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        a = ops.split(projected, 8)
        m = ops.split(ops.linear(state["h"], p["recurrent_kernel"], p.get("bias")), 8)
        s = ops.tanh(ops.sigmoid(a[0] + m[0]) * ops.relu(a[1] + m[1]))
        t = ops.tanh(ops.sigmoid(a[2] + m[2]) + ops.relu(a[3] * m[3]))
        u = ops.tanh(ops.tanh(a[4] + m[4]) * ops.sigmoid(a[5] + m[5]))
        v = ops.sigmoid(ops.tanh(a[6] + m[6]) + ops.sigmoid(a[7] + m[7]))
        c = ops.tanh(s + state["c"]) * t
        h = ops.tanh(c * ops.tanh(u + v))
        if self.projection:
            h = ops.linear(h, p["projection"])
        return h, {"h": h, "c": c}
