"""Models, inputs and a comparison for the tests of this folder."""

import numpy as np

from rnnspec import GRU, LSTM, RNN, Checkpoint, Model, Recurrent, Stack

BATCH, TIME, INPUTS = 4, 6, 3
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
VALID = {
    "all": {},
    "lengths": {"lengths": [TIME, 2, 0, 1]},
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
    np.testing.assert_allclose(np.asarray(y), y_expected, rtol=0, atol=tolerance)
    assert sorted(state) == sorted(state_expected)
    for name, value in state_expected.items():
        np.testing.assert_allclose(np.asarray(state[name]), value, rtol=0, atol=tolerance, err_msg=name)
