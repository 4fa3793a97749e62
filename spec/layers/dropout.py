"""Dropout between layers."""

from typing import Annotated

import msgspec

from rnnspec.layers.base import Layer
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid


class Dropout(Layer, tag="dropout", frozen=True, kw_only=True):
    """Dropout (Srivastava et al. 2014): the identity at inference (DROP-1).

    In training each element is zeroed with probability `rate` and the others are scaled by 1/(1 − rate); the masks
    are those of DROP-2 and DROP-3.
    """

    rate: Annotated[float, msgspec.Meta(ge=0, lt=1)]

    def apply(self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        return ops.at(self.name).dropout(x, self.rate), {}
