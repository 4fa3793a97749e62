"""The network as the Keras model that it is."""

import keras
import numpy as np
import pytest

import rnnspec.backends.tensorflow as backend
from rnnspec import SpecError
from rnnspec.reference import Net as Reference

from .cases import BATCH, INPUTS, TIME, draw

# Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_fit_then_checkpoint(classifier):
    net = backend.load(classifier, return_state=False)
    x, lengths = draw(16, TIME, INPUTS), np.arange(16) % (TIME + 1)
    y = np.cumsum(x, 1)[..., :2]
    net.compile(keras.optimizers.Adam(0.02), "mse")
    losses = net.fit(x, y, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    with_lengths = net.fit({"x": x, "lengths": lengths}, y, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(with_lengths).all()
    trained = backend.checkpoint(net)
    assert trained.metadata == {"note": "x"}
    assert all((trained.weights[name] != value).any() for name, value in classifier.weights.items())
    reference = Reference(trained, "float64")
    np.testing.assert_allclose(net(x, lengths=lengths), reference(x, lengths=lengths)[0], rtol=0, atol=1e-5)


def test_padded_steps_do_not_count_in_a_loss(classifier):
    net = backend.load(classifier, return_state=False)
    net.compile(loss="mse")
    x, y = draw(BATCH, TIME, INPUTS), draw(BATCH, TIME, 2)
    lengths = np.array([TIME, 2, 0, 1])
    other = np.where(np.arange(TIME)[:, None] < lengths[:, None, None], y, 99.0)
    given = {"x": x, "lengths": lengths}
    assert net.evaluate(given, y, verbose=0) == pytest.approx(net.evaluate(given, other, verbose=0))


def test_save_and_load_model(classifier, tmp_path):
    net = backend.load(classifier, dtype="float64", return_state=False, time_major=True)
    net.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    x = draw(TIME, BATCH, INPUTS)
    np.testing.assert_array_equal(again(x), net(x))
    assert again.get_config() == net.get_config()
    assert backend.checkpoint(again).metadata == {"note": "x"}


def test_variables_have_the_names_of_the_specification(classifier, net):
    assert [v.name for v in net.trainable_variables] == list(classifier.model.parameters())
    assert [tuple(v.shape) for v in net.trainable_variables] == list(classifier.model.parameters().values())


def test_all_networks_share_the_names_of_their_variables(classifier):
    """TensorFlow keeps what it made for a name: with names of their own, each network would leave half a megabyte."""
    one, two = ([v.value.name for v in backend.load(classifier).variables] for _ in range(2))
    assert one == two
    assert len(set(one)) == len(classifier.weights) + 1  # and the state of the random generator


def test_dropout_only_in_training(net):
    x = draw(BATCH, TIME, INPUTS)
    np.testing.assert_array_equal(net(x)[0], net(x, training=False)[0])
    once, twice = (np.asarray(net(x, training=True)[0]) for _ in range(2))
    assert (once != twice).any()


def test_masks_of_keras_layers(classifier):
    net = backend.load(classifier, return_state=False)
    inputs = keras.Input((None, INPUTS))
    masked = keras.layers.Masking()(inputs)
    functional = keras.Model(inputs, net(masked))
    x = draw(BATCH, TIME, INPUTS)
    x[1, 2:] = 0
    expected = net(x, lengths=[TIME, 2, TIME, TIME])
    np.testing.assert_allclose(functional(x), expected, rtol=0, atol=1e-6)
    with pytest.raises(SpecError, match="attached by a Keras layer"):
        net(keras.layers.Masking()(x.astype("float32")), lengths=[TIME] * BATCH)
