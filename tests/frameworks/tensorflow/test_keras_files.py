"""Files that the installed Keras writes, converted, against its own predictions."""

import keras
import numpy as np
import pytest

from rnnspec.convert import convert
from rnnspec.reference import Net

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),  # Keras's
    pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning"),  # a model in a model does
]
L = keras.layers
BATCH, TIME, INPUTS, VOCABULARY = 4, 9, 5, 11


def sequential(*layers, **options):
    return keras.Sequential([keras.Input((TIME, INPUTS), **options), *layers])


def of_ids(*layers):
    return keras.Sequential([keras.Input((TIME,), dtype="int32"), *layers])


def functional(build):
    x = keras.Input((TIME, INPUTS), name="x")
    return keras.Model(x, build(x))


def frozen(layer):
    layer.trainable = False
    return layer


def stacked():
    return L.StackedRNNCells([L.GRUCell(4), L.StackedRNNCells([L.SimpleRNNCell(3), L.LSTMCell(6)])])


def with_states():
    x, h, c = keras.Input((TIME, INPUTS)), keras.Input((6,)), keras.Input((6,))
    return keras.Model([x, h, c], L.LSTM(6, return_sequences=True, return_state=True)(x, initial_state=[h, c]))


def with_mask():
    x, mask = keras.Input((TIME, INPUTS)), keras.Input((TIME,), dtype="bool")
    return keras.Model([x, mask], L.GRU(6, return_sequences=True)(x, mask=mask))


def fitted():
    model = sequential(L.LSTM(6, dropout=0.1), L.Dropout(0.3), L.Dense(2))
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.ones((8, TIME, INPUTS)), np.ones((8, 2)), verbose=0)
    return model


