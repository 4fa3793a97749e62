"""What the graph of an exported model says, and what it refuses to be read as."""

import keras
import numpy as np
import pytest
from keras import layers as stock

from rnnspec.convert import convert
from rnnspec.errors import UnsupportedError
from rnnspec.reference import Net


def chain(*layers, shape=(None, 3)) -> keras.Sequential:
    return keras.Sequential([keras.Input(shape), *layers])


def computing(function, shape=(None, 3)) -> keras.Model:
    x = keras.Input(shape)
    return keras.Model(x, function(x))


def lstm(**options) -> stock.LSTM:
    return stock.LSTM(3, **options)


def shared() -> keras.Model:
    dense = stock.Dense(3)
    return chain(dense, lstm(return_sequences=True), dense)


class Subclass(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = stock.GRU(4, return_sequences=True), stock.Dense(2)
        self(np.zeros((1, 6, 3), "float32"))

    def call(self, x):
        return self.head(self.encoder(x))


class Forgetful(stock.LSTMCell):
    """Adds to the forget gate, as a custom cell may."""

    def _compute_carry_and_output_fused(self, z, c):
        return super()._compute_carry_and_output_fused([z[0], z[1] + 1.0, *z[2:]], c)


class Louder(stock.LSTMCell):
    def call(self, x, states, training=False):
        y, new = super().call(x, states)
        return y * 1.5, new


class Doubled(stock.SimpleRNNCell):
    def call(self, x, states, training=False):
        h = keras.ops.tanh(x @ self.kernel + 2.0 * (states[0] @ self.recurrent_kernel))
        return h, [h]


READ = {
    "each step": lambda: chain(
        stock.GRU(4, return_sequences=True), stock.TimeDistributed(stock.Dense(2, activation="relu")), shape=(6, 3)
    ),
    "gate by gate": lambda: chain(lstm(recurrent_dropout=0.3, dropout=0.2), stock.Dense(2)),
    "gate by gate, GRU": lambda: chain(stock.GRU(4, recurrent_dropout=0.3, return_sequences=True)),
    "gate by gate, reset before": lambda: chain(stock.GRU(4, recurrent_dropout=0.3, reset_after=False)),
    "the final h": lambda: computing(lambda x: stock.Dense(2)(lstm(return_state=True)(x)[1])),
    "both final h": lambda: computing(
        lambda x: stock.Dense(2)(stock.Concatenate()(stock.Bidirectional(lstm(return_state=True))(x)[1::2]))
    ),
    "one unit": lambda: chain(
        stock.LSTM(1, return_sequences=True), stock.GRU(1, return_sequences=True), stock.SimpleRNN(1)
    ),
    "one size": lambda: chain(stock.GRU(3, return_sequences=True), stock.SimpleRNN(3, return_sequences=True), lstm()),
    "a layer of activation": lambda: chain(lstm(), stock.Dense(4), stock.ELU(0.7)),
    "flipped back": lambda: computing(
        lambda x: keras.ops.flip(lstm(return_sequences=True, go_backwards=True)(x), axis=1)
    ),
    "nested": lambda: chain(chain(lstm(return_sequences=True)), stock.Dense(2)),
    "float64": lambda: chain(lstm(dtype="float64"), stock.Dense(2, dtype="float64")),
    "stateful": lambda: keras.Sequential([keras.Input(batch_shape=(4, 6, 3)), lstm(stateful=True)]),
    "a layer twice": shared,
    "a class of its own": Subclass,
}
REFUSED = {
    "both final c": (
        lambda: computing(lambda x: stock.Concatenate()(stock.Bidirectional(lstm(return_state=True))(x)[2::2])),
        "ConcatV2",
    ),
    "joined in time": (
        lambda: computing(
            lambda x: stock.Concatenate(1)(stock.Bidirectional(lstm(return_sequences=True), merge_mode=None)(x))
        ),
        "ConcatV2",
    ),
    "unroll": (lambda: chain(lstm(unroll=True), shape=(6, 3)), "unrolled recurrence"),
    "the final c": (lambda: computing(lambda x: lstm(return_state=True)(x)[2]), "only the cell state"),
    "dense on c": (lambda: computing(lambda x: stock.Dense(3)(lstm(return_state=True)(x)[2])), "While"),
    "residual": (lambda: computing(lambda x: x + lstm(return_sequences=True)(x)), "AddV2"),
    "two chains": (lambda: computing(lambda x: lstm()(x) + stock.GRU(3)(x)), "AddV2"),
    "scaled": (lambda: computing(lambda x: lstm()(x * 2.0)), "Mul"),
    "convolution": (lambda: chain(stock.Conv1D(4, 3), lstm()), "conv1d"),
    "pooling": (lambda: chain(lstm(return_sequences=True), stock.GlobalMaxPooling1D()), "Max"),
    "normalisation": (lambda: chain(lstm(return_sequences=True), stock.LayerNormalization()), "layer_normalization"),
    "half precision": (lambda: chain(lstm(dtype="mixed_float16"), stock.Dense(2)), "Cast"),
    "masked, but no layer sees it": (lambda: chain(stock.Masking(0.5), stock.Dense(4)), "see the mask"),
    "0 where the last step is masked": (
        lambda: chain(stock.Masking(0.5), lstm(zero_output_for_mask=True)),
        "return the sequence",
    ),
    "a forget bias": (lambda: chain(stock.RNN(Forgetful(3), return_sequences=True)), "rnn.*--config"),
    "a louder output": (lambda: chain(stock.RNN(Louder(3), return_sequences=True)), "rnn.*--config"),
    "a doubled state": (lambda: chain(stock.RNN(Doubled(3), return_sequences=True)), "rnn.*--config"),
}


def exported(model: keras.Model, folder):
    weights = [np.random.default_rng(k).normal(size=w.shape) * 0.5 for k, w in enumerate(model.trainable_weights)]
    for variable, array in zip(model.trainable_weights, weights, strict=True):
        variable.assign(array)
    model.export(folder, verbose=False)
    return folder


@pytest.mark.parametrize("name", READ)
def test_a_graph_is_read(name, tmp_path):
    model = READ[name]()
    folder = exported(model, tmp_path / "m")
    x = np.random.default_rng(5).normal(size=(4, 6, 3)).astype("float32")
    y, _ = Net(convert(folder), dtype="float64")(x)
    np.testing.assert_allclose(y, model(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", REFUSED)
def test_a_graph_is_refused(name, tmp_path):
    model, message = REFUSED[name]
    folder = exported(model(), tmp_path / "m")
    with pytest.raises(UnsupportedError, match=message):
        convert(folder)


def test_a_state_that_is_not_zero_is_refused(tmp_path):
    model = keras.Sequential([keras.Input(batch_shape=(2, 6, 3)), lstm(stateful=True)])
    model(np.ones((2, 6, 3), "float32"))
    with pytest.raises(UnsupportedError, match=r"the state lstm.*\.h of a stateful layer is not 0; reset it"):
        convert(exported(model, tmp_path / "m"))


def test_several_signatures(tmp_path):
    model = chain(lstm(return_sequences=True, name="up"), stock.GRU(4, name="top"))
    first = keras.Model(model.inputs, model.get_layer("up").output)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", model.call, input_signature=[keras.InputSpec(shape=(None, 6, 3), dtype="float32")])
    archive.add_endpoint("up", first.call, input_signature=[keras.InputSpec(shape=(None, 6, 3), dtype="float32")])
    archive.write_out(tmp_path / "m", verbose=False)
    checkpoint = convert(tmp_path / "m")
    assert [layer.name for layer in checkpoint.model.layers] == ["up", "top"]
    assert (
        "the signature 'serving_default' was read; up compute something else"
        in checkpoint.metadata["conversion"]["notes"]
    )
