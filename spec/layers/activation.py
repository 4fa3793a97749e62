"""A function of each element."""

from typing import ClassVar

from rnnspec import activations
from rnnspec.layers.base import Layer
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid


class Activation(Layer, tag="activation", frozen=True, kw_only=True):
    """Activation: y = φ(x), each element by itself, padded steps included (ACTIVATION-1).

    Activation(name="squash", function="softsign")
    """

    function: activations.Activation
    since: ClassVar[int] = 2

    def apply(self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        return activations.activate(ops, self.function, x), {}
