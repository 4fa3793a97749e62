"""Cases of graphs: places that are joined, starts at other places, and topologies that people have."""

from collections.abc import Iterator
from typing import Any

from rnnspec.cells import GRU, LSTM, RNN, LayerNorm
from rnnspec.conformance.case import MASK, RAGGED, RESET, ZERO, Case
from rnnspec.conformance.chains import case
from rnnspec.conformance.kinks import coarse
from rnnspec.conformance.layers import HOLES, MEMORY, TIMES
from rnnspec.graph import Input
from rnnspec.layers import (
    Attention,
    Dense,
    Embedding,
    Layer,
    Merge,
    Recurrent,
    Repeat,
    Summary,
)

_GRU, _LSTM, _RNN = GRU(units=9, reset_after=True), LSTM(units=7), RNN(units=8)


def graphs() -> Iterator[Case]:
    """All of them, in a fixed order."""
    yield from _joins()
    yield from _starts()
    yield from _models()


def _joins() -> Iterator[Case]:
    """Places joined, repeated, and returned."""
    for how in ("concat", "add", "multiply", "average", "maximum"):
        layers = (
            Recurrent(name="left", of="x", cell=_LSTM),
            Dense(name="right", of="x", units=7, activation="softsign"),
            Recurrent(name="low", of="right", cell=_LSTM, direction="backward"),
            Merge(name="join", of=("left", "right", "low"), how=how),
            Recurrent(name="above", cell=_GRU, padded_output="hold"),
        )
        yield case(f"graph-merge-{how}", "GRAPH-2", *layers, lengths=ZERO, state=True)
    yield case("graph-merge-ties", "MERGE-2", Dense(name="a", units=7),
               Dense(name="b", of="x", units=7), Merge(name="m", of=("a", "b"), how="maximum"),
               edit=coarse)  # fmt: skip
    voice = {"x": 5, "voice": Input(features=3, sequence=False)}
    speaker = (
        Dense(name="speaker", of="voice", units=7, activation="tanh"),
        Repeat(name="along", of=("speaker", "x")),
        Merge(name="join", of=("along", "x"), how="concat"),
        Recurrent(name="rnn", cell=_LSTM),
        Dense(name="out", units=2),
    )
    given = {"inputs": voice, "time": {"x": 6}}
    yield case("graph-voice", "", *speaker, **given, lengths={"x": ZERO}, state=True)
    yield case("graph-voice-holes", "", *speaker, **given, mask={"x": MASK}, reset={"x": RESET})
    yield case("graph-voice-time-major", "LAYOUT-1", *speaker, **given, lengths={"x": RAGGED}, time_major=True)
    yield case("graph-voice-steps", "GRAPH-8", *speaker, **given, state=True, split="steps")
    yield case("graph-voice-chunks", "STEP-1", *speaker, **given, split="chunks")
    yield case("size-graph-voice-one-row", "MODEL-6", *speaker, **given, batch=1, lengths={"x": (4,)})
    yield case("size-graph-voice-no-step", "UNROLL-4", *speaker, inputs=voice, time={"x": 0}, lengths={"x": (0,) * 4})
    yield case("size-graph-voice-no-row", "UNROLL-4", *speaker, inputs=voice, batch=0, time={"x": 6}, lengths={"x": ()})
    code = Recurrent(name="code", cell=_LSTM, return_sequences=False)
    auto = code, Repeat(name="again", steps=7), Recurrent(name="back", cell=_GRU), Dense(name="out", units=5)
    yield case("graph-autoencoder", "REPEAT-1", *auto, lengths=ZERO, state=True)
    yield case("graph-autoencoder-mask", "REPEAT-1", *auto, mask=MASK)
    two = {"words": None, "tags": Input(like="words"), "x": Input(features=5, like="words")}
    tagger = (
        Embedding(name="word", of="words", vocabulary=11, units=7),
        Embedding(name="tag", of="tags", vocabulary=4, units=3),
        Merge(name="join", of=("tag", "word", "x"), how="concat"),
        Recurrent(name="rnn", cell=_LSTM, direction="bidirectional"),
        Dense(name="first", units=8),
        Summary(name="whole", of="rnn", how="mean"),
    )
    given = {"inputs": two, "time": {"words": 6}}
    outputs = ("whole", "first")
    yield case("graph-tagger", "GRAPH-1", *tagger, **given, outputs=outputs, lengths={"words": ZERO}, state=True)
    yield case("graph-tagger-time-major", "LAYOUT-1", *tagger, **given, outputs=("first", "rnn", "whole"),
               mask={"words": MASK}, time_major=True, pulled=("first", "whole"))  # fmt: skip
    padded = two | {"words": Input(padding=3), "x": Input(features=5, like="words")}
    yield case("graph-tagger-padding", "MODEL-5", *tagger, inputs=padded, time={"words": 6}, outputs=("whole", "first"))
    pair = Recurrent(name="pair", of="rnn", cell=_GRU, direction="bidirectional", merge="none")
    yield case("graph-pair", "MODEL-4", *tagger[:-2], pair, **given, outputs=("pair", "rnn"), lengths={"words": ZERO})


