"""The update gate network."""

from typing import ClassVar

import numpy as np

from rnnspec.activations import Activation, activate
from rnnspec.cells.gated import Gated
from rnnspec.ops import Array, Ops, Parameters, States


class UGRNN(Gated, tag="ugrnn", frozen=True, kw_only=True):
    """Update gate RNN (Collins et al. 2017; TensorFlow 1 `UGRNNCell`).

        u = σ(a_u)                      n = φ(a_n)                   UGRNN-1
        h' = u ⊙ h + (1 − u) ⊙ n                                     UGRNN-2
        y  = h'                                                      UGRNN-3

    W `kernel (2, units, inputs)`, R `recurrent_kernel (2, units, units)`, b `bias (2, units)`; gates in the order
    update u, new n; a = W x + R h + b and its variants: `Gated`. σ `gate_activation`, φ `activation`; state
    `h (batch, units)`. The forget bias that TensorFlow adds at run time is part of `bias` here, in u (UGRNN-4).
    """

    gates: ClassVar = ("update", "new")
    emits: ClassVar = "h"
    gate_activation: Activation = "sigmoid"
    activation: Activation = "tanh"

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        h = state["h"]
        u, n = ops.split(self.clipped(ops, self.preactivations(ops, p, projected, self.seen(state), 2)), 2)
        n = activate(ops, self.activation, n)
        h = n + activate(ops, self.gate_activation, u) * (h - n)
        return h, {"h": h}

    def initialize(
        self, name: str, shape: tuple[int, ...], rng: "np.random.Generator", scheme: str = "keras"
    ) -> np.ndarray:
        """As the base class, with TensorFlow's forget bias of one in u."""
        value = super().initialize(name, shape, rng, scheme)
        if scheme == "keras" and name == ("bias" if self.bias else "gates_beta"):
            value[0] = 1
        return value
