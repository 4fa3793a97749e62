"""Normalisation between layers."""

from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np

from rnnspec.layers.base import Features, Layer
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid


class Norm(Layer, tag="norm", frozen=True, kw_only=True):
    """Normalisation at every step, padded ones included.

        y = γ ⊙ (x − m) / √(v + ε) + β

    `layer` (Ba et al. 2016): m and v are the mean and the variance of the step's own features (NORMALISE-1). `batch`
    (Ioffe & Szegedy 2015): m `mean (features,)` and v `variance (features,)` are statistics that the file holds, in
    training too (NORMALISE-2); no gradient reaches them (NORMALISE-3). γ `gamma (features,)`; β `beta (features,)` if
    `beta`; ε `epsilon`, which has no default: frameworks differ (torch 1e-5, Keras 1e-3).
    """

    kind: Literal["layer", "batch"]
    epsilon: Annotated[float, msgspec.Meta(gt=0)]
    beta: bool = True
    since: ClassVar[int] = 2

    def parameters(self, inputs: Features) -> dict[str, tuple[int, ...]]:
        names = ["gamma", *(["beta"] if self.beta else []), *self.fixed]
        return dict.fromkeys(names, (inputs,))

    @property
    def fixed(self) -> tuple[str, ...]:
        return ("mean", "variance") if self.kind == "batch" else ()

    def apply(self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        if self.kind == "layer":
            return ops.layer_norm(x, p["gamma"], p.get("beta"), self.epsilon, 1), {}
        y = (x - ops.flat(p["mean"])) / ops.sqrt(ops.flat(p["variance"]) + self.epsilon) * ops.flat(p["gamma"])
        return y + ops.flat(p["beta"]) if self.beta else y, {}

    def initialize(
        self,
        name: str,
        shape: tuple[int, ...],
        inputs: Features,
        rng: "np.random.Generator",
        scheme: str = "keras",
    ) -> np.ndarray:
        return np.ones(shape) if name in ("gamma", "variance") else np.zeros(shape)
