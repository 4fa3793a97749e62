"""Cases whose numbers are coarse enough to fall on kinks and borders exactly, in float32 as in any other precision.

Weights and inputs are small multiples of 1/4, so that sums and products of them are exact, and often 0, or a border.
"""

from collections.abc import Iterator

import numpy as np

from rnnspec import activations as a
from rnnspec.cells import GRU, LSTM, RNN, UGRNN, IndRNN, Intersection, Zoneout
from rnnspec.conformance.case import Arrays, Case
from rnnspec.conformance.chains import case
from rnnspec.layers import Dense, Recurrent

_HARD = a.HardSigmoid(alpha=0.25, beta=0.5)
_LEAKY = a.LeakyRelu(alpha=0.25)


def coarse(weights: Arrays, inputs: Arrays) -> None:
    """Nothing is 0, and all are multiples of 1/4 or, in x and the states, of 1/2."""
    for name, array in (*weights.items(), *inputs.items()):
        if array.dtype == "float32":
            unit = 4 if name in weights else 2
            array *= 2  # which reaches 6
            array[:] = np.where(array < 0, -1, 1) * np.maximum(np.rint(np.abs(array) * unit), 1) / unit


def kinks() -> Iterator[Case]:
    """All of them, in a fixed order."""
    chains: dict[str, tuple[a.Activation, ...]] = {
        "affine": (a.Affine(alpha=-0.5, beta=0.25), "hard_tanh", "elu"),
        "relu": ("relu", "hard_tanh", "elu"),
        "relu6": ("relu6", _LEAKY, "selu"),
        "leaky": (_LEAKY, "sparse_sigmoid", a.Celu(alpha=1.3)),
        "shrink": (a.SoftShrink(alpha=0.5), a.HardShrink(alpha=0.25), a.Elu(alpha=0.7)),
        "threshold": (a.ThresholdedRelu(alpha=0.5), _HARD, "hard_silu"),
        "hard": ("hard_tanh", "relu6", "sparse_plus"),
        "sparse": (_HARD, "sparse_sigmoid", "softsign"),
    }
    for name, functions in chains.items():
        layers = [Dense(name=f"dense{k}", units=8 + k, activation=f) for k, f in enumerate(functions)]
        yield case(f"kink-{name}", "GRAD-3 GRAD-4", *layers, edit=coarse, batch=7, comment="on kinks")
    cells = {
        "rnn": (RNN(units=7, activation="relu"), RNN(units=3, activation="relu", clip_gates=1.5)),
        "lstm": (
            LSTM(units=7, gate_activation=_HARD, cell_activation="linear", output_activation="hard_tanh",
                 clip_cell=0.5),
            LSTM(units=3, gate_activation=_HARD, cell_activation="relu6", output_activation="relu", clip_gates=1.5,
                 peephole=True, projection=8, clip_projection=0.5),
        ),
        "gru": (
            GRU(units=7, reset_after=True, gate_activation="sparse_sigmoid", activation="relu", clip_gates=1.0),
            GRU(units=3, reset_after=False, gate_activation=_HARD, activation="hard_tanh", clip_gates=1.5),
        ),
        "other": (
            IndRNN(units=7, activation="relu"),
            Zoneout(cell=UGRNN(units=3, gate_activation=_HARD, activation=_LEAKY, clip_gates=0.5), h=0.5),
        ),
        "intersection": (Intersection(units=7), RNN(units=3, activation="elu")),
    }  # fmt: skip
    for name, (forward, backward) in cells.items():
        layer = Recurrent(name="rnn", cell=forward, backward_cell=backward, direction="bidirectional")
        call = {"lengths": [6, 0, 5, 3] * 8, "batch": 32, "state": True}
        yield case(f"kink-{name}-cell", "GRAD-3 GRAD-4", layer, edit=coarse, comment="on kinks", **call)
