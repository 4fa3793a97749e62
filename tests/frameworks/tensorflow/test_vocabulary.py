"""The whole vocabulary of operations against the reference: variants of cells, activations, noise, resets."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnspec.backends.tensorflow as backend
from rnnspec import LSTM, RNN, Dense, Dropout, Embedding, Model, Recurrent, SpecError, UnsupportedError, activations
from rnnspec.reference import Net as Reference

from .cases import (
    BATCH,
    CELLS,
    INPUTS,
    RESET,
    TIME,
    VALID,
    VARIANTS,
    assert_same,
    draw,
    layer,
    random_checkpoint,
    random_state,
)

# Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
X = draw(BATCH, TIME, INPUTS)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("name", VARIANTS)
def test_variants(name, direction):
    checkpoint = random_checkpoint(layer(VARIANTS[name], direction=direction))
    net, reference = backend.load(checkpoint, dtype="float64"), Reference(checkpoint, "float64")
    state = random_state(checkpoint.model)
    for valid in VALID.values():
        assert_same(net(X, state=state, **valid), reference(X, state=state, **valid))
    if direction == "forward":
        assert_same(net.step(X[:, 0], state), reference.step(X[:, 0], state))


@pytest.mark.parametrize("name", VARIANTS)
def test_noise_is_the_references(name):
    layers = [Dropout(name="d", rate=0.2), Recurrent(name="r", cell=VARIANTS[name], direction="bidirectional")]
    checkpoint = random_checkpoint(Model(inputs=INPUTS, layers=layers))
    reference = Reference(checkpoint, "float64", training=True, seed=2**35 + 7)
    net = backend.load(checkpoint, dtype="float64", seed=2**35 + 7)
    for valid in ("all", "reset_and_mask"):  # two calls draw differently
        assert_same(net(X, training=True, **VALID[valid]), reference(X, **VALID[valid]))
    assert_same(net(X), Reference(checkpoint, "float64")(X))


def test_noise_in_a_graph_goes_on(classifier):
    net, reference = backend.load(classifier, seed=-5), Reference(classifier, training=True, seed=-5)
    graph = tf.function(lambda x: net(x, training=True)[0])
    for _ in range(3):
        np.testing.assert_allclose(graph(tf.constant(X, tf.float32)), reference(X)[0], rtol=0, atol=1e-5)


def test_noise_without_a_seed():
    model = Model(inputs=100, layers=[Dropout(name="a", rate=0.25), Dropout(name="b", rate=0.0)])
    net = backend.load(random_checkpoint(model))
    x = np.ones((20, 30, 100), "float32")
    once, twice = (np.asarray(net(x, training=True)[0]) for _ in range(2))
    assert set(np.unique(once)) == {0, np.float32(1 / 0.75)}
    assert abs((once == 0).mean() - 0.25) < 0.01
    assert abs((once == twice).mean() - 0.625) < 0.01


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("name", ["dropout", "gal", "zoneout", "nested", "around"])
def test_gradients_see_the_noise_of_the_forward_run(name, seed):
    """By differences: a step that drew anew when its gradient is asked for would be far off."""
    net = backend.load(random_checkpoint(layer(VARIANTS[name])), dtype="float64", seed=seed)
    given = {"x": tf.constant(X), ".seed": tf.constant([3, 4], tf.int64)}

    def loss(weights):
        y, state = net.program.sequence(weights, given)
        return sum(tf.reduce_sum(tf.sin(3 * value)) for value in (y, *state.values()))

    weights = net.tensors()
    with tf.GradientTape() as tape:
        tape.watch(weights)
        value = loss(weights)
    gradients = tape.gradient(value, weights)
    towards = {key: tf.constant(draw(*w.shape, 2)[..., 0]) for key, w in weights.items()}
    up, down = (loss({key: w + e * towards[key] for key, w in weights.items()}) for e in (1e-6, -1e-6))
    slope = sum(tf.reduce_sum(gradients[key] * towards[key]) for key in weights)
    np.testing.assert_allclose(slope, (up - down) / 2e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ["lstm", "char_rnn", "zoneout", "nested"])
@pytest.mark.parametrize("direction", ["backward", "bidirectional"])
def test_learned_states_and_resets_have_gradients(name, direction):
    """The loop against the same loop without it: each row cut into its sequences by hand."""
    cell = (CELLS | VARIANTS)[name]
    checkpoint = random_checkpoint(layer(cell, direction=direction, learned_state=True))
    net, reference = backend.load(checkpoint, dtype="float64"), Reference(checkpoint, "float64")
    for valid in VALID.values():
        assert_same(net(X, **valid), reference(X, **valid))
    reset = np.zeros((BATCH, TIME), bool)
    reset[:, 2] = True

    def gradients(run):
        weights, x = net.tensors(), tf.constant(X)
        with tf.GradientTape() as tape:
            tape.watch([x, weights])
            loss = sum(tf.reduce_sum(tf.sin(3 * y)) for y in run(weights, x))
        return tf.nest.flatten(tape.gradient(loss, (x, weights)))

    whole = gradients(lambda w, x: [net.program.sequence(w, {"x": x, "reset": tf.constant(reset)})[0]])
    cut = gradients(lambda w, x: [net.program.sequence(w, {"x": part})[0] for part in (x[:, :2], x[:, 2:])])
    for one, other in zip(whole, cut, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)
    assert all(np.abs(g).max() > 0 for g in whole)


@pytest.mark.parametrize(
    "options",
    [
        {"merge": "none"},
        {"merge": "none", "return_sequences": False},
        {"merge": "none", "reverse_output": True, "padded_output": "hold"},
        {"merge": "mul", "padded_output": "hold"},
        {"merge": "ave", "return_sequences": False},
        {"merge": "sum", "reverse_output": True},
    ],
)
@pytest.mark.parametrize("path", ["generic", "auto"])
def test_what_becomes_of_the_outputs(options, path):
    checkpoint = random_checkpoint(layer(LSTM(units=5), direction="bidirectional", **options))
    for time_major in (False, True):
        net = backend.load(checkpoint, dtype="float64", path=path, time_major=time_major)
        reference = Reference(checkpoint, "float64", time_major=time_major)
        x = X.swapaxes(0, 1) if time_major else X
        for valid in VALID.values():
            assert_same(net(x, **valid), reference(x, **valid))


def test_two_outputs_as_a_saved_model(tmp_path):
    cell = VARIANTS["nested"]
    checkpoint = random_checkpoint(layer(cell, direction="bidirectional", merge="none", learned_state=True))
    backend.load(checkpoint, dtype="float64").export(tmp_path / "saved")
    loaded = tf.saved_model.load(tmp_path / "saved")
    found = loaded.serve(X)
    y, state = Reference(checkpoint, "float64")(X)
    assert_same(((found.pop("y.forward"), found.pop("y.backward")), found), (y, state))


FUNCTIONS = [
    activations.HardSigmoid(alpha=0.2, beta=0.5),
    activations.LeakyRelu(alpha=0.1),
    activations.Celu(alpha=1.5),
    activations.ScaledTanh(alpha=1.7159, beta=2 / 3),
    activations.ThresholdedRelu(alpha=0.5),
    activations.HardShrink(alpha=0.5),
    activations.SoftShrink(alpha=0.5),
]


@pytest.mark.parametrize("activation", [*activations.Name.__args__, *FUNCTIONS], ids=str)
def test_activations(activation):
    layers = [Dense(name="d", units=5, activation=activation)]
    checkpoint = random_checkpoint(Model(inputs=INPUTS, layers=layers))
    assert_same(backend.load(checkpoint, dtype="float64")(X * 3), Reference(checkpoint, "float64")(X * 3))


def test_resets_are_an_input(classifier):
    net = backend.load(classifier, return_state=False)
    expected = net(X, reset=RESET)
    np.testing.assert_array_equal(net({"x": X, "reset": RESET}), expected)
    net.compile("sgd", "mse")
    net.fit({"x": X, "reset": RESET}, expected, verbose=0)
    for wrong, message in ((RESET[:2], "reset: expected shape"), (RESET * 1, "reset: expected booleans")):
        with pytest.raises(SpecError, match=message):
            net(X, reset=wrong)
    with pytest.raises(SpecError, match="holds lengths, mask, reset"):
        net({"x": X}, reset=RESET)


def test_a_seed_is_kept(tmp_path):
    net = backend.load(random_checkpoint(layer(VARIANTS["zoneout"])), seed=3, return_state=False)
    net.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(X, training=True), net(X, training=True))


def test_paths_of_cells_inside_cells():
    fused = {"r": "fused: a loop with a gradient of its own"}
    nested = random_checkpoint(layer(VARIANTS["nested"]))
    for cell in (VARIANTS["nested"], VARIANTS["torch"], VARIANTS["coupled"]):
        assert backend.load(random_checkpoint(layer(cell))).paths() == fused
    with pytest.raises(UnsupportedError, match="none for Zoneout; use path='auto'"):
        backend.load(nested, path="native")
    with pytest.raises(UnsupportedError, match="none for an RNN with gelu"):
        backend.load(random_checkpoint(layer(RNN(units=5, activation="gelu"))), path="native")


def test_last_output_then_noise():
    """Dropout on (batch, features), and on embeddings."""
    layers = [
        Embedding(name="e", vocabulary=7, units=INPUTS),
        Dropout(name="a", rate=0.4),
        Recurrent(name="r", cell=RNN(units=5), return_sequences=False),
        Dropout(name="b", rate=0.4),
    ]
    checkpoint = random_checkpoint(Model(layers=layers))
    ids = np.arange(BATCH * TIME).reshape(BATCH, TIME) % 7
    net = backend.load(checkpoint, dtype="float64", seed=1)
    assert_same(net(ids, training=True), Reference(checkpoint, "float64", training=True, seed=1)(ids))
