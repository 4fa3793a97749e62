"""The simple recurrent network."""

from typing import ClassVar

from rnnspec.activations import Activation, activate
from rnnspec.cells.gated import Gated
from rnnspec.ops import Array, Ops, Parameters, States


class RNN(Gated, tag="rnn", frozen=True, kw_only=True):
    """Simple recurrent network (Elman 1990, "Finding structure in time").

        h' = φ(a),  a = W x + R h + b                                RNN-1
        y  = h'                                                      RNN-2

    W `kernel (1, units, inputs)`, R `recurrent_kernel (1, units, units)`, b `bias (1, units)`; variants of a: `Gated`;
    φ `activation`; state `h (batch, units)`.
    """

    gates: ClassVar = ("hidden",)
    emits: ClassVar = "h"
    activation: Activation = "tanh"

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        a = self.preactivations(ops, p, projected, self.seen(state), 1)
        h = activate(ops, self.activation, self.clipped(ops, a))
        return h, {"h": h}