def _starts() -> Iterator[Case]:
    """Encoders whose final states decoders start from."""
    inputs: dict[str, Any] = {"memory": 3, "x": None}
    encoder = Recurrent(name="encoder", of="memory", cell=LSTM(units=8), direction="bidirectional", merge="sum")
    ids = Embedding(name="ids", of="x", vocabulary=9, units=7)
    start = {"h": "encoder.forward.h", "c": "encoder.backward.c"}
    decoder = Recurrent(name="decoder", of="ids", cell=LSTM(units=8), start=start)
    look = Attention(name="look", of=("decoder", "encoder"), score="general")
    join = Merge(name="join", of=("decoder", "look"), how="concat")
    model = encoder, ids, decoder, look, join, Dense(name="out", units=9)
    given: dict[str, Any] = {"inputs": inputs, "time": TIMES}
    both = {"memory": MEMORY, "x": ZERO}
    yield case("graph-seq2seq", "", *model, **given, lengths=both)
    yield case("graph-seq2seq-state", "INPUT-4", *model, **given, lengths=both, state=True)
    yield case(
        "graph-seq2seq-masks", "", *model, **given, mask={"memory": HOLES, "x": MASK}, outputs=("out", "encoder")
    )
    yield case("graph-seq2seq-steps", "GRAPH-8", *model, **given, lengths={"memory": MEMORY}, split="steps")
    yield case("graph-seq2seq-steps-state", "GRAPH-8", *model, **given, lengths={"memory": MEMORY}, state=True,
               split="steps")  # fmt: skip
    yield case("graph-seq2seq-time-major", "LAYOUT-1", *model, **given, lengths=both, time_major=True)
    code = Dense(name="code", of="encoder.forward.h", units=9, activation="tanh")
    bridge = Recurrent(name="decoder", of="ids", cell=_GRU, start={"h": "code"}, direction="backward")
    yield case("graph-bridge", "", encoder, ids, code, bridge, **given, lengths=both, outputs=("decoder",))
    some = Recurrent(name="decoder", of="ids", cell=LSTM(units=8, layer_norm=_NORM), learned_state=True,
                     start={"c": "encoder.forward.h"})  # fmt: skip
    yield case("graph-start-one", "UNROLL-11", encoder, ids, some, **given, lengths=both)
    both_ways = Recurrent(name="decoder", of="ids", cell=GRU(units=8, reset_after=False), direction="bidirectional",
                          start={"forward.h": "encoder.backward.h", "backward.h": "encoder.forward.c"})  # fmt: skip
    yield case("graph-start-both", "UNROLL-8", encoder, ids, both_ways, **given, lengths=both)
    lower = Recurrent(name="lower", cell=_GRU)
    upper = Recurrent(name="upper", of="x", cell=_GRU, start={"h": "lower.h"})
    yield case("graph-start-chain", "", lower, upper, outputs=("upper", "lower"), lengths=ZERO)


_NORM = LayerNorm(gates="joint", over="gate", epsilon=1e-3)


def _models() -> Iterator[Case]:
    """Topologies that people have."""
    first = Dense(name="dense", of="x", units=8, activation="tanh")
    voice = Recurrent(name="voice", cell=_GRU)
    noise_in = Merge(name="noise_in", of=("dense", "voice", "x"), how="concat")
    noise = Recurrent(name="noise", cell=GRU(units=7, reset_after=True))
    all_in = Merge(name="all", of=("voice", "noise", "x"), how="concat")
    denoise = Recurrent(name="denoise", cell=GRU(units=10, reset_after=True))
    gains = Dense(name="gains", units=2, activation="sigmoid")
    active = Dense(name="active", of="voice", units=1, activation="sigmoid")
    rnnoise = first, voice, noise_in, noise, all_in, denoise, gains, active
    outputs = ("gains", "active")
    yield case("graph-rnnoise", "GRAPH-3", *rnnoise, outputs=outputs, lengths=ZERO, state=True)
    yield case("graph-rnnoise-steps", "GRAPH-8", *rnnoise, outputs=outputs, state=True, split="steps")
    yield case("graph-rnnoise-reset", "UNROLL-12", *rnnoise, outputs=outputs, reset=RESET, lengths=RAGGED)
    residual: list[Layer] = [Recurrent(name="r0", cell=RNN(units=5))]
    for k in range(1, 4):
        residual += [
            Recurrent(name=f"r{k}", of=f"j{k - 1}" if k > 1 else "r0", cell=RNN(units=5)),
            Merge(name=f"j{k}", of=(f"j{k - 1}" if k > 1 else "r0", f"r{k}"), how="add"),
        ]
    yield case("graph-residual", "NAME-5", *residual, lengths=ZERO, state=True)
    crossed = (
        Recurrent(name="there", cell=_RNN, direction="backward", reverse_output=True),
        Recurrent(name="back", of="x", cell=_RNN, padded_output="hold"),
        Merge(name="x2", of=("back", "there"), how="multiply"),
    )
    yield case("graph-crossed", "UNROLL-10", *crossed, lengths=ZERO, state=True)
    joined = Merge(name="h", of=("lengths", "state"), how="add")
    odd = {"lengths": 3, "state": Input(features=3, like="lengths")}
    yield case("graph-names", "NAME-5", joined, Recurrent(name="y", cell=_LSTM), inputs=odd, time={"lengths": 6},
               lengths={"lengths": ZERO}, state=True)  # fmt: skip
