"""Cases of extreme numbers: NaN where nothing may read, arguments far out, large means, long sequences."""

from collections.abc import Callable, Iterator

import numpy as np

from rnnspec import activations as a
from rnnspec.cells import (
    GRU,
    LSTM,
    MGU,
    NAS,
    RNN,
    SRU,
    UGRNN,
    CausalConvolution,
    Cell,
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
from rnnspec.conformance.case import INPUTS, MASK, RAGGED, RESET, ZERO, Arrays, Case
from rnnspec.conformance.chains import case
from rnnspec.layers import Dense, Dropout, Layer, Recurrent

_BAD = (np.nan, np.inf, -np.inf, 3e38)
_UPPER = Recurrent(name="upper", cell=GRU(units=3, reset_after=True), padded_output="hold")
_AT_ONCE = ([1] + [0] * 5,) * 4  # every row begins anew at its first step


def extremes() -> Iterator[Case]:
    """All of them, in a fixed order."""
    yield from _bad_padding()
    yield from _bad_before_resets()
    yield from _saturated()
    yield from _large_means()
    yield from _long()


def _two(forward: Cell, backward: Cell, **options) -> Recurrent:
    return Recurrent(name="rnn", cell=forward, backward_cell=backward, direction="bidirectional", **options)


def _bad_padding() -> Iterator[Case]:
    """NaN, infinities and very large numbers in x where it is not valid: each cell that reads x."""

    def edit(weights: Arrays, inputs: Arrays) -> None:
        valid = inputs["mask"] if "mask" in inputs else np.arange(6) < inputs["lengths"][:, None]
        bad = inputs["x"][~valid]
        inputs["x"][~valid] = np.resize(np.array(_BAD, "float32"), bad.size).reshape(bad.shape)

    def nan(weights: Arrays, inputs: Arrays) -> None:
        edit(weights, inputs)
        inputs["x"][~(np.abs(inputs["x"]) < 1e9)] = np.nan  # which dropout multiplies without a warning

    norm = LayerNorm(gates="split", over="all", cell="carry", epsilon=1e-3)
    residual = Residual(cell=GRU(units=INPUTS, reset_after=False))
    first: dict[str, tuple[Recurrent, dict]] = {
        "lstm": (_two(LSTM(units=7), LSTM(units=7)), {"lengths": ZERO}),
        "gru": (_two(GRU(units=7, reset_after=True), GRU(units=3, reset_after=False)), {"lengths": ZERO}),
        "rnn": (_two(RNN(units=7, activation="relu"), RNN(units=3)), {"mask": MASK}),
        "norm": (_two(LSTM(units=7, layer_norm=norm), LSTM(units=3, peephole=True, clip_cell=0.4)), {"mask": MASK}),
        "stack": (
            _two(
                Stack(cells=(LSTM(units=7, projection=3), UGRNN(units=7))),
                Stack(cells=(MGU(units=3), NAS(units=3))),
            ),
            {"lengths": ZERO},
        ),
        "convolutions": (
            _two(
                WaveNet(residual=3, skip=7, dilations=(1, 2)),
                CausalConvolution(units=7, width=3, gated=True),
                merge="mul",
            ),
            {"mask": MASK, "reset": RESET},
        ),
        "residual": (
            _two(residual, Intersection(units=INPUTS), merge="sum", reverse_output=True),
            {"mask": MASK},
        ),
        "products": (
            _two(SRU(units=7), TimeFreqLSTM(units=3, feature_size=3, frequency_skip=2)),
            {"lengths": ZERO, "reset": RESET},
        ),
    }
    for name, (layer, call) in first.items():
        yield _bad(f"padding-nan-{name}", layer, _UPPER, state=True, edit=edit, **call)
    learned = _two(IndRNN(units=7), RNN(units=7, recurrence="diagonal"), learned_state=True, return_sequences=False)
    everywhere = ("y", "rnn.forward.h", "rnn.backward.h")
    yield _bad("padding-nan-last", learned, mask=MASK, edit=edit, time_major=True, pulled=everywhere)
    noisy = _two(CellDropout(cell=LSTM(units=7), input=0.4, state=0.2), Zoneout(cell=UGRNN(units=3), h=0.3))
    dropout = Dropout(name="dropout", rate=0.3)
    yield _bad("padding-nan-training", dropout, noisy, lengths=RAGGED, training=True, edit=nan)


def _bad(id: str, *layers: Layer, **call) -> Case:
    return case(id, "UNROLL-13", *layers, comment="NaN and infinities in the padding", **call)


_MANY = Stack(
    cells=(
        LSTM(units=7, layer_norm=LayerNorm(gates="split", over="gate", cell="output", epsilon=1e-3)),
        GRU(units=3, reset_after=True),
        LSTM(units=7),
        SRU(units=3),
        CausalConvolution(units=7, width=2, dilation=2),
        NAS(units=3),
        Zoneout(cell=UGRNN(units=7), h=0.3),
        GRU(units=3, reset_after=False),
    )
)


def _bad_before_resets() -> Iterator[Case]:
    """NaN in the given states, and in what came before a reset."""

    def state(weights: Arrays, inputs: Arrays, bad: tuple[float, ...] = _BAD[:3]) -> None:
        for k, name in enumerate(sorted(name for name in inputs if "." in name)):
            inputs[name][:] = bad[k % len(bad)]

    def steps(reverse: bool) -> Callable[[Arrays, Arrays], None]:
        """The last reset of each row: of what comes before it in the order of visits, nothing is left."""

        def edit(weights: Arrays, inputs: Arrays) -> None:
            state(weights, inputs, (np.nan,))
            for x, reset in zip(inputs["x"], inputs["reset"], strict=True):
                (marked,) = np.nonzero(reset)
                x[slice(marked[0], None) if reverse else slice(0, marked[-1])] = np.nan

        return edit

    words = {"comment": "NaN before the resets"}
    many = Recurrent(name="rnn", cell=_MANY, padded_output="hold")
    yield case("reset-nan-state", "UNROLL-14", many, reset=_AT_ONCE, lengths=ZERO, state=True, edit=state, **words)
    plain = Recurrent(name="rnn", cell=Stack(cells=(RNN(units=7), LSTM(units=3, peephole=True))), learned_state=True)
    yield case("reset-nan-learned", "UNROLL-14", plain, reset=_AT_ONCE, mask=MASK, state=True, edit=state, **words)
    reset = ([0, 0, 1, 0, 0, 0], [0, 1, 0, 1, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0])
    last = Recurrent(name="rnn", cell=_MANY, return_sequences=False, padded_output="hold")
    for direction in ("forward", "backward"):
        layer = Recurrent(name="rnn", cell=_MANY, direction=direction, return_sequences=False)
        edit = steps(direction == "backward")
        call = {"reset": reset, "lengths": (6, 5, 4, 2), "state": True, "edit": edit, "pulled": ()}
        yield case(f"reset-nan-{direction}", "UNROLL-14 UNROLL-7", layer, **call, **words)
    call = {"reset": reset, "mask": MASK, "state": True, "edit": steps(False), "pulled": ()}
    yield case("reset-nan-hold", "UNROLL-14 UNROLL-7", last, **call, **words)


_FAR = [sign * size for size in (1e3, 1e2, 30, 18, 9, 7, 5, 3.5, 2.5, 1.5, 0.7, 0.1) for sign in (1, -1)]


def _far(weights: Arrays, inputs: Arrays) -> None:
    """Arguments from −1000 to 1000: the last feature says how far, and what else is added is small. A unit of a late
    layer sees mostly one feature, so that large numbers do not cancel out."""
    inputs["x"][..., -1] = np.array(_FAR, "float32").reshape(inputs["x"].shape[:2])
    for name, array in weights.items():
        if "recurrent" in name:
            array *= 1e-4
        elif name == "late.kernel":
            array /= 1000
            array[range(len(array)), range(len(array))] += np.resize([1, -1], len(array))
        elif "kernel" in name:
            array *= 0.25
            array[..., -1] = np.sign(array[..., -1]) + array[..., -1] / 2


def _saturated() -> Iterator[Case]:
    """Every activation far out on both sides, and around its kinks; then whole cells."""
    celu, shrink = a.Celu(alpha=0.6), a.SoftShrink(alpha=0.3)
    hard, leaky, scaled = a.HardSigmoid(alpha=0.2, beta=0.5), a.LeakyRelu(alpha=0.2), a.ScaledTanh(alpha=1.7, beta=0.7)
    triples: dict[str, tuple[a.Activation, a.Activation, a.Activation]] = {
        "sigmoid": ("sigmoid", "tanh", "linear"),
        "softplus": ("softplus", "log_sigmoid", "log_softmax"),
        "elu": ("elu", "softsign", "selu"),
        "celu": (leaky, a.Elu(alpha=0.7), celu),
        "gelu": ("gelu", "gelu_tanh", "relu6"),
        "silu": ("silu", "mish", "hard_silu"),
        "hard": ("hard_silu", hard, "sparse_plus"),
        "sparse": ("sparse_plus", "sparse_sigmoid", "tanh_shrink"),
        "relu6": ("relu6", shrink, "hard_tanh"),
        "scaled": (scaled, "tanh_shrink", a.HardShrink(alpha=0.5)),
        "threshold": (a.ThresholdedRelu(alpha=0.4), "relu", "softplus"),
    }
    for name, (forward, backward, late) in triples.items():
        layer = _two(RNN(units=7, activation=forward), RNN(units=3, activation=backward))
        dense = Dense(name="late", units=8, activation=late, bias=False)
        yield _large(name, layer, dense, lengths=(6, 5, 3, 2), state=True)
    yield _large("softmax", Dense(name="dense", units=7, activation="softmax"))
    yield _large("log_softmax", Dense(name="dense", units=7, activation="log_softmax"))
    pairs = (
        ("lstm", LSTM(units=7), LSTM(units=7)),
        ("gru", GRU(units=7, reset_after=True), GRU(units=3, reset_after=False)),
        ("peephole", LSTM(units=7, peephole=True, coupled_input_forget=True), UGRNN(units=3)),
        ("nas", NAS(units=7), MGU(units=3)),
        ("sru", SRU(units=7), CausalConvolution(units=3, width=3, gated=True)),
        (
            "activations",
            LSTM(units=7, gate_activation=hard, cell_activation="elu", output_activation="softsign"),
            GRU(units=3, reset_after=True, gate_activation="sparse_sigmoid", activation=scaled),
        ),
        ("intersection", Intersection(units=7), TimeFreqLSTM(units=3, feature_size=3, frequency_skip=1)),
    )
    for name, one, other in pairs:
        yield _large(f"cell-{name}", _two(one, other), mask=MASK, state=True)


def _large(id: str, *layers: Layer, **call) -> Case:
    return case(f"saturated-{id}", "ACT-3", *layers, edit=_far, comment="arguments up to 1000", **call)


def _large_means() -> Iterator[Case]:
    """Layer norms of numbers whose mean is far larger than their deviation."""

    def edit(weights: Arrays, inputs: Arrays) -> None:
        inputs["x"][..., -1] = 200 + inputs["x"][..., -1] / 4
        for name, array in weights.items():
            if name.endswith(".kernel"):
                array[..., -1] = 1 + array[..., -1] / 256

    joint = LayerNorm(gates="joint", over="gate", epsilon=1e-3)
    split = LayerNorm(gates="split", over="all", epsilon=1e-5)
    cells: dict[str, tuple[Cell, Cell]] = {
        "lstm": (
            LSTM(units=7, layer_norm=LayerNorm(gates="joint", over="all", cell="output", epsilon=1e-3)),
            LSTM(units=3, layer_norm=LayerNorm(gates="split", over="gate", cell="carry", epsilon=1e-5)),
        ),
        "gru": (GRU(units=7, reset_after=True, layer_norm=split), GRU(units=3, reset_after=False, layer_norm=joint)),
        "rnn": (RNN(units=7, layer_norm=joint), UGRNN(units=3, layer_norm=split)),
    }
    for name, (forward, backward) in cells.items():
        yield case(f"mean-{name}", "NORM-4", _two(forward, backward), lengths=ZERO, state=True, edit=edit,
                   comment="a mean of 200")  # fmt: skip

    def cell_edit(weights: Arrays, inputs: Arrays) -> None:
        for name, array in weights.items():
            if name.endswith(".bias"):
                array[0] += 20  # the input gate is open
                array[2] += 200  # and what enters is large

    options: dict = {"cell_activation": "relu", "output_activation": "softsign"}
    carry, output = (LayerNorm(gates="split", over="gate", cell=cell, epsilon=1e-3) for cell in ("carry", "output"))
    forward, backward = (LSTM(units=units, layer_norm=n, **options) for units, n in ((7, carry), (3, output)))
    yield case("mean-cell", "NORM-4", _two(forward, backward), mask=MASK, state=True, edit=cell_edit,
               comment="a cell state with a mean of 200")  # fmt: skip


def _long() -> Iterator[Case]:
    """Many steps: lengths that need more than 8 bits, long memories, and gradients through all of it."""

    def remembering(weights: Arrays, inputs: Arrays) -> None:
        inputs["x"] *= np.float32(0.25)
        for name, array in weights.items():
            if name.endswith(".bias") and len(array) > 1:
                array[1] += 6  # the forget or the update gate
            if name == "add.recurrent_kernel":
                array[:] = 0.995 + array / 500

    lstm, gru = LSTM(units=3), GRU(units=7, reset_after=True)
    hold = Recurrent(name="hold", cell=RNN(units=3), padded_output="hold", direction="backward")
    lengths = {"lengths": (301, 131, 259, 0), "time": 301, "pulled": ()}
    yield case("long-lengths", "UNROLL-15", _two(lstm, gru), hold, state=True, **lengths)
    layers = Recurrent(name="lstm", cell=lstm), Recurrent(name="add", cell=IndRNN(units=3, activation="linear"))
    drift = {"batch": 2, "time": 1100, "lengths": (1100, 777), "edit": remembering, "pulled": ()}
    yield case("long-drift", "UNROLL-15", *layers, state=True, **drift)
    steps = {"batch": 2, "time": 101, "lengths": (101, 67), "edit": remembering}
    yield case("long-gradients", "UNROLL-15", _two(lstm, gru), state=True, **steps)