MODELS = {
    "simple_rnn": lambda: sequential(L.SimpleRNN(6, activation="relu", return_sequences=True)),
    "simple_rnn_no_bias": lambda: sequential(L.SimpleRNN(6, use_bias=False)),
    "lstm_3": lambda: sequential(*(L.LSTM(n, return_sequences=True) for n in (6, 4, 3))),
    "lstm_options": lambda: sequential(
        L.LSTM(6, activation="softsign", recurrent_activation="hard_sigmoid", use_bias=False, unroll=True)
    ),
    "lstm_linear": lambda: sequential(L.LSTM(6, activation=None, unit_forget_bias=False, stateful=False)),
    "lstm_activation_layer": lambda: sequential(L.LSTM(6, activation=L.LeakyReLU(0.1))),
    "gru_after": lambda: sequential(L.GRU(6, reset_after=True, return_sequences=True)),
    "gru_before": lambda: sequential(L.GRU(6, reset_after=False, recurrent_activation="hard_sigmoid")),
    "gru_after_no_bias": lambda: sequential(L.GRU(6, use_bias=False)),
    "gru_before_no_bias": lambda: sequential(L.GRU(6, use_bias=False, reset_after=False, activation="elu")),
    "backwards": lambda: sequential(L.LSTM(6, go_backwards=True, return_sequences=True), L.GRU(3, go_backwards=True)),
    "both_ways": lambda: sequential(L.Bidirectional(L.LSTM(4, return_sequences=True)), L.Bidirectional(L.GRU(3))),
    "both_ways_sum": lambda: sequential(L.Bidirectional(L.GRU(4, return_sequences=True), merge_mode="sum")),
    "both_ways_mul": lambda: sequential(L.Bidirectional(L.SimpleRNN(4), merge_mode="mul")),
    "both_ways_ave": lambda: sequential(L.Bidirectional(L.LSTM(4, return_sequences=True), merge_mode="ave")),
    "both_ways_none": lambda: functional(L.Bidirectional(L.LSTM(4, return_sequences=True), merge_mode=None)),
    "both_ways_of_two_kinds": lambda: sequential(
        L.Bidirectional(
            L.LSTM(4, return_sequences=True), backward_layer=L.GRU(3, return_sequences=True, go_backwards=True)
        )
    ),
    "both_ways_turned": lambda: sequential(
        L.Bidirectional(
            L.GRU(4, return_sequences=True, go_backwards=True),
            backward_layer=L.LSTM(4, return_sequences=True),
            merge_mode="sum",
        )
    ),
    "both_ways_of_cells": lambda: sequential(
        L.Bidirectional(L.RNN([L.GRUCell(4), L.LSTMCell(3)], return_sequences=True))
    ),
    "cell": lambda: sequential(L.RNN(L.GRUCell(4, reset_after=False), return_sequences=True)),
    "cells": lambda: sequential(L.RNN([L.LSTMCell(4), L.LSTMCell(4), L.SimpleRNNCell(3)], go_backwards=True)),
    "cells_in_cells": lambda: sequential(L.RNN(stacked(), return_sequences=True)),
    "frozen_cell": lambda: sequential(L.RNN([frozen(L.GRUCell(5)), L.GRUCell(5)])),
    "char_rnn": lambda: of_ids(
        L.Embedding(VOCABULARY, 7),
        L.LSTM(6, return_sequences=True),
        L.GRU(4, return_sequences=True),
        L.Dense(VOCABULARY),
    ),
    "embedding_masked": lambda: of_ids(
        L.Embedding(VOCABULARY, 7, mask_zero=True),
        L.Bidirectional(L.LSTM(6, return_sequences=True)),
        L.Dropout(0.2),
        L.LSTM(4),
        L.Dense(3, activation="softmax"),
    ),
    "masked": lambda: sequential(L.Masking(-1.0), L.GRU(4, return_sequences=True), L.LSTM(3, return_sequences=True)),
    "masked_functional": lambda: functional(
        lambda x: L.LSTM(3)(L.Dense(4)(L.LSTM(6, return_sequences=True)(L.Masking(-1.0)(x))))
    ),
    "masked_zero": lambda: sequential(L.Masking(-1.0), L.LSTM(4, return_sequences=True, zero_output_for_mask=True)),
    "masked_backwards": lambda: sequential(
        L.Masking(-1.0), L.GRU(4, return_sequences=True, go_backwards=True), L.LSTM(3)
    ),
    "time_distributed": lambda: sequential(
        L.TimeDistributed(L.Dense(7)),
        L.TimeDistributed(L.Activation("tanh")),
        L.LSTM(6, return_sequences=True),
        L.TimeDistributed(L.Dropout(0.1)),
        L.TimeDistributed(L.Dense(3, activation="relu", use_bias=False)),
    ),
    "activation_layers": lambda: sequential(
        L.Dense(6), L.LeakyReLU(0.15), L.Dense(5), L.ReLU(), L.GRU(4), L.Dense(4), L.ELU(0.7), L.Dense(3), L.Softmax()
    ),
    "relu_layers": lambda: sequential(
        L.Dense(6), L.ReLU(max_value=6), L.Dense(5), L.ReLU(negative_slope=0.3), L.GRU(4)
    ),
    "dropouts": lambda: sequential(
        L.SpatialDropout1D(0.2),
        L.LSTM(6, dropout=0.2, recurrent_dropout=0.3, return_sequences=True),
        L.Dropout(0.5),
        L.Bidirectional(L.GRU(3, recurrent_dropout=0.1, return_sequences=True)),
        L.RNN([L.SimpleRNNCell(4, dropout=0.3), L.LSTMCell(2)]),
    ),
    "nested": lambda: sequential(
        keras.Sequential([L.LSTM(6, return_sequences=True), L.Dense(4)]), functional_of(4), L.Dense(2)
    ),
    "nested_frozen": lambda: of_ids(
        keras.Sequential([frozen(L.Embedding(VOCABULARY, 6)), L.GRU(6, return_sequences=True), frozen(L.GRU(6))]),
        L.Dense(2),
    ),
    "nested_masked": lambda: sequential(
        L.Masking(-1.0), keras.Sequential([L.LSTM(6, return_sequences=True), L.GRU(4)]), L.Dense(2)
    ),
    "names": lambda: sequential(L.LSTM(6, name="the.layer", return_sequences=True), L.LSTM(6, name="2nd")),
    "fitted": fitted,
    "states": with_states,
    "mask": with_mask,
    "float64": lambda: sequential(L.LSTM(6, dtype="float64"), L.Dense(3, dtype="float64")),
}
# fmt: off
ACTIVATIONS = [
    "linear", "tanh", "sigmoid", "relu", "softmax", "softplus", "softsign", "exponential", "elu", "selu", "gelu",
    "swish", "mish", "silu", "hard_silu", "hard_swish", "relu6", "leaky_relu", "celu", "hard_tanh", "tanh_shrink",
    "log_sigmoid", "log_softmax", "sparse_plus", "sparse_sigmoid", "hard_shrink", "soft_shrink", "hard_sigmoid",
]
# fmt: on


def functional_of(features):
    x = keras.Input((TIME, features))
    return keras.Model(x, L.GRU(3)(x))


