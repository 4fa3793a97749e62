"""How rounding grows with the number of steps: the error of y at each step of long sequences."""

import numpy as np

from rnnspec.cells import GRU, LSTM, RNN, Cell
from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.runner import Variant
from rnnspec.layers import Recurrent
from rnnspec.model import Model
from rnnspec.reference import Net

STEPS, UNITS, INPUTS, BATCH = 200, 32, 5, 4
CELLS: dict[str, Cell] = {
    "rnn": RNN(units=UNITS),
    "lstm": LSTM(units=UNITS),
    "gru": GRU(units=UNITS, reset_after=True),
}


def growth(variant: Variant) -> dict[str, list[float]]:
    """Cell → max |actual − expected| / max(1, |expected|) at each of 200 steps, over rows and units.

    Cells that it refuses or fails have none: what is wrong with them, cases say.
    """
    found = {}
    for name, cell in CELLS.items():
        model = Model(inputs=INPUTS, layers=(Recurrent(name="rnn", cell=cell),))
        checkpoint = Checkpoint.initialize(model, seed=0)
        x = np.random.default_rng(0).standard_normal((BATCH, STEPS, INPUTS)).astype("float32")
        expected, _ = Net(checkpoint, "float64")(x)
        try:
            actual = np.asarray(variant.module.load(checkpoint, **variant.options)(x)[0])
        except Exception:  # a backend may raise anything, as in `run`
            continue
        if actual.shape == expected.shape and np.isfinite(actual).all():
            error = np.abs(actual - expected) / np.maximum(1, np.abs(expected))
            found[name] = [float(f"{step:.2e}") for step in error.max((0, 2))]
    return found
