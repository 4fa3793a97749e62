"""The same affine map at every step."""

import numpy as np

from rnnspec import initializers
from rnnspec.activations import Activation, activate
from rnnspec.config import Size
from rnnspec.layers.base import Layer
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid


class Dense(Layer, tag="dense", frozen=True, kw_only=True):
    """Dense: y = φ(W x + b) on the last axis, padded steps included (DENSE-1).

    W `kernel (units, inputs)`, b `bias (units,)` if `bias`; φ `activation`.
    """

    units: Size
    activation: Activation = "linear"
    bias: bool = True

    def outputs(self, inputs: int | None) -> int:
        super().outputs(inputs)
        return self.units

    def parameters(self, inputs: int | None) -> dict[str, tuple[int, ...]]:
        assert inputs is not None
        return {"kernel": (self.units, inputs)} | ({"bias": (self.units,)} if self.bias else {})

    def apply(self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        return activate(ops, self.activation, ops.linear(x, p["kernel"], p.get("bias"))), {}

    def initialize(
        self,
        name: str,
        shape: tuple[int, ...],
        inputs: int | None,
        rng: "np.random.Generator",
        scheme: str = "keras",
    ) -> np.ndarray:
        assert inputs is not None
        return initializers.dense(name, shape, inputs, rng, scheme)
