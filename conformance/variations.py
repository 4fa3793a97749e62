"""Cases for every option of the cells and of the unroll, alone and in the pairs that interact."""

from collections.abc import Iterator

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
from rnnspec.layers import Dense, Recurrent
from rnnspec.model import Model

Clauses = tuple[str, ...]
INPUTS = 5
UNITS = 6
RAGGED, ZERO = (9, 2, 6, 4), (3, 0, 9, 5)
_HARD = a.HardSigmoid(alpha=0.2, beta=0.5)
_JOINT = LayerNorm(gates="joint", over="gate", epsilon=1e-3)
_SPLIT = LayerNorm(gates="split", over="gate", epsilon=1e-5, beta=False)
_ALL = LayerNorm(gates="split", over="all", epsilon=1e-4)

FUNCTIONS: dict[str, a.Activation] = {
    **{name: name for name in a.NAMES},
    "hard_sigmoid": a.HardSigmoid(alpha=1 / 6, beta=0.5),
    "leaky_relu": a.LeakyRelu(alpha=0.2),
    "elu-alpha": a.Elu(alpha=0.7),
    "celu": a.Celu(alpha=0.6),
    "scaled_tanh": a.ScaledTanh(alpha=1.7159, beta=2 / 3),
    "affine": a.Affine(alpha=0.8, beta=-0.3),
    "thresholded_relu": a.ThresholdedRelu(alpha=0.4),
    "hard_shrink": a.HardShrink(alpha=0.5),
    "soft_shrink": a.SoftShrink(alpha=0.3),
}

