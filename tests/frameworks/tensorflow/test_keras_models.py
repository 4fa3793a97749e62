"""Models of Keras, written out in ours by hand on the same weights: values, and gradients of weights and inputs."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as stock

from rnnspec import (
    GRU,
    LSTM,
    Activation,
    Attention,
    Convolution,
    Dense,
    Embedding,
    Input,
    Merge,
    Norm,
    Pool,
    Recurrent,
    Repeat,
    Summary,
)
from rnnspec.conformance.case import Case

from ..agreement import solved
from .own import assert_agree

TIME, FEATURES = 10, 3
LENGTHS = [10, 6, 4]


def between():
    """A batch norm between two LSTMs."""
    x = keras.Input((None, FEATURES))
    y = stock.Masking()(x)
    y = stock.LSTM(5, return_sequences=True, name="up")(y)
    y = stock.BatchNormalization(epsilon=0.1, name="norm")(y)
    y = stock.LSTM(4, name="top")(y)
    y = stock.Dense(2, activation="sigmoid", name="out")(y)
    ours = [
        Recurrent(name="up", cell=LSTM(units=5)),
        Norm(name="norm", kind="batch", epsilon=0.1),
        Recurrent(name="top", cell=LSTM(units=4), return_sequences=False),
        Dense(name="out", units=2, activation="sigmoid"),
    ]
    return keras.Model(x, y), ours


def cnn_lstm():
    """Its convolutions have no masks: all steps count."""
    x = keras.Input((TIME, FEATURES))
    y = stock.Conv1D(6, 3, activation="relu", padding="same", name="wide")(x)
    y = stock.Conv1D(4, 2, activation="tanh", name="narrow")(y)
    y = stock.MaxPooling1D(2, name="pool")(y)
    y = stock.LSTM(5, name="lstm")(y)
    y = stock.Dense(2, name="out")(y)
    ours = [
        Convolution(name="wide", units=6, width=3, padding="same", activation="relu"),
        Convolution(name="narrow", units=4, width=2, padding="valid", activation="tanh"),
        Pool(name="pool", how="max", width=2, padding="valid"),
        Recurrent(name="lstm", cell=LSTM(units=5), return_sequences=False),
        Dense(name="out", units=2),
    ]
    return keras.Model(x, y), ours


def autoencoder():
    x = keras.Input((TIME, FEATURES))
    y = stock.Masking()(x)
    y = stock.LSTM(5, return_sequences=True, name="in")(y)
    y = stock.LSTM(4, name="code")(y)
    y = stock.RepeatVector(TIME, name="again")(y)
    y = stock.LSTM(6, return_sequences=True, name="from")(y)
    y = stock.TimeDistributed(stock.Dense(FEATURES), name="out")(y)
    ours = [
        Recurrent(name="in", cell=LSTM(units=5)),
        Recurrent(name="code", cell=LSTM(units=4), return_sequences=False),
        Repeat(name="again", steps=TIME),
        Recurrent(name="from", cell=LSTM(units=6)),
        Dense(name="out", units=FEATURES),
    ]
    return keras.Model(x, y), ours


def residual():
    """Two blocks, of which each adds what it reads."""
    x = keras.Input((None, FEATURES))
    y = before = stock.Masking()(x)
    for name in "ab":
        y = stock.LSTM(FEATURES, return_sequences=True, name=f"lstm_{name}")(before)
        y = before = stock.Add()([before, y])
    y = stock.LayerNormalization(epsilon=0.1, name="norm")(y)
    y = stock.GlobalAveragePooling1D()(y)
    y = stock.Dense(2, activation="softmax", name="out")(y)
    ours = [
        Recurrent(name="lstm_a", cell=LSTM(units=FEATURES)),
        Merge(name="one", of=["x", "lstm_a"], how="add"),
        Recurrent(name="lstm_b", cell=LSTM(units=FEATURES)),
        Merge(name="two", of=["one", "lstm_b"], how="add"),
        Norm(name="norm", kind="layer", epsilon=0.1),
        Summary(name="mean", how="mean"),
        Dense(name="out", units=2, activation="softmax"),
    ]
    return keras.Model(x, y), ours


def crnn():
    """A label at every second step. Keras drops masks at convolutions, so its users make zeros before, and a mask after
    them; the lengths are even, so that no window is half of padding.
    """
    x = keras.Input((None, FEATURES))
    kept = keras.ops.any(x != 0, -1, keepdims=True)
    y = keras.ops.where(kept, x, 0.0)
    y = stock.Conv1D(7, 3, padding="same", use_bias=False, name="front")(y)
    y = stock.BatchNormalization(name="norm")(y)
    y = stock.Activation("silu")(y)
    y = stock.AveragePooling1D(2)(y)
    y = stock.Bidirectional(stock.GRU(4, return_sequences=True), name="gru")(y, mask=kept[:, ::2, 0])
    y = stock.Dense(5, activation="softmax", name="out")(y)
    ours = [
        Convolution(name="front", units=7, width=3, padding="same", bias=False),
        Norm(name="norm", kind="batch", epsilon=1e-3),
        Activation(name="silu", function="silu"),
        Pool(name="pool", how="mean", width=2, padding="valid"),
        Recurrent(name="gru", cell=GRU(units=4, reset_after=True), direction="bidirectional"),
        Dense(name="out", units=5, activation="softmax"),
    ]
    return keras.Model(x, y), ours


def seq2seq():
    """With attention, on ids that are 0 at padding; a mean ends it, as at padded steps of a query Keras gives 0."""
    x = [keras.Input((None,), dtype="int32", name=name) for name in ("source", "target")]
    words = stock.Embedding(9, 4, mask_zero=True, name="words")(x[0])
    encoder, *state = stock.LSTM(5, return_sequences=True, return_state=True, name="encoder")(words)
    heard = stock.Embedding(7, 3, mask_zero=True, name="heard")(x[1])
    decoder = stock.LSTM(5, return_sequences=True, name="decoder")(heard, initial_state=state)
    y = stock.Concatenate()([decoder, stock.Attention()([decoder, encoder])])
    y = stock.Dense(6, activation="tanh", name="out")(y)
    y = stock.GlobalAveragePooling1D()(y)
    ours = [
        Embedding(name="words", of="source", vocabulary=9, units=4),
        Recurrent(name="encoder", cell=LSTM(units=5)),
        Embedding(name="heard", of="target", vocabulary=7, units=3),
        Recurrent(name="decoder", cell=LSTM(units=5), start={"h": "encoder.h", "c": "encoder.c"}),
        Attention(name="look", of=["decoder", "encoder"], score="dot"),
        Merge(name="both", of=["decoder", "look"], how="concat"),
        Dense(name="out", units=6, activation="tanh"),
        Summary(name="mean", how="mean"),
    ]
    return keras.Model(x, y), ours


def recurrent(p):
    """(gates, units, inputs) as Keras has them, gates side by side; of a GRU z before r, and two biases."""
    kernels = [p["kernel"], p["recurrent_kernel"]]
    biases = [p["bias"]]
    if "recurrent_bias" in p:
        kernels, biases = ([tf.gather(part, [1, 0, 2]) for part in parts] for parts in (kernels, biases))
        biases.append(tf.stack([tf.zeros_like(p["recurrent_bias"])] * 2 + [p["recurrent_bias"]]))
    flat = tf.concat([tf.reshape(bias, (1, -1)) for bias in biases], 0)
    columns = [tf.transpose(tf.reshape(kernel, (-1, kernel.shape[-1]))) for kernel in kernels]
    return [*columns, flat if len(biases) > 1 else flat[0]]


def theirs(p):
    """The weights of one layer of ours as Keras has them, in the order of its own."""
    if any(name.startswith("forward.") for name in p):
        return [
            weight
            for way in ("forward.", "backward.")
            for weight in recurrent({name.removeprefix(way): a for name, a in p.items() if name.startswith(way)})
        ]
    if "recurrent_kernel" in p:
        return recurrent(p)
    turned = {2: [1, 0], 3: [1, 2, 0]}  # kernels of Dense and Conv1D
    return [tf.transpose(array, turned[array.ndim]) if name == "kernel" else array for name, array in p.items()]


def computed_by(model, p, inputs):
    """What a model of Keras gives with our weights in place of its own: layers have the same names."""
    weights = {}
    for layer in model.layers:
        own = {name.removeprefix(f"{layer.name}."): a for name, a in p.items() if name.startswith(f"{layer.name}.")}
        weights |= dict(zip(map(id, layer.weights), theirs(own), strict=True))
    trained, others = (
        [weights.get(id(variable), variable) for variable in variables]  # else of a random generator, which is idle
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    return model.stateless_call(trained, others, inputs.get("x", list(inputs.values())))[0]


def padded(weights, inputs):
    """0 where a step does not count, and ids from 1 on where it does."""
    for name in {"x", "source", "target"} & set(inputs):
        lengths = inputs.get("lengths", inputs.get(f"{name}.lengths"))
        x, kept = inputs[name], np.arange(inputs[name].shape[1]) < lengths[:, None]
        inputs[name] = np.where(kept, 1 + x % 6, 0) if x.ndim == 2 else np.where(kept[..., None], x, 0)


def case(name, layers) -> Case:
    options = {"time": TIME, "lengths": LENGTHS, "edit": padded}
    if name == "cnn_lstm":
        options = {"time": TIME}
    elif name == "seq2seq":
        ragged = {"source": [5, 3, 2], "target": [4, 7, 1]}
        options |= {"time": {"source": 5, "target": 7}, "lengths": ragged}
    inputs = {"source": Input(), "target": Input()} if name == "seq2seq" else FEATURES
    return solved(name, inputs, layers, pulled=["y"], **options)


MODELS = {build.__name__: build for build in (between, cnn_lstm, autoencoder, residual, crnn, seq2seq)}


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """In which Keras makes layers."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(request.param)
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_keras(name, dtype):
    model, layers = MODELS[name]()
    assert_agree(case(name, layers), dtype, lambda p, x: computed_by(model, p, x))
