"""Cases of sizes at which a mix-up shows, or hides: ones, equal ones, many, and around blocks."""

from collections.abc import Iterator

from rnnspec.cells import (
    GRU,
    LSTM,
    MGU,
    NAS,
    RNN,
    SRU,
    UGRNN,
    CausalConvolution,
    CellDropout,
    IndRNN,
    Intersection,
    LayerNorm,
    Residual,
    Stack,
    TimeFreqLSTM,
    WaveNet,
    Zoneout,
)
from rnnspec.conformance.case import MASK, RESET, ZERO, Case
from rnnspec.conformance.chains import case
from rnnspec.layers import Dense, Dropout, Embedding, Recurrent

_NORM = LayerNorm(gates="joint", over="gate", epsilon=1e-3)
_SPLIT = LayerNorm(gates="split", over="all", cell="carry", epsilon=1e-3)


def sizes() -> Iterator[Case]:
    """All of them, in a fixed order."""
    yield from _ones()
    yield from _equal()
    yield from _many()
    yield from _blocks()


def _layer(name: str, *cells, **options) -> Recurrent:
    """One cell in one direction, or two in both."""
    if len(cells) == 1:
        return Recurrent(name=name, cell=cells[0], **options)
    return Recurrent(name=name, cell=cells[0], backward_cell=cells[1], direction="bidirectional", **options)


def _kinds(n: int) -> tuple:
    """A cell of each kind with n outputs, for n inputs."""
    return (
        LSTM(units=n),
        GRU(units=n, reset_after=True),
        GRU(units=n, reset_after=False),
        RNN(units=n),
        UGRNN(units=n),
        MGU(units=n),
        NAS(units=n),
        SRU(units=n),
        IndRNN(units=n),
        Intersection(units=n),
        CausalConvolution(units=n, width=2),
        WaveNet(residual=n, skip=n, dilations=(1, 2)),
        TimeFreqLSTM(units=n, feature_size=n, frequency_skip=1),
        Residual(cell=LSTM(units=n, peephole=True)),
        Zoneout(cell=LSTM(units=n, projection=n), h=0.2, c=0.3),
        LSTM(units=n, coupled_input_forget=True, clip_cell=0.6),
    )


def _ones() -> Iterator[Case]:
    """One row, one step, one feature, one unit: each alone, and together."""
    one = LSTM(units=1), GRU(units=1, reset_after=True)
    norms = LSTM(units=1, layer_norm=_SPLIT), GRU(units=1, reset_after=False, layer_norm=_NORM)
    layers = _layer("plain", *one), _layer("norm", *norms, merge="sum")
    last = _layer("last", RNN(units=1), return_sequences=False)
    dense = Dense(name="dense", units=1, activation="softsign")
    all_ones = {"inputs": 1, "batch": 1, "time": 1, "state": True}
    yield case("size-one", "MODEL-6 NORM-4", *layers, last, dense, **all_ones)
    yield case("size-one-unit", "MODEL-6 NORM-4", *layers, last, dense, mask=MASK)
    yield case(
        "size-one-unit-kinds", "MODEL-6", _layer("rnn", Stack(cells=_kinds(1))), inputs=1, lengths=ZERO, state=True
    )
    yield case(
        "size-one-unit-steps", "MODEL-6", _layer("rnn", Stack(cells=_kinds(1))), inputs=1, state=True, split="steps"
    )
    projected = LSTM(units=7, projection=1), NAS(units=3, projection=1)
    both = _layer("rnn", *projected, merge="mul", padded_output="hold")
    single = Embedding(name="ids", vocabulary=3, units=1)
    yield case("size-one-feature", "MODEL-6", single, both, dense, lengths=ZERO, state=True)
    kinds = _layer("rnn", Stack(cells=_kinds(3)[:8]), Stack(cells=_kinds(3)[8:]))
    yield case("size-one-row", "MODEL-6", kinds, inputs=3, batch=1, mask=MASK[:1], state=True)
    yield case("size-one-row-time-major", "MODEL-6 LAYOUT-1", kinds, inputs=3, batch=1, lengths=(4,), time_major=True)
    yield case(
        "size-one-step",
        "MODEL-6",
        kinds,
        inputs=3,
        time=1,
        lengths=(1, 0, 1, 1),
        reset=([1], [1], [0], [0]),
        state=True,
    )
    empty = _layer("rnn", LSTM(units=7), GRU(units=3, reset_after=True), learned_state=True)
    upper = _layer("upper", Stack(cells=_kinds(3)[3:8]), return_sequences=False)
    no_row = {"lengths": (0, 0, 0, 0), "state": True}
    yield case(
        "size-all-empty",
        "MODEL-6 UNROLL-4",
        empty,
        _layer("hold", *_kinds(7)[:2], padded_output="hold"),
        upper,
        **no_row,
    )
    resets = {"mask": ([0] * 6,) * 4, "reset": RESET}
    yield case(
        "size-all-empty-resets",
        "MODEL-6 UNROLL-4",
        empty,
        _layer("hold", *_kinds(7)[2:4], padded_output="hold"),
        **resets,
    )


