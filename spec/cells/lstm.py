"""The long short-term memory."""

from typing import ClassVar

import numpy as np

from rnnspec.cells.base import Cell
from rnnspec.config import Size
from rnnspec.ops import Array, Ops, Parameters, States


class LSTM(Cell, tag="lstm", frozen=True, kw_only=True):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

        i = σ(W_i x + R_i h + b_i)      f = σ(W_f x + R_f h + b_f)   LSTM-1
        g = tanh(W_g x + R_g h + b_g)   o = σ(W_o x + R_o h + b_o)   LSTM-2
        c' = f ⊙ c + i ⊙ g                                           LSTM-3
        h' = o ⊙ tanh(c')                                            LSTM-4
        y  = h'                                                      LSTM-5

    W `kernel (4, units, inputs)`, R `recurrent_kernel (4, units, units)`, b `bias (4, units)` if `bias`; gates in the
    order input i, forget f, cell g, output o; states `h (batch, units)` and `c (batch, units)`. A forget bias that a
    framework adds at run time is part of `bias` here (LSTM-6).
    """

    gates: ClassVar = ("input", "forget", "cell", "output")
    units: Size
    bias: bool = True

    @property
    def outputs(self) -> int:
        return self.units

    def states(self) -> dict[str, int]:
        return {"h": self.units, "c": self.units}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        shapes = {"kernel": (4, self.units, inputs), "recurrent_kernel": (4, self.units, self.units)}
        return shapes | ({"bias": (4, self.units)} if self.bias else {})

    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        return ops.linear(x, p["kernel"], p.get("bias"))

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        i, f, g, o = ops.split(projected + ops.linear(state["h"], p["recurrent_kernel"]), 4)
        c = ops.sigmoid(f) * state["c"] + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, {"h": h, "c": c}

    def initialize(self, name: str, shape: tuple[int, ...], rng: "np.random.Generator") -> np.ndarray:
        """As the base class, with a forget bias of one (Jozefowicz et al. 2015): INIT-2."""
        value = super().initialize(name, shape, rng)
        if name == "bias":
            value[self.gates.index("forget")] = 1
        return value
