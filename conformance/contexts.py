"""Cases of cells that read a memory in their steps."""

from collections.abc import Iterator
from typing import Any

from rnnspec.activations import ScaledTanh
from rnnspec.cells import GRU, LSTM, Attending, Cell, CellDropout, Residual, Stack
from rnnspec.conformance.case import MASK, RAGGED, RESET, ZERO, Case
from rnnspec.conformance.chains import case
from rnnspec.conformance.layers import HOLES, MEMORY, TIMES, unread
from rnnspec.layers import Dense, Embedding, Layer, Recurrent

_GRU = GRU(units=9, reset_after=True)
_GIVEN: dict[str, Any] = {"inputs": {"x": 3, "memory": 8}, "time": TIMES}
_BOTH = {"x": ZERO, "memory": MEMORY}
_BAHDANAU = Attending(cell=_GRU, memory=8, score="additive", units=7, feeding="context")
_LUONG = Attending(cell=LSTM(units=9), memory=8, score="general", feeding="attention", attention_units=7)


def contexts() -> Iterator[Case]:
    """All of them, in a fixed order."""
    yield from _cells()
    yield from _calls()
    yield from _decoders()


def _decoder(cell: Cell, **options: Any) -> list[Layer]:
    return [Recurrent(name="decoder", of=("x", "memory"), cell=cell, **options), Dense(name="out", units=2)]


def _cells() -> Iterator[Case]:
    """Each score, what is fed, and what comes out."""
    dot = Attending(cell=LSTM(units=8), memory=8, score="dot", feeding="attention", output="cell")
    scaled = Attending(cell=LSTM(units=8), memory=8, score="scaled", feeding="none", output="both")
    plain = Attending(
        cell=_GRU,
        memory=8,
        score="additive",
        units=7,
        feeding="none",
        bias=False,
        attention_units=10,
        activation=ScaledTanh(alpha=1.3, beta=0.7),
    )
    stack = Stack(cells=[_GRU, LSTM(units=7)])
    stacked = Attending(
        cell=stack, memory=8, score="general", feeding="context", query="cells.1.c", output="both", attention_units=10
    )
    fed = Attending(cell=stack, memory=8, score="additive", units=7, feeding="attention")
    around = Residual(
        cell=Attending(cell=_GRU, memory=8, score="general", feeding="context", attention_units=3, activation="linear")
    )
    cells = {"bahdanau": (_BAHDANAU, "CONTEXT-3"), "luong": (_LUONG, "CONTEXT-4 CONTEXT-6"), "dot": (dot, "CONTEXT-4"),
             "scaled": (scaled, "CONTEXT-5"), "plain": (plain, "CONTEXT-5 CONTEXT-6"),
             "stack": (stacked, "CONTEXT-3 CONTEXT-6"), "stack-fed": (fed, "CONTEXT-4"),
             "residual": (around, "CONTEXT-3 CONTEXT-6")}  # fmt: skip
    for name, (cell, clauses) in cells.items():
        yield case(f"graph-context-{name}", clauses, *_decoder(cell), **_GIVEN, lengths=_BOTH, state=True)
        masks = {"x": MASK, "memory": HOLES}
        yield case(f"graph-context-{name}-holes", clauses, *_decoder(cell), **_GIVEN, mask=masks, reset={"x": RESET})
    noisy = Attending(cell=CellDropout(cell=_GRU, input=0.3, state=0.2), memory=8, score="general", feeding="attention")
    outside = CellDropout(cell=_BAHDANAU, input=0.2, output=0.3)
    for name, cell in (("inside", noisy), ("outside", outside)):
        yield case(f"graph-context-training-{name}", "CELLDROP-1", *_decoder(cell), **_GIVEN, lengths=_BOTH,
                   training=True)  # fmt: skip


