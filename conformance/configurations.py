"""The cells and activations that are tried, every option alone and in the pairs that interact."""

import re

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
    LiGRU,
    Residual,
    Stack,
    TimeFreqLSTM,
    WaveNet,
    Zoneout,
)
from rnnspec.config import specified

Clauses = tuple[str, ...]
UNITS = 7
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
    "lstm-coupled-hard": (  # whose σ(−a) is not 1 − σ(a)
        LSTM(units=UNITS, coupled_input_forget=True, gate_activation=a.HardSigmoid(alpha=0.25, beta=0.4)),
        ("LSTM-8", "ACT-2"),
    ),
    "lstm-projection": (LSTM(units=UNITS, projection=3), ("LSTM-11",)),
    "lstm-clip-cell": (LSTM(units=UNITS, clip_cell=0.4), ("LSTM-10",)),
    "lstm-clip-gates": (LSTM(units=UNITS, clip_gates=0.5, peephole=True), ("GATES-3",)),
    "lstm-diagonal": (LSTM(units=UNITS, recurrence="diagonal"), ("GATES-2",)),
    "lstm-peephole-clip-projection": (
        LSTM(units=UNITS, peephole=True, clip_cell=0.5, projection=3, clip_projection=0.3),
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
    "indrnn": (IndRNN(units=UNITS, activation="relu"), ()),
    "ugrnn": (UGRNN(units=UNITS), ()),
    "nas": (NAS(units=UNITS), ()),
    "nas-projection": (NAS(units=UNITS, projection=3, bias=False), ()),
    "sru": (SRU(units=UNITS), ()),
    "sru-relu": (SRU(units=UNITS, activation="relu"), ()),
    "intersection": (Intersection(units=UNITS), ()),
    "mgu": (MGU(units=UNITS), ()),
    "timefreq": (TimeFreqLSTM(units=UNITS, feature_size=2, frequency_skip=2), ()),
    "timefreq-peephole-clip": (
        TimeFreqLSTM(units=UNITS, feature_size=3, frequency_skip=2, peephole=True, clip_cell=0.4),
        (),
    ),
    "causal": (CausalConvolution(units=UNITS, width=3, dilation=2, activation="relu"), ()),
    "causal-gated": (CausalConvolution(units=UNITS, width=2, dilation=3, gated=True), ()),
    "wavenet": (WaveNet(residual=3, skip=UNITS, width=2, dilations=(1, 2, 4)), ()),
    "zoneout": (Zoneout(cell=LSTM(units=UNITS), h=0.2, c=0.4), ()),
    "dropout-wrapper": (CellDropout(cell=GRU(units=UNITS, reset_after=True), input=0.3, state=0.2), ()),
    "residual-stack": (
        Stack(cells=(LSTM(units=UNITS), Residual(cell=LSTM(units=UNITS, peephole=True)))),
        (),
    ),
}

# Kinds that came after the others have a row here: a plain cell, then some that set every field to something else, and
# activations by name and with parameters.
KINDS: dict[str, tuple[Cell, ...]] = {
    "ligru": (
        LiGRU(units=UNITS),
        LiGRU(units=3, gate_activation=_HARD, activation="softsign", bias=False),
        LiGRU(units=8, gate_activation="sparse_sigmoid", activation=a.ScaledTanh(alpha=1.4, beta=0.6)),
    ),
}

# What every case with the cell tries, where it is not what the docstring cites: some is for certain options.
_OF_CELL = {
    "rnn": "GATES-1 RNN-1 RNN-2",
    "lstm": "GATES-1 LSTM-1 LSTM-2 LSTM-3 LSTM-4 LSTM-5 LSTM-6",
    "gru": "GRU-1 GRU-4 GRU-5",
    "ugrnn": "GATES-1 UGRNN-1 UGRNN-2 UGRNN-3 UGRNN-4",
    "causal_convolution": "CAUSAL-1 CAUSAL-2 CAUSAL-3",
    "wavenet": "CAUSAL-1 WAVENET-1 WAVENET-2 WAVENET-3 WAVENET-4",
    "residual": "RESIDUAL-1 WRAP-1",
    "dropout": "CELLDROP-3 WRAP-1",
    "zoneout": "ZONEOUT-1 ZONEOUT-2 ZONEOUT-3 WRAP-1",
    "stack": "STACK-1 STACK-2",
    "attending": "CONTEXT-1 CONTEXT-2 CONTEXT-7",
}


def of_cell(tag: str) -> list[str]:
    """The clauses that every case with a cell of this kind tries."""
    if tag in _OF_CELL:
        return _OF_CELL[tag].split()
    return re.findall(r"\b[A-Z]+-\d+\b", specified(Cell)[tag].__doc__ or "")  # type: ignore[type-abstract]


# Noise, which training draws.
NOISY: dict[str, tuple[Cell, Clauses]] = {
    "rnn-input": (CellDropout(cell=RNN(units=UNITS), input=0.4), ("CELLDROP-1",)),
    "lstm-state": (CellDropout(cell=LSTM(units=UNITS, peephole=True), state=0.4), ("CELLDROP-1",)),
    "gru_before-state": (CellDropout(cell=GRU(units=UNITS, reset_after=False), state=0.3), ("CELLDROP-1", "GRU-4")),
    "gru_after-all": (
        CellDropout(cell=GRU(units=UNITS, reset_after=True), input=0.2, state=0.3, output=0.4),
        ("CELLDROP-1", "CELLDROP-2"),
    ),
    "ugrnn-sequence": (
        CellDropout(cell=UGRNN(units=UNITS), input=0.3, state=0.3, output=0.3, per="sequence"),
        ("CELLDROP-1", "CELLDROP-2"),
    ),
    "zoneout-lstm": (Zoneout(cell=LSTM(units=UNITS), h=0.3, c=0.5), ()),
    "zoneout-gru": (Zoneout(cell=GRU(units=UNITS, reset_after=True), h=0.4), ()),
    "stack": (
        Stack(
            cells=(
                CellDropout(cell=LSTM(units=9), output=0.3),
                Zoneout(cell=GRU(units=UNITS, reset_after=False), h=0.3),
            )
        ),
        ("CELLDROP-2",),
    ),
}
