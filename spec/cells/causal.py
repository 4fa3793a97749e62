"""Convolution over the past, as a cell."""

from typing import Annotated

import msgspec

from rnnspec import limits
from rnnspec.activations import Activation, activate
from rnnspec.cells.base import Cell
from rnnspec.config import Size
from rnnspec.ops import Array, Ops, Parameters, States

Width = Annotated[int, msgspec.Meta(ge=2, le=limits.SIZE)]


class CausalConvolution(Cell, tag="causal_convolution", frozen=True, kw_only=True):
    """A causal, dilated convolution over time (van den Oord et al. 2016), with the past inputs that it needs as state.

        a(t) = Σ_k W_k x(t − dilation·(width − 1 − k)) + b           CAUSAL-1
        y = φ(a), or with `gated` y = φ(a_filter) ⊙ σ(a_gate)        CAUSAL-2
        queue(t) = [x(t − dilation·(width − 1) + 1), …, x(t)]        CAUSAL-3

    W `kernel (gates, units, width·inputs)`, the columns of W_0, which sees the oldest input, first; b `bias (gates,
    units)` if `bias`; one gate, or filter and gate if `gated`; φ `activation`: gated, tanh is WaveNet's and linear the
    gated linear unit (Dauphin et al. 2017). State `queue (batch, dilation·(width − 1)·inputs)`, oldest first; zeros are
    zero padding on the left. Invalid steps are left out of the convolution, as if they were not there (CAUSAL-4). A
    `width` of 1 is a dense layer, and refused.
    """

    units: Size
    width: Width
    dilation: Size = 1
    activation: Activation = "tanh"
    gated: bool = False
    bias: bool = True

    @property
    def gates(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the leading axis of the kernels is."""
        return ("filter", "gate") if self.gated else ("filter",)

    def outputs(self, inputs: int) -> int:
        return self.units

    def states(self, inputs: int) -> dict[str, int]:
        return {"queue": self.dilation * (self.width - 1) * inputs}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        gates = len(self.gates)
        shapes: dict[str, tuple[int, ...]] = {"kernel": (gates, self.units, self.width * inputs)}
        return shapes | ({"bias": (gates, self.units)} if self.bias else {})

    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        return x

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        x, queue = projected, state["queue"]
        inputs = int(x.shape[-1])
        between = () if self.dilation == 1 else ((self.dilation - 1) * inputs,)
        past = ops.split(queue, (inputs, *between) * (self.width - 1))
        a = ops.linear(ops.concat([*past[:: 1 + len(between)], x]), p["kernel"], p.get("bias"))
        if self.gated:
            a, gate = ops.split(a, 2)
            y = activate(ops, self.activation, a) * ops.sigmoid(gate)
        else:
            y = activate(ops, self.activation, a)
        return y, {"queue": ops.concat([*past[1:], x])}
