"""What people do with a model of Keras's own, done with ours."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnspec.backends.tensorflow as backend
from rnnspec import GRU, LSTM, Convolution, Dense, Dropout, Embedding, Input, Model, Recurrent, Summary
from rnnspec.errors import SpecError

from ...conftest import random_checkpoint

# Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "ignore:You are saving")
RNG = np.random.default_rng(3)
X = RNG.standard_normal((8, 6, 3)).astype("float32")
LENGTHS = np.array([6, 4, 1, 2, 3, 6, 6, 5])
MODEL = Model(
    inputs=3,
    layers=[Recurrent(name="rnn", cell=LSTM(units=5)), Dropout(name="drop", rate=0.1), Dense(name="out", units=2)],
)
IDS = Model(
    layers=[Embedding(name="emb", vocabulary=9, units=4), Recurrent(name="rnn", cell=GRU(units=2, reset_after=True))]
)


def _net(model=MODEL, **options):
    return backend.load(random_checkpoint(model, 1), **{"return_state": False} | options)


def test_layers_are_listed_with_what_they_give_and_hold():
    net, lines = _net(), []
    net.summary(print_fn=lambda text, **_: lines.append(text))
    for row in (
        ("rnn (LSTM)", "(None, None, 5)", "180"),
        ("drop (Dropout)", "(None, None, 5)", "0"),
        ("out (Dense)", "(None, None, 2)", "12"),
    ):
        assert any(all(part in line for part in row) for line in "".join(lines).splitlines()), row
    assert [layer.name for layer in net.layers] == ["rnn", "drop", "out"]
    assert [w.shape for w in net.get_layer("out").weights] == [(2, 5), (2,)]
    assert net.count_params() == sum(layer.count_params() for layer in net.layers) == 192


def test_a_layer_is_frozen_and_stays_so_in_a_file(tmp_path):
    net = _net()
    net.get_layer("rnn").trainable = False
    net.compile("sgd", "mse")
    before = {name: value.numpy() for name, value in net.tensors().items()}
    y = net(X).numpy()
    net.fit(X, np.zeros((8, 6, 2), "float32"), verbose=0)
    after = {name: value.numpy() for name, value in net.tensors().items()}
    changed = {name for name in before if (before[name] != after[name]).any()}
    assert changed == {"out.kernel", "out.bias"}
    assert np.abs(net(X).numpy() - y).max() > 1e-3
    net.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert [w.name for w in again.trainable_weights] == ["out.kernel", "out.bias"]


def test_hdf5_files_come_back(tmp_path):
    net = _net()
    net.save(tmp_path / "m.h5")
    again = keras.saving.load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(again(X, lengths=LENGTHS), net(X, lengths=LENGTHS))


def test_shapes_are_known_before_any_call():
    net = _net()
    assert net.compute_output_shape((None, 6, 3)) == (None, 6, 2)
    assert _net(time_major=True).compute_output_shape((6, 4, 3)) == (6, 4, 2)
    y, states = _net(return_state=True).compute_output_shape({"x": (4, 6, 3), "lengths": (4,)})
    assert (y, states) == ((4, 6, 2), {"rnn.h": (4, 5), "rnn.c": (4, 5)})
    graph = Model(
        inputs={"a": 3, "b": Input(features=2, sequence=False)},
        layers=[
            Convolution(name="conv", of="a", units=4, width=3, padding="valid", stride=2),
            Summary(name="mean", of="conv", how="mean"),
            Dense(name="bias", of="b", units=4),
        ],
        outputs=["conv", "mean", "bias"],
    )
    shapes = _net(graph).compute_output_shape({"a": (5, 9, 3), "b": (5, 2)})
    assert shapes == {"conv": (5, None, 4), "mean": (5, 4), "bias": (5, 4)}
    both = Recurrent(name="r", cell=LSTM(units=2), backward_cell=LSTM(units=4), direction="bidirectional", merge="none")
    assert _net(Model(inputs=3, layers=[both])).compute_output_shape((4, 6, 3)) == ((4, 6, 2), (4, 6, 4))
    each = keras.layers.TimeDistributed(net)
    found = keras.Model(inputs := keras.Input((4, 6, 3)), each(inputs))(np.stack([X] * 4, 1))
    np.testing.assert_allclose(found[:, 2], net(X), atol=1e-6)


def test_half_precision_of_a_model_around_it_is_widened():
    net = _net()
    half = tf.cast(X, tf.float16)
    np.testing.assert_array_equal(net(half), net(tf.cast(half, tf.float32)))
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        inputs = keras.Input((None, 7))
        model = keras.Model(inputs, net(keras.layers.Dense(3)(inputs)))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert model(np.ones((2, 4, 7), "float32")).dtype == tf.float32
    with pytest.raises(SpecError, match="expected float32, found float64"):
        net(tf.cast(X, tf.float64))


def test_states_have_no_loss():
    with pytest.raises(SpecError, match=r"compile: .* return_state=False"):
        _net(return_state=True).compile("adam", "mse")


def test_replicas_train_as_one_does():
    devices = [f"CPU:{k}" for k in range(len(tf.config.list_logical_devices("CPU")))]
    for model, given, y in (
        (MODEL, {"x": X, "lengths": LENGTHS}, np.ones((8, 6, 2), "float32")),
        (IDS, RNG.integers(0, 9, (8, 6)), np.ones((8, 6, 2), "float32")),
    ):
        found = []
        for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(devices)):
            with strategy.scope():
                net = _net(model, path="generic")
            net.compile("sgd", "mse")
            if model is MODEL:
                net.get_layer("drop")
            net.fit(given, y, batch_size=8, verbose=0)
            found.append(net.tensors())
        for name, value in found[0].items():
            if model is IDS:  # without dropout both draw nothing
                np.testing.assert_allclose(found[1][name], value, atol=1e-5)
            assert np.isfinite(found[1][name]).all()