CELLS: dict[str, tuple[Cell, Clauses]] = {
    "rnn-diagonal": (RNN(units=UNITS, recurrence="diagonal"), ("GATES-1", "GATES-2")),
    "rnn-norm-joint": (RNN(units=UNITS, layer_norm=_JOINT), ("NORM-1", "NORM-3")),
    "rnn-norm-split-leaky": (
        RNN(units=UNITS, layer_norm=_SPLIT, activation=a.LeakyRelu(alpha=0.3), clip_gates=0.8),
        ("NORM-2", "GATES-3", "ACT-2"),
    ),
    "lstm-hard": (LSTM(units=UNITS, gate_activation=_HARD, cell_activation="relu"), ("LSTM-1", "LSTM-2", "ACT-2")),
    "lstm-output-softsign": (LSTM(units=UNITS, output_activation="softsign"), ("LSTM-4", "ACT-1")),
    "lstm-peephole": (LSTM(units=UNITS, peephole=True), ("LSTM-7",)),
    "lstm-coupled": (LSTM(units=UNITS, coupled_input_forget=True), ("LSTM-8",)),
    "lstm-coupled-peephole": (LSTM(units=UNITS, coupled_input_forget=True, peephole=True), ("LSTM-7", "LSTM-8")),
    "lstm-projection": (LSTM(units=UNITS, projection=3), ("LSTM-11",)),
    "lstm-clip-cell": (LSTM(units=UNITS, clip_cell=0.4), ("LSTM-10",)),
    "lstm-clip-gates": (LSTM(units=UNITS, clip_gates=0.5, peephole=True), ("GATES-3",)),
    "lstm-diagonal": (LSTM(units=UNITS, recurrence="diagonal"), ("GATES-2",)),
    "lstm-peephole-clip-projection": (
        LSTM(units=UNITS, peephole=True, clip_cell=0.5, projection=4, clip_projection=0.3),
        ("LSTM-7", "LSTM-10", "LSTM-11", "LSTM-12"),
    ),
    "lstm-coupled-norm-carry-clip": (
        LSTM(
            units=UNITS,
            coupled_input_forget=True,
            peephole=True,
            clip_cell=0.6,
            layer_norm=LayerNorm(gates="joint", over="gate", cell="carry", epsilon=1e-12),
            bias=False,
        ),
        ("LSTM-8", "LSTM-9", "LSTM-10", "NORM-1"),
    ),
    **{
        f"lstm-norm-{name}": (LSTM.preset(name, UNITS), ("NORM-1", "NORM-3", "LSTM-9"))
        for name in ("tf1", "char_rnn", "torch", "haste", "tfa")
    },
    "gru_before-hard": (GRU(units=UNITS, reset_after=False, gate_activation=_HARD, activation="relu"), ("GRU-2",)),
    "gru_after-hard": (GRU(units=UNITS, reset_after=True, gate_activation=_HARD, clip_gates=0.7), ("GRU-3", "GATES-3")),
    "gru_before-diagonal": (GRU(units=UNITS, reset_after=False, recurrence="diagonal"), ("GATES-2", "GRU-2")),
    "gru_after-diagonal": (GRU(units=UNITS, reset_after=True, recurrence="diagonal"), ("GATES-2", "GRU-3")),
    "gru_before-norm-joint": (GRU(units=UNITS, reset_after=False, layer_norm=_JOINT), ("GRU-7", "NORM-1")),
    "gru_before-norm-split": (GRU(units=UNITS, reset_after=False, layer_norm=_SPLIT), ("GRU-7", "NORM-2")),
    "gru_after-norm-joint": (GRU(units=UNITS, reset_after=True, layer_norm=_JOINT), ("GRU-7", "NORM-1")),
    "gru_after-norm-split": (GRU(units=UNITS, reset_after=True, layer_norm=_SPLIT), ("GRU-7", "NORM-2")),
    "gru_after-norm-all": (GRU(units=UNITS, reset_after=True, layer_norm=_ALL), ("GRU-7", "NORM-2", "NORM-3")),
    "indrnn": (IndRNN(units=UNITS, activation="relu"), ("INDRNN-1",)),
    "ugrnn": (UGRNN(units=UNITS), ("UGRNN-1",)),
    "nas": (NAS(units=UNITS), ("NAS-1",)),
    "sru": (SRU(units=UNITS), ("SRU-1",)),
    "intersection": (Intersection(units=UNITS), ("INTERSECTION-1",)),
    "mgu": (MGU(units=UNITS), ("MGU-1",)),
    "timefreq": (TimeFreqLSTM(units=UNITS, feature_size=3, frequency_skip=2), ("TIMEFREQ-1",)),
    "causal": (CausalConvolution(units=UNITS, width=3, dilation=2, activation="relu"), ("CAUSAL-1",)),
    "causal-gated": (CausalConvolution(units=UNITS, width=2, dilation=3, gated=True), ("CAUSAL-1",)),
    "wavenet": (WaveNet(residual=4, skip=UNITS, width=2, dilations=(1, 2, 4)), ("WAVENET-1",)),
    "zoneout": (Zoneout(cell=LSTM(units=UNITS), h=0.2, c=0.4), ("ZONEOUT-1", "ZONEOUT-2", "ZONEOUT-3", "WRAP-1")),
    "dropout-wrapper": (CellDropout(cell=GRU(units=UNITS, reset_after=True), input=0.3, state=0.2), ("CELLDROP-3",)),
    "residual-stack": (
        Stack(cells=(LSTM(units=UNITS), Residual(cell=LSTM(units=UNITS, peephole=True)))),
        ("RESIDUAL-1", "STACK-1"),
    ),
}


_TRIED_WITH_MASKS = (
    "lstm-norm-torch",
    "lstm-peephole-clip-projection",
    "gru_after-norm-split",
    "residual-stack",
    "causal",
)


