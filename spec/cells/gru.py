"""The gated recurrent unit, in both of its readings."""

from typing import ClassVar

from rnnspec.activations import Activation, activate
from rnnspec.cells.gated import Gated
from rnnspec.errors import SpecError
from rnnspec.ops import Array, Ops, Parameters, States


class GRU(Gated, tag="gru", frozen=True, kw_only=True):
    """Gated recurrent unit (Cho et al. 2014: v3 of the paper resets before the product, v1 after it).

        r = σ(W_r x + R_r h + b_r)      u = σ(W_u x + R_u h + b_u)   GRU-1
        n = φ(W_n x + b_n + R_n (r ⊙ h))      reset_after: false     GRU-2
        n = φ(W_n x + b_n + r ⊙ (R_n h + d))  reset_after: true      GRU-3
        h' = u ⊙ h + (1 − u) ⊙ n                                     GRU-4
        y  = h'                                                      GRU-5

    W `kernel (3, units, inputs)`, R `recurrent_kernel (3, units, units)`, b `bias (3, units)` if `bias`, d
    `recurrent_bias (units,)` if `bias` and `reset_after`; gates in the order reset r, update u, new n; σ
    `gate_activation`, φ `activation`; state `h (batch, units)`. `reset_after` has no default: the two readings differ,
    and neither is the usual one (GRU-6). Variants of the preactivations: `Gated`; a joint layer norm takes the argument
    of σ and φ, a split one W x on one side and R h, R_n (r ⊙ h) or R_n h on the other (GRU-7).
    """

    gates: ClassVar = ("reset", "update", "new")
    emits: ClassVar = "h"
    reset_after: bool
    gate_activation: Activation = "sigmoid"
    activation: Activation = "tanh"

    def __post_init__(self) -> None:
        Gated.__post_init__(self)
        norm = self.layer_norm
        if norm and norm.over == "all" and (norm.gates == "joint" or not self.reset_after):
            raise SpecError(
                "GRU.layer_norm.over: the new gate waits for the reset gate, so they cannot be normalised together; "
                "give over='gate', or gates='split' with reset_after"
            )

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        recurrent: dict[str, tuple[int, ...]] = {"recurrent_bias": (self.units,)}
        return super().parameters(inputs) | (recurrent if self.bias and self.reset_after else {})

    def prepare(self, ops: Ops, p: dict[str, Array]) -> Parameters:
        recurrent = {name: p[name] for name in p if name.startswith(("recurrent_kernel", "recurrent_", "gates_"))}
        recurrent.pop("recurrent_bias", None)
        gates = {name: value[:2] for name, value in recurrent.items()}
        new = {name: value[2:] for name, value in recurrent.items()}
        return {"all": p, "gates": gates, "new": new}

    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        return super().project(ops, p["all"], x)

    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        h, seen = state["h"], self.seen(state)
        norm, d = self.layer_norm, p["all"].get("recurrent_bias")
        x_ru, x_n = ops.split(projected, (2 * self.units, self.units))
        if norm and norm.over == "all":
            product = norm.apply(
                ops, p["all"], "recurrent", self.product(ops, p["all"]["recurrent_kernel"], seen, 3), 3
            )
            r_ru, m = ops.split(product, (2 * self.units, self.units))
            a_ru, m = x_ru + r_ru, m if d is None else m + ops.flat(d)
        else:
            a_ru = self.preactivations(ops, p["gates"], x_ru, seen, 2)
            m = self._recurrent_new(ops, p["new"], seen, d) if self.reset_after else None
        r, u = ops.split(activate(ops, self.gate_activation, self.clipped(ops, a_ru)), 2)
        if not self.reset_after:
            a_n = self.preactivations(ops, p["new"], x_n, r * seen, 1)
        elif norm and norm.gates == "joint":
            a_n = norm.apply(ops, p["new"], "gates", x_n + r * m, 1)
        else:
            a_n = x_n + r * m
        n = activate(ops, self.activation, self.clipped(ops, a_n))
        h = n + u * (h - n)
        return h, {"h": h}

    def _recurrent_new(self, ops: Ops, p: Parameters, h: Array, d: Array | None) -> Array:
        """R_n h + d, the product normalised by itself with a split layer norm."""
        if self.layer_norm is None or self.layer_norm.gates == "joint":
            return self.product(ops, p["recurrent_kernel"], h, 1, d)
        m = self.layer_norm.apply(ops, p, "recurrent", self.product(ops, p["recurrent_kernel"], h, 1), 1)
        return m if d is None else m + ops.flat(d)