def _calls() -> Iterator[Case]:
    """The ways to call one."""
    yield case("graph-context-full", "CONTEXT-3", *_decoder(_BAHDANAU), **_GIVEN)
    yield case("graph-context-unread", "CONTEXT-1", *_decoder(_BAHDANAU), **_GIVEN, mask={"memory": HOLES}, edit=unread)
    yield case("graph-context-backward", "UNROLL-5", *_decoder(_BAHDANAU, direction="backward"), **_GIVEN,
               lengths=_BOTH, state=True)  # fmt: skip
    both = Attending(cell=_GRU, memory=8, score="general", feeding="none")
    for merge, other in (("concat", _LUONG), ("sum", None), ("mul", None), ("ave", None)):
        two = _decoder(both, backward_cell=other, direction="bidirectional", merge=merge, reverse_output=merge == "mul")
        yield case(f"graph-context-{merge}", "UNROLL-8", *two, **_GIVEN, lengths=_BOTH, reset={"x": RESET})
    apart = Recurrent(name="decoder", of=("x", "memory"), cell=both, direction="bidirectional", merge="none")
    yield case("graph-context-none", "UNROLL-8", apart, **_GIVEN, lengths=_BOTH)
    last = _decoder(_LUONG, return_sequences=False)
    yield case("graph-context-last", "UNROLL-7", *last, **_GIVEN, mask={"x": MASK}, lengths={"memory": MEMORY})
    learned = _decoder(_LUONG, learned_state=True, padded_output="hold")
    yield case("graph-context-learned", "UNROLL-9 UNROLL-11", *learned, **_GIVEN, lengths=_BOTH)
    yield case("graph-context-time-major", "LAYOUT-1", *_decoder(_LUONG), **_GIVEN, lengths=_BOTH, time_major=True)
    for name, cell in (("bahdanau", _BAHDANAU), ("luong", _LUONG)):
        yield case(f"graph-context-{name}-steps", "GRAPH-8", *_decoder(cell), **_GIVEN, lengths={"memory": MEMORY},
                   split="steps")  # fmt: skip
    yield case("graph-context-chunks", "STEP-1", *_decoder(_LUONG), **_GIVEN, mask={"memory": HOLES}, state=True,
               split="chunks")  # fmt: skip
    itself = Recurrent(name="decoder", of=("x", "x"), cell=_BAHDANAU)
    yield case("graph-context-itself", "CONTEXT-1", itself, inputs={"x": 8}, time={"x": 6}, lengths={"x": ZERO})
    sizes: dict[str, Any] = {"inputs": _GIVEN["inputs"]}
    model = _decoder(_LUONG)
    yield case("size-graph-context-no-memory", "CONTEXT-1", *model, **sizes, time={"x": 6, "memory": 0}, state=True)
    yield case("size-graph-context-no-step", "UNROLL-4", *model, **sizes, time={"x": 0, "memory": 5}, state=True)
    yield case("size-graph-context-no-row", "MODEL-6", *model, **_GIVEN, batch=0, lengths={"x": (), "memory": ()})
    yield case("size-graph-context-one-row", "MODEL-6", *model, **_GIVEN, batch=1, lengths={"x": (4,), "memory": (3,)})
    yield case("size-graph-context-equal", "MODEL-6", *_decoder(_BAHDANAU), inputs={"x": 4, "memory": 8}, batch=4,
               time={"x": 4, "memory": 4}, lengths={"x": (4, 1, 0, 3), "memory": (2, 0, 4, 1)})  # fmt: skip


def _decoders() -> Iterator[Case]:
    """Behind an encoder, whose final states it starts from."""
    encoder = Recurrent(name="encoder", of="memory", cell=LSTM(units=8), direction="bidirectional", merge="sum")
    bridge = Dense(name="bridge", of="encoder.backward.h", units=9, activation="tanh")
    words = Embedding(name="words", of="x", vocabulary=11, units=7)
    decoder = Recurrent(name="decoder", of=("words", "encoder"), cell=_BAHDANAU, start={"cell.h": "bridge"})
    model = encoder, bridge, words, decoder, Dense(name="out", units=11)
    given: dict[str, Any] = {"inputs": {"memory": 3, "x": None}, "time": TIMES}
    yield case("graph-context-decoder", "CONTEXT-3", *model, **given, lengths=_BOTH)
    yield case("graph-context-decoder-masks", "CONTEXT-3", *model, **given, mask={"x": MASK, "memory": HOLES},
               outputs=("out", "encoder"))  # fmt: skip
    yield case("graph-context-decoder-steps", "GRAPH-8", *model, **given, lengths={"memory": MEMORY}, split="steps")
    wide = Recurrent(name="encoder", of="memory", cell=LSTM(units=8), direction="bidirectional")
    looks = Recurrent(
        name="decoder",
        of=("words", "encoder"),
        cell=Attending(cell=_GRU, memory=16, score="general", feeding="attention"),
    )
    above = Recurrent(name="above", cell=_GRU, direction="backward")
    yield case("graph-context-decoder-stacked", "CONTEXT-4", wide, words, looks, above, **given,
               lengths={"x": RAGGED, "memory": MEMORY})  # fmt: skip
