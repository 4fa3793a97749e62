"""Models, inputs and a comparison for the tests of this folder."""

import numpy as np

from rnnspec import GRU, LSTM, RNN, Checkpoint, Model, Recurrent, Stack
from rnnspec.activations import HardSigmoid
from rnnspec.cells import CellDropout, LayerNorm, Residual, Zoneout
from rnnspec.cells.wrapper import Wrapper

BATCH, TIME, INPUTS = 4, 6, 3
SPLIT = LayerNorm(gates="split", over="gate", epsilon=1e-3)
CELLS = {
    "rnn": RNN(units=5),
    "relu": RNN(units=5, activation="relu"),
    "lstm": LSTM(units=5),
    "sigmoid": RNN(units=5, activation="sigmoid"),
    "linear": RNN(units=5, activation="linear"),
    "gru_without_bias": GRU(units=5, reset_after=True, bias=False),
    "gru_after": GRU(units=5, reset_after=True),
    "gru_before": GRU(units=5, reset_after=False),
    "stack": Stack(cells=(LSTM(units=4), GRU(units=5, reset_after=True))),
}
RESET = np.random.default_rng(3).random((BATCH, TIME)) < 0.4


class Around(Wrapper, tag="around", frozen=True, kw_only=True):
    """A wrapper that the backend does not know, so that what it holds is not unrolled apart."""

    def step(self, ops, p, projected, state):
        return self.cell.step(ops, p, projected, state)


VARIANTS = {  # cells that Keras does not have
    "char_rnn": LSTM.preset("char_rnn", 5),
    "torch": LSTM.preset("torch", 5),
    "haste": LSTM.preset("haste", 5),
    "peephole": LSTM(units=5, peephole=True, projection=4, clip_cell=0.6, clip_projection=0.4),
    "coupled": LSTM(
        units=5, coupled_input_forget=True, peephole=True, gate_activation=HardSigmoid(alpha=0.2, beta=0.5)
    ),
    "gru_norm": GRU(units=5, reset_after=True, layer_norm=LayerNorm(gates="split", over="all", epsilon=1e-3)),
    "gru_before": GRU(units=5, reset_after=False, layer_norm=SPLIT, clip_gates=0.7),
    "indrnn": RNN(units=5, recurrence="diagonal", activation="gelu"),
    "dropout": CellDropout(cell=LSTM(units=5), input=0.3, state=0.4, output=0.2),
    "gal": CellDropout(cell=GRU(units=5, reset_after=True), input=0.3, state=0.4, output=0.2, per="sequence"),
    "zoneout": Zoneout(cell=LSTM(units=5), h=0.3, c=0.5),
    "nested": Stack(
        cells=(
            CellDropout(cell=LSTM(units=6), input=0.2, output=0.4),
            Residual(cell=Zoneout(cell=LSTM(units=6), h=0.3)),
            Residual(cell=CellDropout(cell=RNN(units=6), state=0.5)),
        )
    ),
    "around": Around(cell=Stack(cells=(LSTM(units=4), CellDropout(cell=RNN(units=3), input=0.5, per="sequence")))),
}
VALID = {
    "all": {},
    "lengths": {"lengths": [TIME, 2, 0, 1]},
    "reset": {"reset": RESET},
    "reset_and_lengths": {"reset": RESET, "lengths": [TIME, 2, 0, 4]},
    "reset_and_mask": {"reset": RESET, "mask": RESET[::-1] | RESET[:, ::-1]},
    "mask": {"mask": np.array([[1, 1, 1, 1, 1, 1], [0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 1]], bool)},
}


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def random_checkpoint(model: Model, dtype: str = "float64") -> Checkpoint:
    rng = np.random.default_rng(0)
    return Checkpoint(
        model, {name: rng.normal(size=shape).astype(dtype) * 0.5 for name, shape in model.parameters().items()}
    )


def layer(cell, **options) -> Model:
    return Model(inputs=INPUTS, layers=[Recurrent(name="r", cell=cell, **options)])


def random_state(model: Model, batch: int = BATCH) -> dict[str, np.ndarray]:
    return {name: draw(batch, size, i)[..., 0] for i, (name, size) in enumerate(model.states().items(), 1)}


def assert_same(found, expected, tolerance: float = 1e-10) -> None:
    (y, state), (y_expected, state_expected) = found, expected
    assert isinstance(y, tuple) == isinstance(y_expected, tuple)
    for one, other in zip(*(value if isinstance(value, tuple) else [value] for value in (y, y_expected)), strict=True):
        np.testing.assert_allclose(np.asarray(one), other, rtol=0, atol=tolerance)
    assert sorted(state) == sorted(state_expected)
    for name, value in state_expected.items():
        np.testing.assert_allclose(np.asarray(state[name]), value, rtol=0, atol=tolerance, err_msg=name)
