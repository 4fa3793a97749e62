"""A factor for each feature."""

from typing import ClassVar

import numpy as np

from rnnspec.layers.base import Features, Layer
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid


class Scale(Layer, tag="scale", frozen=True, kw_only=True):
    """Scale: y = γ ⊙ x + β at every step, padded ones included (SCALE-1).

    γ `gamma (features,)`, β `beta (features,)` if `beta`. What a network expects of its features, such as a mean of 0,
    is two of these numbers.
    """

    beta: bool = True
    since: ClassVar[int] = 2

    def parameters(self, inputs: Features) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("gamma", "beta") if self.beta else ("gamma",), (inputs,))

    def apply(self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        y = x * ops.flat(p["gamma"])
        return y + ops.flat(p["beta"]) if self.beta else y, {}

    def initialize(
        self,
        name: str,
        shape: tuple[int, ...],
        inputs: Features,
        rng: "np.random.Generator",
        scheme: str = "keras",
    ) -> np.ndarray:
        return np.ones(shape) if name == "gamma" else np.zeros(shape)
