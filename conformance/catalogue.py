"""What is tried: `python -m rnnspec.conformance.write` draws each case once and keeps it on disk.

Cases are only added: those that are on disk do not change.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product

import msgspec

from rnnspec.cells import GRU, LSTM, RNN, Cell, CellDropout, Residual, Stack
from rnnspec.conformance.case import INPUTS, MASK, RAGGED, RESET, ZERO, Case
from rnnspec.conformance.chains import case
from rnnspec.conformance.configurations import CELLS, FUNCTIONS, NOISY, UNITS
from rnnspec.conformance.contexts import contexts
from rnnspec.conformance.extremes import extremes
from rnnspec.conformance.fields import fields
from rnnspec.conformance.graphs import graphs
from rnnspec.conformance.kinds import kinds
from rnnspec.conformance.kinks import kinks
from rnnspec.conformance.layers import layers
from rnnspec.conformance.sizes import sizes
from rnnspec.layers import Dense, Dropout, Embedding, Recurrent

PLAIN: dict[str, Cell] = {
    "rnn": RNN(units=UNITS),
    "lstm": LSTM(units=UNITS),
    "gru_before": GRU(units=UNITS, reset_after=False),
    "gru_after": GRU(units=UNITS, reset_after=True),
    "stack": Stack(cells=(GRU(units=9, reset_after=True), LSTM(units=UNITS))),
}
DIRECTIONS = {"forward": "", "backward": "UNROLL-5", "bidirectional": "UNROLL-5 UNROLL-8"}
_SMALL = RNN(units=3)
_DENSE = Dense(name="dense", units=8, activation="tanh")
_with = msgspec.structs.replace


def catalogue() -> Iterator[Case]:
    """All cases, in a fixed order."""
    yield from _sequences()
    yield from _plain_options()
    yield from _activations()
    yield from _cells()
    yield from _unrolls()
    yield from _models()
    yield from _time_major()
    yield from _edges()
    yield from _training()
    yield from extremes()
    yield from sizes()
    yield from fields()
    yield from kinks()
    yield from kinds()
    yield from layers()
    yield from graphs()
    yield from contexts()


def _sequences() -> Iterator[Case]:
    """The plain cells: directions, kinds of lengths, one layer and two, last outputs, chunks and steps."""
    for kind, direction in product(PLAIN, DIRECTIONS):
        layer = Recurrent(name="rnn", cell=PLAIN[kind], direction=direction)  # type: ignore[arg-type]
        upper = _with(layer, name="upper", cell=_SMALL)
        yield case(f"{kind}-{direction}-full", DIRECTIONS[direction], layer, state=True)
        yield case(f"{kind}-{direction}-ragged", f"{DIRECTIONS[direction]} MODEL-2", layer, upper, lengths=RAGGED)
        yield case(f"{kind}-{direction}-empty", DIRECTIONS[direction], layer, lengths=ZERO, state=True)
        yield case(f"{kind}-{direction}-mask", DIRECTIONS[direction], layer, mask=MASK, state=True)
        last = _with(layer, return_sequences=False)
        yield case(
            f"{kind}-{direction}-last",
            f"{DIRECTIONS[direction]} UNROLL-7 DENSE-1",
            last,
            _DENSE,
            lengths=ZERO,
            state=True,
        )
    for kind, split in product(PLAIN, ("chunks", "steps")):
        layer = Recurrent(name="rnn", cell=PLAIN[kind])
        yield case(
            f"{kind}-{split}",
            "DENSE-1",
            layer,
            _with(layer, name="upper", cell=_SMALL),
            _DENSE,
            state=True,
            split=split,
        )


def _plain_options() -> Iterator[Case]:
    for kind, cell in PLAIN.items():
        if not isinstance(cell, Stack):
            layer = Recurrent(name="rnn", cell=_with(cell, bias=False), direction="bidirectional")
            yield case(f"{kind}-no-bias", "", layer, lengths=ZERO, state=True)
    for name in ("relu", "sigmoid", "linear"):
        layer = Recurrent(name="rnn", cell=RNN(units=UNITS, activation=name), direction="bidirectional")
        yield case(f"rnn-{name}", "ACT-1", layer, lengths=RAGGED, state=True)


def _activations() -> Iterator[Case]:
    for name, function in FUNCTIONS.items():
        clause = "ACT-1" if isinstance(function, str) else "ACT-2"
        yield case(f"activation-{name}", f"{clause} DENSE-1", Dense(name="dense", units=7, activation=function))


def _cells() -> Iterator[Case]:
    for name, (cell, clauses) in CELLS.items():
        layer = Recurrent(name="rnn", cell=cell)
        both = _with(layer, direction="bidirectional")
        yield case(f"{name}-both", " ".join(clauses), both, lengths=ZERO, state=True)
        yield case(f"{name}-steps", " ".join(clauses), layer, state=True, split="steps")
    for name in (
        "lstm-norm-torch",
        "lstm-peephole-clip-projection",
        "gru_after-norm-split",
        "residual-stack",
        "causal",
    ):
        cell, clauses = CELLS[name]
        layer = Recurrent(name="rnn", cell=cell, direction="backward", padded_output="hold")
        more = "CAUSAL-4" if name == "causal" else ""
        yield case(f"{name}-holes", f"{' '.join(clauses)} UNROLL-9 UNROLL-5 {more}", layer, mask=MASK, state=True)
        yield case(f"{name}-restarts", f"{' '.join(clauses)} UNROLL-12", layer, reset=RESET, lengths=RAGGED)


def _unrolls() -> Iterator[Case]:
    lstm, gru = PLAIN["lstm"], PLAIN["gru_after"]
    two = Recurrent(name="rnn", cell=lstm, direction="bidirectional")
    for merge in ("sum", "mul", "ave", "none"):
        layer = _with(two, merge=merge, backward_cell=gru)
        clauses = "UNROLL-8 MODEL-4" if merge == "none" else "UNROLL-8"
        yield case(f"merge-{merge}", clauses, layer, lengths=ZERO, state=True)
        yield case(f"merge-{merge}-last", f"{clauses} UNROLL-7", _with(layer, return_sequences=False), lengths=RAGGED)
    wide = _with(two, backward_cell=RNN(units=3, activation="relu"))
    yield case("different-cells", "UNROLL-8", wide, _DENSE, lengths=ZERO, state=True)
    for direction in DIRECTIONS:
        hold = Recurrent(name="rnn", cell=gru, direction=direction, padded_output="hold")  # type: ignore[arg-type]
        after = Recurrent(name="after", cell=_SMALL)
        restarts = {"mask": MASK, "reset": RESET}
        yield case(f"hold-{direction}-lengths", "UNROLL-9", hold, after, lengths=ZERO, state=True)
        yield case(f"hold-{direction}-holes", "UNROLL-9", hold, mask=MASK, state=True)
        yield case(f"hold-{direction}-restarts", "UNROLL-9 UNROLL-12", hold, **restarts)
        yield case(f"flip-{direction}", "UNROLL-10", _with(hold, reverse_output=True), after, lengths=RAGGED)
        learned = _with(two, direction=direction, learned_state=True)
        yield case(f"learned-{direction}", "UNROLL-11", learned, lengths=ZERO)
        yield case(f"learned-{direction}-restarts", "UNROLL-11 UNROLL-12", learned, reset=RESET, lengths=RAGGED)
        last = _with(learned, return_sequences=False)
        yield case(f"restarts-{direction}-last", "UNROLL-7 UNROLL-12", last, **restarts, state=True)
    yield case("learned-steps", "UNROLL-11", _with(two, direction="forward", learned_state=True), split="steps")
    residual = Residual(cell=GRU(units=INPUTS, reset_after=False))
    inner = Recurrent(name="inner", cell=Stack(cells=(residual, residual)), direction="bidirectional", merge="ave")
    outer = Recurrent(name="outer", cell=residual, direction="bidirectional", padded_output="hold")
    yield case("stack-bidirectional-residual", "STACK-3", inner, outer, mask=MASK, state=True)
    stacked = Recurrent(name="rnn", cell=PLAIN["stack"], direction="bidirectional")
    yield case("stack-bidirectional", "STACK-3 NAME-2 NAME-4", stacked, lengths=RAGGED, state=True)


def _models() -> Iterator[Case]:
    embedding = Embedding(name="embedding", vocabulary=11, units=INPUTS)
    characters = (
        embedding,
        Recurrent(name="lstm", cell=LSTM(units=UNITS)),
        Dropout(name="dropout", rate=0.4),
        Recurrent(name="gru", cell=GRU(units=3, reset_after=True)),
        Dense(name="logits", units=11),
    )
    clauses = "EMBED-1 DROP-1 DENSE-1 MODEL-1 MODEL-2 NAME-1 NAME-2"
    yield case("characters", clauses, *characters, lengths=RAGGED, state=True)
    yield case("characters-steps", clauses, *characters, state=True, split="steps")
    hold = Recurrent(name="hold", cell=LSTM(units=UNITS), padded_output="hold")
    both = Recurrent(name="both", cell=GRU(units=3, reset_after=True), direction="bidirectional")
    for id, call in (("padding", {}), ("padding-lengths", {"lengths": ZERO}), ("padding-mask", {"mask": MASK})):
        yield case(id, "MODEL-5", hold, both, padding=0.25, state=True, **call)
        yield case(f"{id}-ids", "MODEL-5", embedding, hold, both, padding=3, state=True, **call)


def _time_major() -> Iterator[Case]:
    """Time first at the boundary."""
    both = Recurrent(name="rnn", cell=PLAIN["gru_before"], direction="bidirectional")
    last = Recurrent(name="last", cell=PLAIN["lstm"], return_sequences=False)
    for id, chain in (("sequences", (both,)), ("last", (both, last)), ("pair", (_with(both, merge="none"),))):
        yield case(f"time-major-{id}", "LAYOUT-1", *chain, lengths=ZERO, state=True, time_major=True)
    embedding = Embedding(name="embedding", vocabulary=11, units=INPUTS)
    yield case("time-major-ids", "LAYOUT-1", embedding, both, mask=MASK, time_major=True)


def _edges() -> Iterator[Case]:
    """The smallest calls: one row, one step, no step, no row."""
    both = Recurrent(name="rnn", cell=PLAIN["lstm"], direction="bidirectional")
    upper = Recurrent(name="upper", cell=GRU(units=3, reset_after=True), padded_output="hold")
    for id, size, lengths in (
        ("one-row", {"batch": 1}, (4,)),
        ("one-step", {"time": 1}, (1, 0, 1, 1)),
        ("no-step", {"time": 0}, (0, 0, 0, 0)),
        ("no-row", {"batch": 0}, ()),
    ):
        yield case(f"edge-{id}", "UNROLL-4 LAYOUT-1", both, upper, _DENSE, lengths=lengths, state=True, **size)


def _training() -> Iterator[Case]:
    """One call in training mode, the first: its masks, and what they do."""
    train = partial(case, training=True, lengths=RAGGED)
    for name, (cell, clauses) in NOISY.items():
        layer = Recurrent(name="rnn", cell=cell)
        cited = " ".join((*clauses, "DROP-3"))
        yield train(f"training-{name}", cited, layer, state=True)
        yield train(f"training-{name}-both", cited, _with(layer, direction="bidirectional"))
    between = (
        Recurrent(name="lower", cell=CellDropout(cell=LSTM(units=UNITS), input=0.2)),
        Dropout(name="dropout", rate=0.4),
        Recurrent(name="upper", cell=_SMALL, return_sequences=False),
        Dropout(name="late", rate=0.3),
        Dense(name="dense", units=8),
    )
    yield train("training-layers", "DROP-2 DROP-3 CELLDROP-1", *between)
