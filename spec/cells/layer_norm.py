"""Layer normalisation inside a cell: one configuration for the readings that share the name."""

from typing import Annotated, Literal

import msgspec

from rnnspec.config import Config
from rnnspec.ops import Array, Ops


class LayerNorm(Config, frozen=True, kw_only=True):
    """Layer normalisation (Ba et al. 2016): N(a) = γ ⊙ (a − mean a) / √(var a + ε) + β.

        joint   N(W x + R h + b)                                     NORM-1
        split   N_x(W x) + N_h(R h) + b                              NORM-2

    `over`: mean and variance of each `gate` by itself, or of `all` gates together (NORM-3). `beta: false` leaves β of
    the gates' norms out. γ, β (gates, units): `gates_gamma`, `gates_beta` if joint; `kernel_…` for N_x and
    `recurrent_…` for N_h if split. `cell`, for an LSTM: what N_c, with `cell_gamma`, `cell_beta (units,)`, is applied
    to: the `output` path alone, or the `carry` that is also stored (LSTM-9). The variance is the biased one.
    """

    gates: Literal["joint", "split"]
    over: Literal["gate", "all"]
    epsilon: Annotated[float, msgspec.Meta(gt=0)]
    cell: Literal["output", "carry"] | None = None
    beta: bool = True

    def parameters(self, gates: int, units: int) -> dict[str, tuple[int, ...]]:
        """Parameter name → shape, for a cell of so many gates."""
        kinds = ("gamma", "beta") if self.beta else ("gamma",)
        places = ("gates",) if self.gates == "joint" else ("kernel", "recurrent")
        shapes: dict[str, tuple[int, ...]] = {f"{place}_{kind}": (gates, units) for place in places for kind in kinds}
        return shapes | ({"cell_gamma": (units,), "cell_beta": (units,)} if self.cell else {})

    def apply(self, ops: Ops, p: dict[str, Array], place: str, a: Array, gates: int) -> Array:
        """The norm called `place` on the preactivations a (…, gates · units)."""
        groups = gates if self.over == "gate" else 1
        return ops.layer_norm(a, p[f"{place}_gamma"], p.get(f"{place}_beta"), self.epsilon, groups)

    def of_cell(self, ops: Ops, p: dict[str, Array], c: Array) -> Array:
        """N_c(c)."""
        return ops.layer_norm(c, p["cell_gamma"], p["cell_beta"], self.epsilon, 1)
