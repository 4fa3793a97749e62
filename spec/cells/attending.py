"""A cell that reads a memory in each of its steps."""

from typing import Literal

import numpy as np

from rnnspec import initializers, scores
from rnnspec.activations import Activation, activate
from rnnspec.cells.base import Cell
from rnnspec.config import Config, Size
from rnnspec.errors import SpecError
from rnnspec.ops import Array, Ops, Parameters, Projected, States, scope, under


class Attending(Cell, tag="attending", frozen=True, kw_only=True):
    """A cell with attention inside the step (TensorFlow 1 `AttentionWrapper`; Keras 2 `RNN` with `constants`).

        c = Σᵤ softmaxᵤ(s(q, m(u))) m(u), over the valid steps u of the memory m          CONTEXT-1
        a(t) = φ(W [y(t), c] + b) with `attention_units`, else c                          CONTEXT-6

    `score` says how a step of the memory answers a query, `feeding` what the cell reads, and what asks (CONTEXT-2):

        dot         s = q · m
        scaled      s = q · m / √memory
        general     s = q · M m                    (Luong et al. 2015)
        additive    s = g · tanh(U q + M m + d)    (Bahdanau et al. 2015)

        context     y(t) = cell([x(t), c]), q = the state `query` before the step    CONTEXT-3  (Bahdanau)
        attention   y(t) = cell([x(t), a(t−1)]), q = y(t)                            CONTEXT-4  (Luong's input feeding)
        none        y(t) = cell(x(t)), q = y(t)                                      CONTEXT-5

    M `memory_kernel (units, memory)`, with as many units as q has features for `general`; U `query_kernel (units,
    features of q)`, g `scale (units,)`, d `score_bias (units,)`; W `attention_kernel (attention_units, outputs of the
    cell + memory)`, b `attention_bias (attention_units,)`; d and b if `bias`; φ `activation`. `query`, left out, is the
    state that the cell gives as its output. `output`: a(t) for `attention`, y(t) for `cell`, [y(t), a(t)] for `both`
    (CONTEXT-7). Parameters and states of the cell are named `cell.…`; with `feeding: attention` a(t) is a state too,
    `attention`. A row without valid memory has c = 0, and what the memory holds at invalid steps is not read.

    The layer reads two places, a sequence and the memory, of `memory` features, whose valid steps are its own:

        Recurrent(
            name="decoder",
            of=["words", "encoder"],
            cell=Attending(cell=LSTM(units=32), memory=64, score="additive", units=24, feeding="context"),
        )
    """

    cell: Cell
    memory: Size  # type: ignore[misc]  # of the class in other cells
    score: scores.Score
    feeding: Literal["context", "attention", "none"]
    units: Size | None = None
    query: str | None = None
    bias: bool = True
    attention_units: Size | None = None
    activation: Activation = "tanh"
    output: Literal["attention", "cell", "both"] = "attention"

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        if self.cell.memory is not None:
            raise SpecError("Attending.cell: reads a memory itself; one cell reads one memory")
        if (self.score == "additive") != (self.units is not None):
            raise SpecError(f"Attending.units: score={self.score!r} {'needs it' if self.units is None else 'has none'}")
        if self.query is not None and self.feeding != "context":
            raise SpecError(f"Attending.query: with feeding={self.feeding!r} the output of the cell asks; leave it out")
        self._check_query()

    def _check_query(self) -> None:
        """Raises SpecError where no state asks, or where what asks is not as large as what answers."""
        cell = type(self.cell).__name__
        states = self.cell.states(self._fed(1))
        if self.feeding == "context" and self._query not in states:
            found = "gives no state as its output" if self.query is None else f"has no state {self.query!r}"
            raise SpecError(f"Attending.query: {cell} {found}; expected one of {', '.join(states)}")
        size = self._asks(1)
        if self.score in ("dot", "scaled") and size != self.memory:
            raise SpecError(
                f"Attending.score: {self.score!r}: queries of {size} and a memory of {self.memory} features; "
                "take score='general'"
            )

    @property
    def _query(self) -> str | None:
        return self.query or self.cell.emits

    def _asks(self, inputs: int) -> int:
        """Features of a query."""
        if self.feeding == "context":
            return self.cell.states(self._fed(inputs))[str(self._query)]
        return self.cell.outputs(self._fed(inputs))

    def _fed(self, inputs: int) -> int:
        """Features that the cell reads."""
        more = {"context": self.memory, "attention": self._attention, "none": 0}
        return inputs + more[self.feeding]

    @property
    def _attention(self) -> int:
        return self.attention_units or self.memory

    def outputs(self, inputs: int) -> int:
        outputs = self.cell.outputs(self._fed(inputs))
        return {"attention": self._attention, "cell": outputs, "both": outputs + self._attention}[self.output]

    def states(self, inputs: int) -> dict[str, int]:
        states = under("cell", self.cell.states(self._fed(inputs)))
        return states | ({"attention": self._attention} if self.feeding == "attention" else {})

    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        fed, asks = self._fed(inputs), self._asks(inputs)
        shapes = under("cell", self.cell.parameters(fed))
        if self.units:
            shapes |= {"query_kernel": (self.units, asks), "memory_kernel": (self.units, self.memory)}
            shapes |= {"scale": (self.units,)} | ({"score_bias": (self.units,)} if self.bias else {})
        if self.score == "general":
            shapes["memory_kernel"] = (asks, self.memory)
        if self.attention_units:
            shapes["attention_kernel"] = (self.attention_units, self.cell.outputs(fed) + self.memory)
            shapes |= {"attention_bias": (self.attention_units,)} if self.bias else {}
        return shapes

    def prepare(self, ops: Ops, p: dict[str, Array]) -> Parameters:
        """The layer gives the memory, and which of its steps count, as `memory`."""
        values, valid = p["memory"]
        keys = ops.linear(values, p["memory_kernel"], p.get("score_bias")) if "memory_kernel" in p else values
        return {**p, "cell": self.cell.prepare(ops, scope(p, "cell")), "keys": keys, "values": values, "valid": valid}

    def project(self, ops: Ops, p: Parameters, x: Array) -> Projected:
        return self.cell.project(ops.at("cell"), p["cell"], x) if self.feeding == "none" else x

    def step(self, ops: Ops, p: Parameters, projected: Projected, state: States) -> tuple[Array, States]:
        inside, own = ops.at("cell"), scope(state, "cell")
        z, context = projected, None
        if self.feeding == "context":
            context = self._context(ops, p, own[str(self._query)])
            z = self.cell.project(inside, p["cell"], ops.concat([z, context]))
        elif self.feeding == "attention":
            z = self.cell.project(inside, p["cell"], ops.concat([z, state["attention"]]))
        y, new = self.cell.step(inside, p["cell"], z, own)
        if context is None:
            context = self._context(ops, p, y)
        attention = context
        if self.attention_units:
            a = ops.linear(ops.concat([y, context]), p["attention_kernel"], p.get("attention_bias"))
            attention = activate(ops, self.activation, a)
        new = under("cell", new) | ({"attention": attention} if self.feeding == "attention" else {})
        if self.output == "both":
            return ops.concat([y, attention]), new
        return (attention if self.output == "attention" else y), new

    def _context(self, ops: Ops, p: Parameters, query: Array) -> Array:
        if self.score == "additive":
            query = ops.linear(query, p["query_kernel"])
        scale = ops.flat(p["scale"]) if self.units else None
        return ops.attend(scores.answers(ops, self.score, query, p["keys"], scale), p["values"], p["valid"])

    def initialize(
        self, name: str, shape: tuple[int, ...], rng: "np.random.Generator", scheme: str = "keras"
    ) -> np.ndarray:
        if name.startswith("cell."):
            return self.cell.initialize(name.removeprefix("cell."), shape, rng, scheme)
        if name == "scale":
            return initializers.dense("kernel", (1, *shape), shape[0], rng, scheme)[0]
        kind = "kernel" if name.endswith("kernel") else "bias"
        return initializers.dense(kind, shape, shape[-1], rng, scheme)
