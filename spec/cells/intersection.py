"""The intersection network."""

from typing import ClassVar

import numpy as np

from rnnspec.activations import Activation, activate
from rnnspec.cells.base import Cell
from rnnspec.config import Size
from rnnspec.ops import Array, Ops, Parameters, Projected, States


class Intersection(Cell, tag="intersection", frozen=True, kw_only=True):
    """Intersection RNN, +RNN (Collins et al. 2017; TensorFlow 1 `IntersectionRNNCell`): gates in time and in depth.

        z = x, or V x + v if inputs ≠ units                          INTERSECTION-1
        a = W z + R h + b                                            INTERSECTION-2
        h' = σ(a_0) ⊙ h + (1 − σ(a_0)) ⊙ tanh(a_1)                   INTERSECTION-3
        y  = σ(a_2) ⊙ z + (1 − σ(a_2)) ⊙ φ(a_3)                      INTERSECTION-4

    W `kernel (4, units, units)`, R `recurrent_kernel (4, units, units)`, b `bias (4, units)`, in the order state gate,
    state, output gate, output; V `input_kernel (1, units, inputs)` and v `input_bias (1, units)` only where inputs and
    units differ; φ `activation`; state `h (batch, units)`, which is not the output. The forget bias that TensorFlow
    adds to both gates at run time is part of `bias` here (INTERSECTION-5).
    """

    gates: ClassVar = ("state_gate", "state", "output_gate", "output")
    units: Size
    activation: Activation = "relu"

    def outputs(self, inputs: int) -> int:
        return self.units

    def states(self, inputs: int) -> dict[str, int]:
        return {"h": self.units}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        units = self.units
        shapes: dict[str, tuple[int, ...]] = {
            "kernel": (4, units, units),
            "recurrent_kernel": (4, units, units),
            "bias": (4, units),
        }
        return shapes | ({"input_kernel": (1, units, inputs), "input_bias": (1, units)} if inputs != units else {})

    def project(self, ops: Ops, p: Parameters, x: Array) -> Projected:
        z = ops.linear(x, p["input_kernel"], p["input_bias"]) if "input_kernel" in p else x
        return z, ops.linear(z, p["kernel"], p["bias"])

    def step(self, ops: Ops, p: Parameters, projected: Projected, state: States) -> tuple[Array, States]:
        z, a = projected
        h = state["h"]
        h_gate, n, y_gate, y = ops.split(a + ops.linear(h, p["recurrent_kernel"]), 4)
        n, y = ops.tanh(n), activate(ops, self.activation, y)
        return y + ops.sigmoid(y_gate) * (z - y), {"h": n + ops.sigmoid(h_gate) * (h - n)}

    def initialize(
        self, name: str, shape: tuple[int, ...], rng: "np.random.Generator", scheme: str = "keras"
    ) -> np.ndarray:
        """As the base class, with TensorFlow's forget bias of one in both gates."""
        value = super().initialize(name, shape, rng, scheme)
        if scheme == "keras" and name == "bias":
            value[::2] = 1
        return value