def variations() -> Iterator:
    """All cases of this file, in a fixed order."""
    from rnnspec.conformance.cases import Case

    def case(id: str, clauses: Clauses, *layers, **call) -> Case:
        return Case(id, clauses, Model(inputs=INPUTS, layers=layers), **call)

    for name, function in FUNCTIONS.items():
        clause = "ACT-1" if isinstance(function, str) else "ACT-2"
        yield case(f"activation-{name}", (clause, "DENSE-1"), Dense(name="dense", units=7, activation=function))
    for name, (cell, clauses) in CELLS.items():
        forward = Recurrent(name="layer", cell=cell)
        both = Recurrent(name="layer", cell=cell, direction="bidirectional")
        yield case(f"{name}-both", clauses, both, lengths=ZERO, given_state=True)
        yield case(f"{name}-cell-steps", (*clauses, "STEP-1"), forward, given_state=True, split="steps")
    for name in (
        "lstm-norm-torch",
        "lstm-peephole-clip-projection",
        "gru_after-norm-split",
        "residual-stack",
        "causal",
    ):
        cell, clauses = CELLS[name]
        layer = Recurrent(name="layer", cell=cell, direction="backward", padded_output="hold")
        yield case(f"{name}-holes", (*clauses, "UNROLL-9", "UNROLL-5"), layer, mask=True, given_state=True)
        yield case(f"{name}-restarts", (*clauses, "UNROLL-12"), layer, reset=True, lengths=RAGGED)
    yield from _unrolls(case)


def _unrolls(case) -> Iterator:
    lstm, gru = LSTM(units=UNITS), GRU(units=UNITS, reset_after=True)
    two = Recurrent(name="layer", cell=lstm, direction="bidirectional")
    for merge in ("sum", "mul", "ave", "none"):
        layer = _with(two, merge=merge, backward_cell=gru)
        yield case(f"merge-{merge}", ("UNROLL-8",), layer, lengths=ZERO, given_state=True)
        last = _with(layer, return_sequences=False)
        yield case(f"merge-{merge}-last", ("UNROLL-7", "UNROLL-8"), last, lengths=RAGGED)
    wide = _with(two, backward_cell=RNN(units=3, activation="relu"))
    yield case("different-cells", ("UNROLL-8",), wide, Dense(name="dense", units=4), lengths=ZERO, given_state=True)
    for direction in ("forward", "backward", "bidirectional"):
        hold = Recurrent(name="layer", cell=gru, direction=direction, padded_output="hold")
        after = Recurrent(name="after", cell=RNN(units=4))
        yield case(f"hold-{direction}-lengths", ("UNROLL-9",), hold, after, lengths=ZERO, given_state=True)
        yield case(f"hold-{direction}-holes", ("UNROLL-9",), hold, mask=True, given_state=True)
        yield case(f"hold-{direction}-restarts", ("UNROLL-9", "UNROLL-12"), hold, mask=True, reset=True)
        flipped = _with(hold, reverse_output=True)
        yield case(f"reverse_output-{direction}", ("UNROLL-10",), flipped, lengths=RAGGED)
        learned = Recurrent(name="layer", cell=lstm, direction=direction, learned_state=True)
        yield case(f"learned-{direction}", ("UNROLL-11",), learned, lengths=ZERO)
        yield case(f"learned-{direction}-restarts", ("UNROLL-11", "UNROLL-12"), learned, reset=True, lengths=RAGGED)
        last = _with(learned, return_sequences=False)
        yield case(
            f"restarts-{direction}-last", ("UNROLL-7", "UNROLL-12"), last, reset=True, mask=True, given_state=True
        )
    learned = Recurrent(name="layer", cell=lstm, learned_state=True)
    yield case("learned-steps", ("UNROLL-11", "STEP-1"), learned, split="steps")
    residual = Residual(cell=GRU(units=INPUTS, reset_after=False))
    stacks = (
        Recurrent(name="inner", cell=Stack(cells=(residual, residual)), direction="bidirectional", merge="ave"),
        Recurrent(name="outer", cell=residual, direction="bidirectional", padded_output="hold"),
    )
    yield case("stack-bidirectional-residual", ("STACK-3", "RESIDUAL-1"), *stacks, mask=True, given_state=True)


def _with(layer: Recurrent, **fields) -> Recurrent:
    """The layer with other fields."""
    return type(layer)(**{name: getattr(layer, name) for name in layer.__struct_fields__} | fields)
