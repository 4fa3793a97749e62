"""The TensorFlow backend against the reference, and as the Keras model that it is."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnspec.backends.tensorflow as backend
from rnnspec import (
    GRU,
    LSTM,
    RNN,
    Checkpoint,
    Dense,
    Dropout,
    Embedding,
    Model,
    Recurrent,
    SpecError,
    Stack,
    UnsupportedError,
)
from rnnspec.reference import Net as Reference

# Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

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


@pytest.fixture(scope="module")
def classifier() -> Checkpoint:
    """Forward only, so it has a step; float32."""
    layers = [
        Recurrent(name="r", cell=LSTM(units=5)),
        Dropout(name="drop", rate=0.4),
        Recurrent(name="s", cell=GRU(units=4, reset_after=True)),
        Dense(name="logits", units=2),
    ]
    return Checkpoint.initialize(Model(inputs=INPUTS, layers=layers), seed=1, metadata={"note": "x"})


@pytest.fixture(scope="module")
def net(classifier):
    return backend.load(classifier, dtype="float64")


@pytest.fixture(scope="module")
def last(classifier):
    """A net for errors: its inputs are (batch, time, 3)."""
    return backend.load(random_checkpoint(layer(RNN(units=2))), dtype="float64")


# The same numbers


@pytest.mark.parametrize("valid", ["all", "mask"])
@pytest.mark.parametrize("name", CELLS)
def test_all_paths_are_the_reference_and_have_the_same_gradients(name, valid):
    checkpoint = random_checkpoint(layer(CELLS[name], direction="backward" if valid == "all" else "forward"))
    state = random_state(checkpoint.model)
    expected = Reference(checkpoint, "float64")(draw(BATCH, TIME, INPUTS), state=state, **VALID[valid])
    found = [trained(backend.load(checkpoint, dtype="float64", path=path), valid) for path in backend.PATHS]
    for result, _ in found:
        assert_same(result, expected)
    for one, *others in zip(*(gradients for _, gradients in found), strict=True):
        for other in others:
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


def trained(net, valid: str):
    """Results, and gradients for x, initial states and weights of a loss over outputs and final states."""
    state = random_state(net.model)
    inputs = [tf.constant(value) for value in (draw(BATCH, TIME, INPUTS), *state.values())]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y, final = net(inputs[0], state=dict(zip(state, inputs[1:], strict=True)), **VALID[valid])
        loss = sum(tf.reduce_sum(tf.sin(3 * value)) for value in (y, *final.values()))
    return (y, final), [np.asarray(g) for g in tape.gradient(loss, [*inputs, *(v.value for v in net.weights)])]


@pytest.mark.parametrize("path", backend.PATHS)
@pytest.mark.parametrize("name", CELLS)
def test_last_outputs_of_both_directions(name, path):
    checkpoint = random_checkpoint(layer(CELLS[name], direction="bidirectional", return_sequences=False))
    net, reference = backend.load(checkpoint, dtype="float64", path=path), Reference(checkpoint, "float64")
    x = draw(BATCH, TIME, INPUTS)
    assert_same(net(x, **VALID["lengths"]), reference(x, **VALID["lengths"]))


@pytest.mark.parametrize("path", backend.PATHS)
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("direction", ["forward", "backward", "bidirectional"])
def test_unrolling_does_not_depend_on_the_cell(direction, sequences, path):
    checkpoint = random_checkpoint(layer(CELLS["rnn"], direction=direction, return_sequences=sequences))
    net, reference = backend.load(checkpoint, dtype="float64", path=path), Reference(checkpoint, "float64")
    x, state = draw(BATCH, TIME, INPUTS), random_state(checkpoint.model)
    assert_same(net(x), reference(x))
    for valid in VALID.values():
        assert_same(net(x, state=state, **valid), reference(x, state=state, **valid))


class Foreign(GRU, tag="foreign_gru"):
    """A cell that the backend does not know: a GRU by another name."""


@pytest.mark.parametrize("valid", ["all", "mask"])
@pytest.mark.parametrize("reset_after", [True, False])
def test_any_cell(reset_after, valid):
    cell = Foreign(units=5, reset_after=reset_after)
    checkpoint = random_checkpoint(layer(cell, direction="backward"))
    net = backend.load(checkpoint, dtype="float64")
    assert net.paths() == {"r": "generic: there is none for Foreign"}
    x, state = draw(BATCH, TIME, INPUTS), random_state(net.model)
    assert_same(net(x, state=state, **VALID[valid]), Reference(checkpoint, "float64")(x, state=state, **VALID[valid]))
    known = Checkpoint(layer(GRU(units=5, reset_after=reset_after), direction="backward"), checkpoint.weights)
    both = trained(net, valid), trained(backend.load(known, dtype="float64"), valid)
    for one, other in zip(*(gradients for _, gradients in both), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)
    with pytest.raises(UnsupportedError, match="layer 'r': no native path: Keras has no Foreign; use path='auto'"):
        backend.load(checkpoint, path="native")
    with pytest.raises(UnsupportedError, match="layer 'r': no fused loop: there is none for Foreign; use path='auto'"):
        backend.load(checkpoint, path="fused")


def test_many_units():
    """They lie features first in the loop."""
    checkpoint = random_checkpoint(layer(Stack(cells=(LSTM(units=256), GRU(units=257, reset_after=True)))))
    checkpoint = Checkpoint(checkpoint.model, {name: w / 10 for name, w in checkpoint.weights.items()})
    nets = [backend.load(checkpoint, dtype="float64", path=path) for path in backend.PATHS]
    for one, *others in zip(*(trained(net, "mask")[1] for net in nets), strict=True):
        for other in others:
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("path", backend.PATHS)
@pytest.mark.parametrize("shape", [(BATCH, 0, INPUTS), (0, TIME, INPUTS)])
def test_nothing_to_do(path, shape):
    checkpoint = random_checkpoint(layer(LSTM(units=5), direction="bidirectional"))
    found = backend.load(checkpoint, dtype="float64", path=path)(np.zeros(shape))
    assert_same(found, Reference(checkpoint, "float64")(np.zeros(shape)))


def test_whole_is_chunks_is_steps(net):
    x = draw(BATCH, TIME, INPUTS)
    whole = net(x)
    first, state = net(x[:, :2])
    second, state = net(x[:, 2:], state=state)
    assert_same((np.concatenate([first, second], 1), state), whole)
    ys, state = [], None
    for t in range(TIME):
        y, state = net.step(x[:, t], state)
        ys.append(y)
    assert_same((np.stack(ys, 1), state), whole)


def test_lists_and_tensors_and_arrays(net):
    x = draw(BATCH, TIME, INPUTS)
    expected = net(x)
    assert_same(net(x.tolist(), lengths=[TIME] * BATCH), expected)
    assert_same(net(tf.constant(x), mask=tf.ones((BATCH, TIME), tf.bool)), expected)
    assert_same(net({"x": x, "lengths": np.full(BATCH, TIME)} | {k: v * 0 for k, v in expected[1].items()}), expected)


def test_time_major(classifier, net):
    x = draw(BATCH, TIME, INPUTS)
    y, state = net(x, **VALID["lengths"])
    turned = backend.load(classifier, dtype="float64", time_major=True)
    assert_same(turned(x.swapaxes(0, 1), **VALID["lengths"]), (np.asarray(y).swapaxes(0, 1), state))
    assert_same(turned.step(x[:, 0]), net.step(x[:, 0]))


def test_inside_a_graph(net):
    x, lengths = draw(BATCH, TIME, INPUTS), np.array([TIME, 2, 0, 1])
    graph = tf.function(
        lambda x, lengths: net(x, lengths=lengths),
        input_signature=[tf.TensorSpec([None, None, INPUTS], tf.float64), tf.TensorSpec([None], tf.int64)],
    )
    assert_same(graph(x, lengths), net(x, lengths=lengths))
    step = tf.function(lambda x, state: net.step(x, state))
    state = net(x)[1]
    assert_same(step(tf.constant(x[:, 0]), state), net.step(x[:, 0], state))
    for wrong in ([TIME + 1, 0, 0, 0], [-1, 0, 0, 0], [1]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="lengths"):
            graph(x, np.array(wrong))


def test_one_trace_for_all_sizes(net):
    first, second = (net(draw(2, 3, INPUTS)) for _ in range(2))  # without a graph, and with one
    assert_same(first, second)
    traced = len(net.program._graphs)
    assert traced
    net(draw(1, 5, INPUTS))
    net(draw(3, 1, INPUTS))
    assert len(net.program._graphs) == traced


def test_a_shape_known_too_late_does_not_broadcast(last):
    free = [tf.TensorSpec([None, None, INPUTS], tf.float64), tf.TensorSpec([None, 2], tf.float64)]
    graph = tf.function(lambda x, h: last(x, state={"r.h": h}), input_signature=free)
    graph(X, np.zeros((2, 2)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not fit"):
        graph(X, np.zeros((1, 2)))


def test_paths(classifier):
    assert backend.load(classifier, path="native").paths() == {
        "r": "native: keras.layers.LSTM",
        "s": "native: keras.layers.GRU",
    }
    assert backend.load(classifier, path="fused").paths()["r"] == "fused: a loop with a gradient of its own"
    assert backend.load(classifier, path="generic").paths()["r"] == "generic: asked for"


# A Keras model


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


# A SavedModel


READER = """
import sys
import numpy as np
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
given = dict(np.load(sys.argv[2]))
found = {}
for i in "01":
    x, lengths = given["x" + i], given["lengths" + i]
    state = {name[:-1]: value for name, value in given.items() if "." in name and name.endswith(i)}
    results = {"serve": loaded.serve(x), "sequence": loaded.sequence(x, lengths, state)}
    results["step"] = loaded.step(x[:, 0], state)
    found |= {f"{way} {name}{i}": value for way, result in results.items() for name, value in result.items()}