def randomised(model, seed=0):
    """The model with random weights and biases."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.standard_normal(w.shape).astype(w.dtype) / 2 for w in model.get_weights()])
    return model


def inputs_of(model, seed=1):
    """Random inputs, the first two rows padded with −1, or 0 for ids."""
    rng = np.random.default_rng(seed)
    ids = model.inputs[0].ndim == 2
    x = rng.integers(1, VOCABULARY, (BATCH, TIME)) if ids else rng.standard_normal((BATCH, TIME, INPUTS))
    x[0, 5:] = x[1, 2:4] = 0 if ids else -1
    rest = []
    for tensor in model.inputs[1:]:
        shape = (BATCH, *tensor.shape[1:])
        rest.append(rng.random(shape) < 0.7 if tensor.dtype == "bool" else rng.standard_normal(shape).astype("float32"))
    return [x if ids else x.astype("float32"), *rest]


def run(checkpoint, x, *rest):
    """Our outputs and states in the order of Keras's, h before c."""
    net = Net(checkpoint, "float32")
    mask = {"mask": rest[0]} if rest and rest[0].dtype == bool else {}
    state = dict(zip(net.model.states(), rest, strict=True)) if rest and not mask else None
    y, new = net(x, state=state, **mask)
    return [*(y if isinstance(y, tuple) else (y,)), *new.values()]


@pytest.mark.parametrize("name", MODELS)
def test_every_file_gives_what_keras_gives(name, tmp_path):
    model = randomised(MODELS[name]())
    x = inputs_of(model)
    expected = model.predict(x if len(x) > 1 else x[0], verbose=0)
    expected = expected if isinstance(expected, (list, tuple)) else [expected]
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "model.json").write_text(model.to_json())
    for source, config in (("model.keras", None), ("model.h5", None), ("model.weights.h5", "model.json")):
        checkpoint = convert(tmp_path / source, config=config and tmp_path / config)
        for theirs, ours in zip(expected, run(checkpoint, *x), strict=False):
            assert np.abs(theirs).max() > 1e-2
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5, err_msg=source)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_means_the_same(name, tmp_path):
    model = randomised(
        sequential(L.SimpleRNN(6, activation="tanh", return_sequences=True), L.Dense(7, activation=name))
    )
    (x,) = inputs_of(model)
    model.save(tmp_path / "model.keras")
    (y,) = run(convert(tmp_path / "model.keras"), x)[:1]
    np.testing.assert_allclose(y, model.predict(x, verbose=0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["gelu", "hard_sigmoid", "elu", "softsign", "leaky_relu", "hard_tanh", "softmax"])
def test_activations_of_cells(name, tmp_path):
    model = randomised(sequential(L.LSTM(6, activation=name, return_sequences=True), L.GRU(4, activation=name)))
    (x,) = inputs_of(model)
    model.save(tmp_path / "model.keras")
    (y,) = run(convert(tmp_path / "model.keras"), x)[:1]
    np.testing.assert_allclose(y, model.predict(x, verbose=0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("part", ["one", "two", "lstm"])
def test_heads_part_by_part(part, tmp_path):
    x = keras.Input((TIME, INPUTS))
    h = L.LSTM(6, name="lstm", return_sequences=True)(L.Dense(4, name="in")(x))
    heads = {name: L.Dense(n, name=name, activation="tanh")(h) for name, n in (("one", 2), ("two", 3))}
    model = randomised(keras.Model(x, [*heads.values(), h]))
    (given,) = inputs_of(model)
    expected = dict(zip(("one", "two", "lstm"), model.predict(given, verbose=0), strict=True))
    model.save(tmp_path / "model.keras")
    (y,) = run(convert(tmp_path / "model.keras", part=part), given)[:1]
    np.testing.assert_allclose(y, expected[part], rtol=0, atol=1e-5)


def test_a_part_after_layers_that_have_no_equal(tmp_path):
    model = randomised(sequential(L.Conv1D(4, 3, padding="same"), L.GRU(6, name="gru"), L.Dense(2)))
    (x,) = inputs_of(model)
    model.save(tmp_path / "model.keras")
    (y,) = run(convert(tmp_path / "model.keras", part="gru"), np.asarray(model.layers[0](x)))[:1]
    np.testing.assert_allclose(y, model.predict(x, verbose=0), rtol=0, atol=1e-5)


def test_keras_3_drops_a_mask_beside_initial_states(tmp_path):
    x, h = keras.Input((TIME, INPUTS)), keras.Input((6,))
    model = randomised(keras.Model([x, h], L.GRU(6)(L.Masking(0.0)(x), initial_state=h)))
    given = inputs_of(model)
    given[0][given[0] == -1] = 0
    model.save(tmp_path / "model.keras")
    checkpoint = convert(tmp_path / "model.keras")
    assert checkpoint.model.padding is None
    np.testing.assert_allclose(run(checkpoint, *given)[0], model.predict(given, verbose=0), rtol=0, atol=1e-5)


def test_bfloat16(tmp_path):
    model = randomised(sequential(L.LSTM(6, dtype="bfloat16", name="rnn", recurrent_initializer="zeros")))
    model.save(tmp_path / "model.keras")
    weights = convert(tmp_path / "model.keras").weights
    kernel = np.asarray(model.get_weights()[0]).astype("float32")
    np.testing.assert_array_equal(weights["rnn.kernel"].reshape(-1, INPUTS).T, kernel)
