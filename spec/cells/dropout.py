"""Dropout inside a recurrent layer."""

from typing import Literal

from rnnspec.cells.gated import Gated
from rnnspec.cells.wrapper import Rate, Wrapper
from rnnspec.config import Config
from rnnspec.errors import SpecError
from rnnspec.ops import Array, Ops, Parameters, Projected, States
from rnnspec.valid import Valid


class CellDropout(Wrapper, tag="dropout", frozen=True, kw_only=True):
    """Dropout on what a cell sees and gives (TensorFlow 1 `DropoutWrapper`; Keras `dropout` and `recurrent_dropout`).

        W sees m_x ⊙ x, R sees m_h ⊙ h                               CELLDROP-1
        y is multiplied by m_y, the states are not                   CELLDROP-2

    `input`, `state`, `output`: the rates of m_x, m_h, m_y, whose elements are 0 with that probability and otherwise
    1/(1 − rate). `per`: a mask for each `step`, or one for the whole `sequence` (Gal & Ghahramani 2016). It is the
    identity outside training (CELLDROP-3). What a GRU carries on is not dropped, nor is c. Keras 3 draws a mask for
    each gate; here all gates see the same one, as in Keras 2. `state` needs a cell of `Gated`'s kind.
    """

    input: Rate = 0.0
    state: Rate = 0.0
    output: Rate = 0.0
    per: Literal["step", "sequence"] = "step"

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        inner = self.cell
        while isinstance(inner, Wrapper):
            inner = inner.cell
        if self.state and not isinstance(inner, Gated):
            raise SpecError(
                f"CellDropout.state: {type(inner).__name__} has no recurrent kernel that sees h alone; leave it 0, or "
                "put the wrapper around an inner cell"
            )

    @property
    def emits(self) -> str | None:  # type: ignore[override]
        """The state that is the output, if one is."""
        return None if self.output else self.cell.emits

    def project(self, ops: Ops, p: Parameters, x: Array) -> Projected:
        noise = ops.noise(x, int(x.shape[-1]), self.input, "input", self.per)
        dropped = x if noise is None else x * noise * (1 / (1 - self.input))
        state = outputs = None
        if self.state:
            state = ops.noise(x, self.cell.states(1)["h"], self.state, "state", self.per)
        if self.output:
            outputs = ops.noise(x, self.cell.outputs(int(x.shape[-1])), self.output, "output", self.per)
        return (
            self.cell.project(ops, p, dropped),
            *(() if state is None else (state,)),
            *(() if outputs is None else (outputs,)),
        )

    def step(self, ops: Ops, p: Parameters, projected: Projected, state: States) -> tuple[Array, States]:
        inner, *noise = projected
        if noise and self.state:
            state = state | {"seen": state["h"] * noise.pop(0) * (1 / (1 - self.state))}
        y, new = self.cell.step(ops, p, inner, state)
        return (y * noise.pop(0) * (1 / (1 - self.output)) if noise else y), new

    def unroll(
        self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States, start: States, reverse: bool
    ) -> tuple[Array, States]:
        # In the loop where the state is masked, and where a derived cell may mean something else.
        if (self.state and ops.training) or type(self).step is not CellDropout.step:
            return ops.unroll(self, p, x, valid, state, start, reverse)
        x = ops.dropout(x, self.input, "input", self.per)
        y, new = self.cell.unroll(ops, p, x, valid, state, start, reverse)
        return ops.dropout(y, self.output, "output", self.per), new
