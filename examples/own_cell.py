"""A cell of one's own: once this class exists it runs on every backend, trains, exports and is verified.

rnnspec --import examples/own_cell.py verify mine.safetensors
"""

from rnnspec import Cell
from rnnspec.ops import Array, Ops, Parameters, Projected, States


class Leaky(Cell, tag="leaky", frozen=True, kw_only=True):
    """Leaky integrator: h' = (1 − rate) h + rate tanh(W x + R h + b), y = h'."""

    units: int
    rate: float = 0.3

    def outputs(self, inputs: int) -> int:
        return self.units

    def states(self, inputs: int) -> dict[str, int]:
        return {"h": self.units}

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        n = self.units
        return {"kernel": (1, n, inputs), "recurrent_kernel": (1, n, n), "bias": (1, n)}

    def project(self, ops: Ops, p: Parameters, x: Array) -> Projected:
        return ops.linear(x, p["kernel"], p["bias"])

    def step(self, ops: Ops, p: Parameters, projected: Projected, state: States) -> tuple[Array, States]:
        new = ops.tanh(projected + ops.linear(state["h"], p["recurrent_kernel"]))
        h = state["h"] + (new - state["h"]) * self.rate
        return h, {"h": h}
