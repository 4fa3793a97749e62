"""Zoneout."""

from rnnspec.cells.wrapper import Rate, Wrapper
from rnnspec.config import Config
from rnnspec.ops import Array, Ops, Parameters, Projected, States


class Zoneout(Wrapper, tag="zoneout", frozen=True, kw_only=True):
    """Zoneout (Krueger et al. 2017): states that sometimes stay as they were.

        s' = z ⊙ s + (1 − z) ⊙ s'_cell, for s = h and s = c          ZONEOUT-1
        y  = h'                                                      ZONEOUT-2

    In training the elements of z are 1 with the probability `h` or `c`, anew in each step, and otherwise 0; outside
    training z is that probability itself, the expectation (ZONEOUT-3). The cell's output must be its state h.
    """

    h: Rate = 0.0
    c: Rate = 0.0

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        for name, _ in self._rates():
            self._needs_state(name, name)

    def project(self, ops: Ops, p: Parameters, x: Array) -> Projected:
        sizes = self.cell.states(int(x.shape[-1]))
        noise = [ops.noise(x, sizes[name], rate, name, "step") for name, rate in self._rates()]
        return self.cell.project(ops, p, x), *(n for n in noise if n is not None)

    def step(self, ops: Ops, p: Parameters, projected: Projected, state: States) -> tuple[Array, States]:
        inner, *noise = projected
        y, new = self.cell.step(ops, p, inner, state)
        new = dict(new)
        for k, (name, rate) in enumerate(self._rates()):
            old, change = state[name], new[name] - state[name]
            new[name] = old + (change * noise[k] if noise else change * (1 - rate))
        return new["h"] if self.h else y, new

    def _rates(self) -> list[tuple[str, float]]:
        return [(name, rate) for name, rate in (("h", self.h), ("c", self.c)) if rate]