for wrong in (lengths + 99, lengths - 99):
    try:
        loaded.sequence(x, wrong, state)
        sys.exit("a wrong length passed")
    except tf.errors.InvalidArgumentError:
        pass
assert set(loaded.signatures) == {"serving_default", "sequence", "step"}
assert "rnnspec" not in sys.modules
np.savez(sys.argv[3], **found)
"""


def test_saved_model(classifier, tmp_path):
    backend.load(classifier).export(tmp_path / "saved")
    reference = Reference(classifier, "float64")
    given, expected = {}, {}
    for i, (batch, time) in enumerate([(2, 3), (5, 7)]):
        x, lengths = draw(batch, time, INPUTS).astype("float32"), np.arange(batch, dtype="int32") % (time + 1)
        state = {name: value.astype("float32") for name, value in random_state(classifier.model, batch).items()}
        given |= {f"x{i}": x, f"lengths{i}": lengths} | {f"{name}{i}": value for name, value in state.items()}
        for way, (y, new) in {
            "serve": reference(x),
            "sequence": reference(x, lengths=lengths, state=state),
            "step": reference.step(x[:, 0], state),
        }.items():
            expected |= {f"{way} {name}{i}": value for name, value in {"y": y, **new}.items()}
    np.savez(tmp_path / "in.npz", **given)
    command = [sys.executable, "-c", READER, tmp_path / "saved", tmp_path / "in.npz", tmp_path / "out.npz"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found = dict(np.load(tmp_path / "out.npz"))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5, err_msg=name)


def test_saved_model_of_ids(tmp_path):
    layers = [
        Embedding(name="e", vocabulary=5, units=3),
        Recurrent(name="r", cell=RNN(units=2), direction="backward"),
    ]
    checkpoint = random_checkpoint(Model(layers=layers))
    net = backend.load(checkpoint, dtype="float64")
    ids = np.array([[0, 4, 2], [1, 1, 3]])
    assert_same(net(ids), Reference(checkpoint, "float64")(ids))
    net.export(tmp_path / "saved")
    loaded = tf.saved_model.load(tmp_path / "saved")
    assert not hasattr(loaded, "step")
    np.testing.assert_array_equal(loaded.serve(ids)["y"], net(ids)[0])
    for wrong in (5, -1):
        with pytest.raises(tf.errors.InvalidArgumentError, match="expected 0 to 4"):
            loaded.serve(np.array([[wrong]]))
        with pytest.raises(SpecError, match=f"found {wrong}, expected 0 to 4"):
            net([[wrong]])
    with pytest.raises(UnsupportedError, match="it has no step"):
        net.step([0])


def test_export_to_another_format_is_refused(net, tmp_path):
    with pytest.raises(UnsupportedError, match="tf_saved_model"):
        net.export(tmp_path / "m.onnx", format="onnx")


# Wrong inputs

X = np.zeros((2, 3, INPUTS))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": X[0]}, "x: expected shape"),
        ({"x": X[..., :2]}, "3 features"),
        ({"x": [[["a"]]]}, "x: expected numbers"),
        ({"x": tf.zeros((2, 3, INPUTS))}, "x: expected float64, found float32"),
        ({"x": tf.RaggedTensor.from_tensor(tf.constant(X))}, "x: expected a dense tensor"),
        ({"x": X, "lengths": [3]}, "lengths: expected shape"),
        ({"x": X, "lengths": [3, 4]}, "row 1 is 4, beyond the 3 steps"),
        ({"x": X, "lengths": [-1, 3]}, "row 0 is -1"),
        ({"x": X, "lengths": [1.0, 2.0]}, "lengths: expected integers"),
        ({"x": X, "mask": np.ones((2, 3))}, "mask: expected booleans"),
        ({"x": X, "mask": np.ones((3, 2), bool)}, "mask: expected shape"),
        ({"x": X, "mask": np.ones((2, 3), bool), "lengths": [1, 1]}, "mask: given together"),
        ({"x": X, "state": {"r.h": np.zeros((1, 2))}}, "state: 'r.h': expected shape"),
        ({"x": X, "state": {"h": np.zeros((2, 2))}}, "state: unknown 'h'"),
        ({"x": X, "state": {}}, "state: 'r.h' is missing"),
        ({"x": X, "state": np.zeros((2, 2))}, "state: expected a mapping"),
        ({"x": {"x": X, "length": [1, 1]}}, "unknown key 'length'"),
        ({"x": {"lengths": [1, 1]}}, "no key 'x'"),
        ({"x": {"x": X}, "lengths": [1, 1]}, "a mapping holds lengths"),
    ],
)
def test_wrong_inputs_are_refused(last, arguments, message):
    with pytest.raises(SpecError, match=message):
        last(**arguments)


@pytest.mark.parametrize("options", [{"path": "fast"}, {"dtype": "float16"}])
def test_wrong_options_are_refused(classifier, options):
    with pytest.raises(SpecError, match=next(iter(options))):
        backend.load(classifier, **options)


def test_keras_on_another_framework_is_refused():
    code = "import keras; keras.backend.backend = lambda: 'jax'; import rnnspec.backends.tensorflow"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "set KERAS_BACKEND=tensorflow" in result.stderr.splitlines()[-1]
