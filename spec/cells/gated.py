"""What RNN, LSTM and GRU share: the preactivations W x + R h + b, and their variants."""

from typing import Annotated, Literal

import msgspec

from rnnspec.cells.base import Cell
from rnnspec.cells.layer_norm import LayerNorm
from rnnspec.config import Config, Size
from rnnspec.errors import SpecError
from rnnspec.ops import Array, Ops, Parameters, States

Limit = Annotated[float, msgspec.Meta(gt=0)]


class Gated(Cell, frozen=True, kw_only=True):
    """A cell with the preactivations

        a = W x + R h + b                                            GATES-1
        R h = r ⊙ h in every gate, with `recurrence: diagonal`       GATES-2
        a is normalised, with `layer_norm`                           NORM-1, NORM-2
        a is clipped to ±clip_gates, right before the activations    GATES-3

    W `kernel (gates, units, inputs)`, R `recurrent_kernel (gates, units, outputs)` or, diagonal, r `(gates, units)`
    (Li et al. 2018), b `bias (gates, units)` if `bias`.
    """

    units: Size
    bias: bool = True
    recurrence: Literal["full", "diagonal"] = "full"
    layer_norm: LayerNorm | None = None
    clip_gates: Limit | None = None

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        if self.layer_norm and self.layer_norm.cell and "c" not in self.states(1):
            raise SpecError(f"{type(self).__name__}.layer_norm.cell: only an LSTM has a cell state; leave it out")

    def outputs(self, inputs: int) -> int:
        return self.units

    def states(self, inputs: int) -> dict[str, int]:
        return {"h": self.units}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        gates = len(self.gates)
        shapes: dict[str, tuple[int, ...]] = {
            "kernel": (gates, self.units, inputs),
            "recurrent_kernel": (gates, self.units) + ((self.outputs(inputs),) if self.recurrence == "full" else ()),
        }
        if self.bias:
            shapes["bias"] = (gates, self.units)
        return shapes | (self.layer_norm.parameters(gates, self.units) if self.layer_norm else {})

    def seen(self, state: States) -> Array:
        """h as R sees it: what a dropout around the cell left of it, else h itself (CELLDROP-1)."""
        return state.get("seen", state["h"])

    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        norm = self.layer_norm
        if norm is None or norm.gates == "joint":
            return ops.linear(x, p["kernel"], p.get("bias"))
        z = norm.apply(ops, p, "kernel", ops.linear(x, p["kernel"]), len(self.gates))
        return z + ops.flat(p["bias"]) if self.bias else z

    def preactivations(self, ops: Ops, p: Parameters, projected: Array, h: Array, gates: int) -> Array:
        """a (batch, gates · units) from projected inputs, not yet clipped."""
        r = self.product(ops, p["recurrent_kernel"], h, gates)
        norm = self.layer_norm
        if norm is None:
            return projected + r
        if norm.gates == "joint":
            return norm.apply(ops, p, "gates", projected + r, gates)
        return projected + norm.apply(ops, p, "recurrent", r, gates)

    def product(self, ops: Ops, kernel: Array, h: Array, gates: int, bias: Array | None = None) -> Array:
        """R h (batch, gates · units), plus a bias."""
        if self.recurrence == "full":
            return ops.linear(h, kernel, bias)
        r = (ops.concat([h] * gates) if gates > 1 else h) * ops.flat(kernel)
        return r if bias is None else r + ops.flat(bias)

    def clipped(self, ops: Ops, a: Array) -> Array:
        """a, within ±clip_gates if there is a limit."""
        return a if self.clip_gates is None else ops.clip(a, -self.clip_gates, self.clip_gates)
