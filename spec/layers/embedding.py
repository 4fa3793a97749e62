"""Integer ids to vectors."""

import numpy as np

from rnnspec.config import Size
from rnnspec.errors import SpecError
from rnnspec.layers.base import Layer
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid


class Embedding(Layer, tag="embedding", frozen=True, kw_only=True):
    """Embedding: y = E[id], for ids from 0 to vocabulary − 1 (EMBED-1).

    E `embeddings (vocabulary, units)`. It reads an input of ids.
    """

    vocabulary: Size
    units: Size

    def outputs(self, inputs: int | None) -> int:
        if inputs is not None:
            fix = "must be the first layer of a model without `inputs`, or read an input of ids"
            raise SpecError(f"layer {self.name!r}: an embedding {fix}")
        return self.units

    def parameters(self, inputs: int | None) -> dict[str, tuple[int, ...]]:
        return {"embeddings": (self.vocabulary, self.units)}

    def apply(self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        return ops.take(p["embeddings"], x), {}

    def initialize(
        self,
        name: str,
        shape: tuple[int, ...],
        inputs: int | None,
        rng: "np.random.Generator",
        scheme: str = "keras",
    ) -> np.ndarray:
        return rng.uniform(-0.05, 0.05, shape) if scheme == "keras" else rng.standard_normal(shape)