def _equal() -> Iterator[Case]:
    """Units, inputs, rows and steps all 4: an axis taken for another does not show by its size."""
    square = {"inputs": 4, "time": 4, "lengths": (4, 1, 0, 3), "state": True}
    plain = _layer("plain", LSTM(units=4), GRU(units=4, reset_after=True), merge="sum"), Dense(name="dense", units=4)
    kinds = _layer("kinds", Stack(cells=_kinds(4)[:8]), Stack(cells=_kinds(4)[8:]), merge="ave")
    norms = _layer(
        "norms", LSTM(units=4, layer_norm=_SPLIT, peephole=True), GRU(units=4, reset_after=False, layer_norm=_NORM)
    )
    yield case("size-equal", "MODEL-6", *plain, norms, **square)
    yield case("size-equal-kinds", "MODEL-6", kinds, plain[1], **square)
    yield case("size-equal-time-major", "MODEL-6 LAYOUT-1", *plain, kinds, time_major=True, pulled=("y",), **square)
    yield case(
        "size-equal-last",
        "MODEL-6",
        *plain,
        _layer("last", NAS(units=4), return_sequences=False),
        time_major=True,
        **square,
    )
    steps = _layer("kinds", Stack(cells=_kinds(4)))
    yield case("size-equal-steps", "MODEL-6", steps, plain[1], inputs=4, time=4, state=True, split="steps")
    ids = Embedding(name="ids", vocabulary=4, units=4)
    yield case(
        "size-equal-ids",
        "MODEL-6",
        ids,
        *plain,
        time=4,
        mask=([0, 1, 1, 0], [1] * 4, [0] * 4, [0, 0, 1, 1]),
        state=True,
    )
    noisy = CellDropout(cell=GRU(units=4, reset_after=True), input=0.3, state=0.3, output=0.3)
    layers = Dropout(name="dropout", rate=0.3), _layer("rnn", noisy, Zoneout(cell=LSTM(units=4), h=0.3, c=0.3))
    yield case("size-equal-training", "MODEL-6 DROP-3", *layers, training=True, **square)


def _many() -> Iterator[Case]:
    """More than ten of something: 10 comes after 2, and names that begin alike are different names."""
    cells = Stack(cells=(*(IndRNN(units=3), RNN(units=3, recurrence="diagonal")) * 5, LSTM(units=3), RNN(units=3)))
    yield case("many-cells", "NAME-5", _layer("rnn", cells), lengths=ZERO, state=True)
    yield case("many-cells-both", "NAME-5", _layer("rnn", cells, cells, learned_state=True), mask=MASK, reset=RESET)
    yield case("many-cells-steps", "NAME-5", _layer("rnn", cells), state=True, split="steps")
    layers = [_layer(f"layer{k}", IndRNN(units=3) if k % 3 else RNN(units=3)) for k in range(12)]
    yield case("many-layers", "NAME-5", *layers, lengths=ZERO, state=True)
    blocks = WaveNet(residual=3, skip=7, dilations=(1, 2, 1, 3, 1, 1, 2, 1, 1, 1, 2))
    yield case("many-blocks", "NAME-5", _layer("rnn", blocks), lengths=ZERO, state=True)
    yield case("many-blocks-steps", "NAME-5", _layer("rnn", blocks), state=True, split="steps")
    names = ("r", "rnn", "rnn2", "rnn_", "rnn-2", "RNN", "R")
    alike = [_layer(name, GRU(units=3, reset_after=True) if k % 2 else RNN(units=3)) for k, name in enumerate(names)]
    yield case("names-alike", "NAME-5", *alike, Dense(name="rnn20", units=7), lengths=ZERO, state=True)
    places = ("forward", "backward", "cells", "kernel", "x", "y", "initial", "state")
    named = [_layer(name, IndRNN(units=3), IndRNN(units=3), merge="ave") for name in places[:4]]
    named += [_layer(name, RNN(units=3)) for name in places[4:]]
    yield case("names-of-places", "NAME-5", *named, lengths=ZERO, state=True)
    three = [
        _layer(name, LSTM(units=3), LSTM(units=3), merge=merge)
        for name, merge in (("c", "sum"), ("a", "ave"), ("b", "concat"))
    ]
    yield case("three-alike", "NAME-5", *three, inputs=3, lengths=ZERO, state=True)


def _blocks() -> Iterator[Case]:
    """Even sizes, multiples of 8, 32 and more, on both sides of powers of 2."""
    layers = (
        _layer("eight", LSTM(units=8), GRU(units=16, reset_after=True)),
        _layer("wide", GRU(units=32, reset_after=True)),
        _layer("norm", LSTM(units=16, layer_norm=_SPLIT, peephole=True), RNN(units=64)),
    )
    yield case("size-blocks", "MODEL-6", *layers, inputs=16, lengths=ZERO, state=True)
    around = (
        _layer("lstm", LSTM(units=33), GRU(units=17, reset_after=False)),
        Dense(name="dense", units=130, activation="softsign"),
        _layer("rnn", IndRNN(units=31), MGU(units=12)),
    )
    yield case("size-around-blocks", "MODEL-6", *around, inputs=10, mask=MASK, state=True)
    long = {"batch": 33, "time": 40, "lengths": [(7 * row) % 41 for row in range(33)]}
    yield case("size-rows", "MODEL-6", _layer("rnn", LSTM(units=6), GRU(units=8, reset_after=True)), **long)
    noisy = CellDropout(cell=RNN(units=18), input=0.3, state=0.3, output=0.3)
    zones = Zoneout(cell=RNN(units=20), h=0.3)
    dropout = Dropout(name="dropout", rate=0.4)
    each = {"batch": 9, "time": 12, "lengths": (12, 0, 7, 3, 11, 5, 12, 1, 9)}
    yield case(
        "size-training", "MODEL-6 DROP-3 DROP-4", _layer("rnn", noisy, zones), dropout, inputs=18, training=True, **each
    )
