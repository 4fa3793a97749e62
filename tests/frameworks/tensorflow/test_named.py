"""What is Keras's and TensorFlow's own, with several inputs and outputs: fit, masks, saved models."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnspec.backends.tensorflow as backend
from rnnspec import (
    GRU,
    LSTM,
    Attention,
    Checkpoint,
    Convolution,
    Dense,
    Embedding,
    Input,
    Merge,
    Model,
    Norm,
    Recurrent,
    Repeat,
    SpecError,
    Summary,
    UnsupportedError,
)
from rnnspec.reference import Net as Reference

from .cases import TIME, draw

# Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
ROWS = 8
TAGGER = Model(
    inputs={"audio": 3, "speaker": Input(sequence=False)},
    layers=[
        Norm(name="norm", of="audio", kind="batch", epsilon=1e-3),
        Recurrent(name="encoder", cell=LSTM(units=5)),
        Embedding(name="voice", of="speaker", vocabulary=4, units=6),
        Repeat(name="voices", of=["voice", "encoder"]),
        Merge(name="both", of=["encoder", "voices"], how="concat"),
        Dense(name="logits", units=2),
        Summary(name="top", of="both", how="mean"),
        Dense(name="tags", units=3, activation="softmax"),
    ],
    outputs=["tags", "logits"],
)
TRANSLATOR = Model(
    inputs={"source": Input(), "target": 3},
    layers=[
        Embedding(name="words", of="source", vocabulary=5, units=4),
        Recurrent(name="encoder", cell=GRU(units=4, reset_after=True), direction="bidirectional"),
        Merge(name="end", of=["encoder.forward.h", "encoder.backward.h"], how="add"),
        Dense(name="wide", units=8),
        Recurrent(name="decoder", of="target", cell=GRU(units=8, reset_after=False), start={"h": "wide"}),
        Attention(name="look", of=["decoder", "encoder"], score="dot"),
    ],
)
AUDIO, SPEAKER = draw(ROWS, TIME, 3), np.arange(ROWS) % 4
LENGTHS = np.arange(ROWS) % (TIME + 1)
LOGITS, TAGS = np.cumsum(AUDIO, 1)[..., :2], np.eye(3)[SPEAKER % 3]


@pytest.fixture(scope="module")
def tagger() -> Checkpoint:
    return Checkpoint.initialize(TAGGER, seed=1)


def test_fit_by_names(tagger):
    net = backend.load(tagger, return_state=False)
    losses = {"logits": "mse", "tags": "categorical_crossentropy"}
    net.compile(keras.optimizers.Adam(0.05), losses, metrics={"tags": ["accuracy"]})
    given = {"audio": AUDIO, "audio.lengths": LENGTHS, "speaker": SPEAKER}
    history = net.fit(given, {"logits": LOGITS, "tags": TAGS}, epochs=12, batch_size=4, verbose=0).history
    for name in ("loss", "logits_loss", "tags_loss"):
        assert history[name][-1] < history[name][0]
    trained = backend.checkpoint(net)
    for name, value in tagger.weights.items():
        assert (trained.weights[name] != value).any() == (name not in TAGGER.fixed)
    expected, _ = Reference(trained, "float64")({"audio": AUDIO, "speaker": SPEAKER}, lengths={"audio": LENGTHS})
    found = net({"audio": AUDIO, "speaker": SPEAKER}, lengths={"audio": LENGTHS})
    also = net.predict(given, verbose=0)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5)
        np.testing.assert_allclose(also[name], value, rtol=0, atol=1e-5)


def test_statistics_are_not_trained(tagger):
    net = backend.load(tagger, dtype="float64")
    assert [v.name for v in net.non_trainable_weights] == ["norm.mean", "norm.variance"]
    assert {name: tuple(t.shape) for name, t in net.tensors().items()} == TAGGER.parameters()
    y, _ = net({"audio": AUDIO, "speaker": SPEAKER})
    _, gradients = backend.vjp(net, {"tags": np.ones(y["tags"].shape)}, {"audio": AUDIO, "speaker": SPEAKER})
    assert gradients.keys() == TAGGER.parameters().keys() - TAGGER.fixed | {"audio"}


def test_padded_steps_do_not_count_in_a_loss(tagger):
    net = backend.load(tagger, return_state=False)
    net.compile(loss={"logits": "mse", "tags": "mse"})
    other = np.where(np.arange(TIME)[:, None] < LENGTHS[:, None, None], LOGITS, 99.0)
    given = {"audio": AUDIO, "audio.lengths": LENGTHS, "speaker": SPEAKER}
    one, two = (net.evaluate(given, {"logits": y, "tags": TAGS}, verbose=0) for y in (LOGITS, other))
    assert one == pytest.approx(two)


def test_masks_of_outputs():
    """Of windows, of a reversed sequence, of a vector; in the order of the axes."""
    layers = [
        Convolution(name="half", of="x", units=2, width=3, stride=2, padding="valid"),
        Recurrent(name="back", of="x", cell=GRU(units=2, reset_after=True), direction="backward", reverse_output=True),
        Dense(name="dense", units=2),
        Recurrent(name="pair", of="x", cell=GRU(units=2, reset_after=True), direction="bidirectional", merge="none"),
        Summary(name="top", of="x", how="max"),
    ]
    model = Model(inputs={"x": Input(features=3, padding=0.0)}, layers=layers, outputs=["half", "dense", "pair", "top"])
    mask = np.array([[1, 1, 1, 1, 1, 0, 0], [0, 1, 1, 1, 0, 1, 1]], bool)
    x = np.ones((2, 7, 3)) * mask[..., None]
    expected = {"half": [[1, 1, 0], [0, 0, 0]], "dense": mask[:, ::-1], "forward": mask, "backward": mask}
    for time_major in (False, True):
        net = backend.load(Checkpoint.initialize(model, seed=1), time_major=time_major)
        y, _ = net({"x": x.swapaxes(0, 1) if time_major else x})
        masks = keras.tree.map_structure(lambda value: getattr(value, "_keras_mask", None), y)
        assert masks["top"] is None
        masks |= {"forward": masks["pair"][0], "backward": masks["pair"][1]}
        for name, other in expected.items():
            np.testing.assert_array_equal(masks[name], np.transpose(other) if time_major else other, err_msg=name)


def test_inside_a_functional_model(tagger):
    net = backend.load(tagger, return_state=False)
    audio, speaker = keras.Input((None, 3)), keras.Input((), dtype="int64")
    y = net({"audio": keras.layers.Masking()(audio), "speaker": speaker})
    assert list(y) == ["tags", "logits"]
    model = keras.Model([audio, speaker], y)
    x = np.where(np.arange(TIME)[:, None] < LENGTHS[:, None, None], AUDIO, 0.0)
    expected = net({"audio": AUDIO, "speaker": SPEAKER}, lengths={"audio": LENGTHS})
    found = model([x, SPEAKER])
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-6)


def test_save_and_load_model(tagger, tmp_path):
    net = backend.load(tagger, dtype="float64", return_state=False)
    net.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    given = {"audio": AUDIO, "speaker": SPEAKER}
    for name, value in net(given).items():
        np.testing.assert_array_equal(again(given)[name], value)
    assert json.loads(again.get_config()["architecture"]) == json.loads(TAGGER.to_json())


def test_saved_model(tmp_path):
    checkpoint = Checkpoint.initialize(TRANSLATOR, seed=2)
    backend.load(checkpoint, dtype="float64").export(tmp_path / "saved")
    loaded, reference = tf.saved_model.load(tmp_path / "saved"), Reference(checkpoint, "float64")
    assert set(loaded.signatures) == {"serving_default", "padded", "sequence", "step"}
    for batch, time in ((2, 3), (4, 5)):
        x = {"source": np.arange(batch * 6).reshape(batch, 6) % 5, "target": draw(batch, time, 3)}
        lengths = {"source": np.arange(batch, dtype="int32"), "target": np.full(batch, time - 1, "int32")}
        state = {name: draw(batch, size) for name, size in TRANSLATOR.states().items()}
        step, whole = x | {"target": x["target"][:, 0]}, {"source": lengths["source"]}
        signature = {"source": x["source"], "target": x["target"]}
        signature |= {f"{name}_lengths": value for name, value in lengths.items()}
        padded = loaded.signatures["padded"](**{name: tf.constant(value) for name, value in signature.items()})
        for found, (y, new) in (
            (loaded.serve(x), reference(x)),
            (loaded.padded(x, lengths), reference(x, lengths=lengths)),
            (padded, reference(x, lengths=lengths)),
            (loaded.sequence(x, lengths, state), reference(x, lengths=lengths, state=state)),
            (loaded.step(step, whole, state), reference.step(step, state, lengths=whole)),
        ):
            for name, value in {"y": y, **new}.items():
                np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-9, err_msg=name)
    with pytest.raises(tf.errors.InvalidArgumentError, match="beyond the steps"):
        loaded.padded(x, lengths | {"source": lengths["source"] + 9})


def test_a_chain_of_version_2_as_a_saved_model(tmp_path):
    """Its input has no name; and as it reads sequences whole, it has no step."""
    layers = [Recurrent(name="r", cell=LSTM(units=4)), Summary(name="s", how="max"), Dense(name="d", units=2)]
    checkpoint = Checkpoint.initialize(Model(inputs=3, layers=layers), seed=2)
    backend.load(checkpoint, dtype="float64").export(tmp_path / "saved")
    loaded = tf.saved_model.load(tmp_path / "saved")
    assert set(loaded.signatures) == {"serving_default", "padded", "sequence"}
    expected, _ = Reference(checkpoint, "float64")(AUDIO, lengths=LENGTHS)
    np.testing.assert_allclose(loaded.padded(AUDIO, LENGTHS.astype("int32"))["y"], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": AUDIO}, "x: expected a mapping by the names of the inputs"),
        ({"x": {"audio": AUDIO}}, "x: input 'speaker' is missing"),
        ({"x": {"audio": AUDIO, "speaker": SPEAKER, "voice": 1}}, "x: unknown input 'voice'"),
        ({"x": {"audio": AUDIO, "speaker": SPEAKER[1:]}}, "speaker: expected 8 rows"),
        ({"x": {"audio": AUDIO, "speaker": SPEAKER + 1}}, "found 4, expected 0 to 3"),
        ({"x": {"audio": AUDIO, "speaker": SPEAKER}, "lengths": LENGTHS}, "lengths: expected a mapping"),
        ({"x": {"audio": AUDIO, "speaker": SPEAKER}, "lengths": {"speaker": LENGTHS}}, "a vector has no steps"),
        ({"x": {"audio": AUDIO, "speaker": SPEAKER, "audio.lengths": LENGTHS}, "mask": {}}, "a mapping holds lengths"),
        (
            {"x": {"audio": AUDIO, "speaker": SPEAKER, "encoder.h": np.zeros((ROWS, 5))}},
            "state: 'encoder.c' is missing",
        ),
    ],
)
def test_wrong_inputs_are_refused(tagger, arguments, message):
    with pytest.raises(SpecError, match=message):
        backend.load(tagger, dtype="float64")(**arguments)


def test_masks_are_given_once(tagger):
    net = backend.load(tagger)
    x = keras.layers.Masking()(AUDIO.astype("float32"))
    with pytest.raises(SpecError, match="mask: audio has one attached"):
        net({"audio": x, "speaker": SPEAKER}, lengths={"audio": LENGTHS})


def test_native_never_begins_anew():
    layers = [Recurrent(name="r", of="a", cell=LSTM(units=3)), Recurrent(name="s", of="b", cell=LSTM(units=3))]
    model = Model(inputs={"a": 3, "b": 3}, layers=layers, outputs=["r", "s"])
    net = backend.load(Checkpoint.initialize(model, seed=1), path="native")
    with pytest.raises(UnsupportedError, match="reset: the native path never begins anew"):
        net({"a": AUDIO, "b": AUDIO}, reset={"b": np.ones((ROWS, TIME), bool)})
