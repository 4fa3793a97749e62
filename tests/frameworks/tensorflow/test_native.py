"""Ours → stock layers of Keras → ours, by live layers, by `.keras` files and by SavedModel."""

import keras
import msgspec
import numpy as np
import pytest

import rnnspec.backends.tensorflow as backend
from rnnspec import GRU, LSTM, RNN, Checkpoint, Dense, Dropout, Embedding, Model, Recurrent, Stack, UnsupportedError
from rnnspec.activations import Celu, Elu, HardShrink, HardSigmoid, LeakyRelu, SoftShrink
from rnnspec.backends.tensorflow.write import write
from rnnspec.cells import CellDropout, IndRNN, LayerNorm, Residual
from rnnspec.convert import convert
from rnnspec.errors import SpecError
from rnnspec.reference import Net

from .cases import random_checkpoint

# Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HARD = HardSigmoid(alpha=1 / 6, beta=0.5)
CELLS = {
    "rnn": RNN(units=5),
    "rnn_softsign": RNN(units=5, activation="softsign", bias=False),
    "lstm": LSTM(units=5),
    "lstm_hard": LSTM(units=4, gate_activation=HARD, cell_activation="relu", output_activation="relu", bias=False),
    "gru_after": GRU(units=5, reset_after=True),
    "gru_after_no_bias": GRU(units=4, reset_after=True, bias=False, gate_activation=HARD, activation="elu"),
    "gru_before": GRU(units=4, reset_after=False),
    "stack": Stack(cells=(LSTM(units=5), GRU(units=4, reset_after=False), GRU(units=2, reset_after=True))),
}
LAYERS = {
    "sequence": {},
    "last": {"return_sequences": False},
    "backward": {"direction": "backward", "reverse_output": True},
    "backward_last": {"direction": "backward", "return_sequences": False},
    "hold": {"padded_output": "hold"},
    "both_last": {"direction": "bidirectional", "return_sequences": False},
} | {merge: {"direction": "bidirectional", "merge": merge} for merge in ("concat", "sum", "mul", "ave", "none")}


def one(cell, padding=None, **options) -> Model:
    return Model(inputs=3, layers=[Recurrent(name="r", cell=cell, **options)], padding=padding)


MODELS = {f"{cell}-{layer}": one(CELLS[cell], 0.5, **LAYERS[layer]) for cell in CELLS for layer in LAYERS} | {
    "unmasked": one(LSTM(units=4), padded_output="hold"),
    "two_kinds": one(LSTM(units=4), 0.25, direction="bidirectional", backward_cell=GRU(units=3, reset_after=True)),
    "tagger": Model(
        layers=[
            Embedding(name="words", vocabulary=9, units=4),
            Recurrent(name="up", cell=GRU(units=5, reset_after=True), direction="bidirectional"),
            Dropout(name="drop", rate=0.2),
            Recurrent(name="top", cell=LSTM(units=3)),
            Dense(name="tags", units=6, activation="softmax", bias=False),
        ],
        padding=0,
    ),
    "classifier": Model(
        layers=[
            Embedding(name="words", vocabulary=9, units=4),
            Dense(name="hidden", units=7, activation="tanh"),
            Recurrent(name="rnn", cell=RNN(units=3), return_sequences=False),
            Dense(name="logits", units=6, activation="log_softmax"),
        ]
    ),
    "name_taken": Model(
        inputs=3, layers=[Recurrent(name="masking", cell=RNN(units=4)), Dense(name="d", units=2)], padding=-1
    ),
}
ACTIVATIONS = [
    "relu6", "softplus", "exponential", "selu", "gelu", "silu", "hard_silu", "mish", "hard_tanh", "tanh_shrink",
    "log_sigmoid", "sparse_plus", "sparse_sigmoid", "softmax", HARD, LeakyRelu(alpha=0.2), Celu(alpha=1.0),
    HardShrink(alpha=0.5), SoftShrink(alpha=0.5),
]  # fmt: skip


def padded(model: Model, dtype: str) -> np.ndarray:
    """Four rows of six steps: all valid, right padding, none valid, and holes."""
    rng = np.random.default_rng(1)
    x = rng.integers(1, 9, (4, 6)) if model.inputs is None else rng.normal(size=(4, 6, model.inputs)).astype(dtype)
    if model.padding is not None:
        x[1, 3:] = x[2] = x[3, [0, 2]] = model.padding
    return x


def assert_gives(native, checkpoint: Checkpoint, atol: float) -> None:
    x = padded(checkpoint.model, checkpoint.dtype)
    found, expected = native(x), Net(checkpoint, dtype="float64")(x)[0]
    both = zip(found, expected, strict=True) if checkpoint.model.separate else [(found, expected)]
    for y, reference in both:
        np.testing.assert_allclose(np.asarray(y), reference, rtol=0, atol=atol)


def assert_same(found: Checkpoint, expected: Checkpoint) -> None:
    """The same weights, bit for bit, and the same layers; `padded_output` says nothing where there is one output."""

    def meant(model: Model) -> Model:
        layers = [
            msgspec.structs.replace(layer, padded_output="zero")
            if isinstance(layer, Recurrent) and not layer.return_sequences
            else layer
            for layer in model.layers
        ]
        return msgspec.structs.replace(model, layers=tuple(layers))

    assert meant(found.model) == meant(expected.model)
    assert found.weights.keys() == expected.weights.keys()
    for name, array in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], array, err_msg=name)


@pytest.mark.parametrize("name", MODELS)
def test_stock_layers_mean_the_same_and_come_back(name):
    checkpoint = random_checkpoint(MODELS[name], "float32")
    native = backend.to_native(checkpoint)
    assert_gives(native, checkpoint, 1e-5)
    assert_same(backend.from_native(native), checkpoint)


@pytest.mark.parametrize("name", ["stack-none", "gru_after-hold", "lstm_hard-backward", "tagger", "two_kinds"])
def test_a_file_loads_and_comes_back(name, tmp_path):
    checkpoint = random_checkpoint(MODELS[name], "float32")
    for file in ("m.keras", "m.h5"):
        write(checkpoint, tmp_path / file)
        assert_gives(keras.saving.load_model(tmp_path / file), checkpoint, 1e-5)
        assert_same(convert(tmp_path / file), checkpoint)
    write(checkpoint, tmp_path / "m.weights.h5")
    assert_same(convert(tmp_path / "m.weights.h5", config=tmp_path / "m.keras"), checkpoint)
    other = backend.to_native(Checkpoint.initialize(checkpoint.model, 1))
    other.load_weights(tmp_path / "m.weights.h5")
    assert_gives(other, checkpoint, 1e-5)


@pytest.mark.parametrize(
    "name", ["tagger", "two_kinds", "classifier", *(n for n in MODELS if n.startswith(("stack-", "gru_after_no")))]
)
def test_an_exported_model_comes_back_from_its_graph(name, tmp_path):
    checkpoint = random_checkpoint(MODELS[name], "float32")
    backend.to_native(checkpoint).export(tmp_path / "m", verbose=False)
    layers = [layer for layer in checkpoint.model.layers if not isinstance(layer, Dropout)]  # not in the graph
    settings = {} if checkpoint.model.padding is not None or name == "classifier" else {"zero_output_for_mask": True}
    expected = Checkpoint(msgspec.structs.replace(checkpoint.model, layers=tuple(layers)), checkpoint.weights)
    assert_same(convert(tmp_path / "m", settings=settings), expected)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations_are_those_of_keras(activation, tmp_path):
    cell = LSTM(units=4, cell_activation=activation, output_activation=activation, gate_activation="sigmoid")
    layers = [Recurrent(name="r", cell=cell, padded_output="hold"), Dense(name="d", units=3, activation=activation)]
    model = Model(inputs=3, layers=layers)
    weights = {name: array * 0.3 for name, array in random_checkpoint(model, "float32").weights.items()}
    checkpoint = Checkpoint(model, weights)
    native = backend.to_native(checkpoint)
    assert_gives(native, checkpoint, 1e-5)
    assert_same(backend.from_native(native), checkpoint)
    native.export(tmp_path / "m", verbose=False)
    assert_same(convert(tmp_path / "m"), checkpoint)


def test_elu_is_a_name_where_alpha_is_one():
    native = backend.to_native(random_checkpoint(one(RNN(units=4, activation=Elu(alpha=1.0))), "float32"))
    assert native.get_layer("r").get_config()["activation"] == "elu"


def test_float64_stays():
    checkpoint = random_checkpoint(MODELS["stack-sequence"])
    native = backend.to_native(checkpoint)
    assert_gives(native, checkpoint, 1e-12)
    assert_same(backend.from_native(native), checkpoint)


def test_dropout_inside_a_layer():
    cell = CellDropout(cell=RNN(units=4), input=0.3, state=0.2, per="sequence")
    checkpoint = random_checkpoint(one(cell), "float32")
    native = backend.to_native(checkpoint)
    config = native.get_layer("r").get_config()
    assert (config["dropout"], config["recurrent_dropout"]) == (0.3, 0.2)
    assert_same(backend.from_native(native), checkpoint)


def test_live_layers():
    layer = keras.layers.GRU(4, name="g", return_sequences=True, bias_initializer="normal")
    with pytest.raises(SpecError, match="'g' is not built"):
        backend.from_native(layer)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    checkpoint = backend.from_native((layer(x), layer)[1])
    np.testing.assert_allclose(Net(checkpoint)(x)[0], layer(x), rtol=0, atol=1e-6)
    assert any("added up" in note for note in checkpoint.metadata["conversion"]["notes"])
    chain = keras.Input((None, 3))
    chain = keras.Model(chain, keras.layers.Dense(2)(keras.layers.Bidirectional(layer)(chain)))
    np.testing.assert_allclose(Net(backend.from_native(chain))(x)[0], chain(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("cell", "options", "message"),
    [
        (LSTM(units=4, peephole=True), {}, "layer 'r': LSTM.peephole has no equal in Keras"),
        (LSTM(units=4, projection=3), {}, "LSTM.projection"),
        (LSTM(units=4, coupled_input_forget=True), {}, "LSTM.coupled_input_forget"),
        (LSTM(units=4, clip_cell=1.0), {}, "LSTM.clip_cell"),
        (LSTM(units=4, output_activation="relu"), {}, "LSTM.output_activation"),
        (GRU(units=4, reset_after=True, clip_gates=1.0), {}, "GRU.clip_gates"),
        (RNN(units=4, recurrence="diagonal"), {}, "RNN.recurrence"),
        (RNN(units=4, layer_norm=LayerNorm(gates="joint", over="gate", epsilon=1e-3)), {}, "RNN.layer_norm"),
        (RNN(units=4, activation="gelu_tanh"), {}, "RNN.activation=gelu_tanh"),
        (RNN(units=4, activation=HardSigmoid(alpha=0.2, beta=0.5)), {}, "RNN.activation=.*0.2"),
        (IndRNN(units=4), {}, "IndRNN"),
        (Residual(cell=RNN(units=3)), {}, "Residual"),
        (Stack(cells=(RNN(units=4), IndRNN(units=4))), {}, "IndRNN"),
        (CellDropout(cell=LSTM(units=4), input=0.2), {}, "CellDropout.per='step'"),
        (CellDropout(cell=LSTM(units=4), state=0.2, per="sequence"), {}, "CellDropout.state"),
        (CellDropout(cell=LSTM(units=4), output=0.2), {}, "CellDropout.output"),
        (RNN(units=4), {"learned_state": True}, "learned_state"),
        (RNN(units=4), {"direction": "backward", "padding": 0.5}, "direction='backward' behind a padding"),
        (RNN(units=4), {"reverse_output": True, "padding": 0.5}, "direction='forward' behind a padding"),
        (RNN(units=4), {"direction": "bidirectional", "reverse_output": True, "padding": 0.5}, "behind a padding"),
        (
            RNN(units=4),
            {"direction": "bidirectional", "padded_output": "hold", "padding": 0.5},
            "padded_output='hold' has no equal in Keras: its Bidirectional gives 0 at masked steps",
        ),
    ],
)
def test_what_keras_cannot_say_is_refused(cell, options, message, tmp_path):
    checkpoint = random_checkpoint(one(cell, **options), "float32")
    with pytest.raises(UnsupportedError, match=message):
        backend.to_native(checkpoint)
    with pytest.raises(UnsupportedError, match=message):
        write(checkpoint, tmp_path / "m.keras")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["hold", "backward", "forward", "both"])
def test_where_no_step_is_invalid_keras_says_more(name):
    """Holding is no other function there, and an output is as easily turned around."""
    both = {"direction": "bidirectional", "padded_output": "hold", "reverse_output": True}
    options = {"backward": {"direction": "backward"}, "forward": {"reverse_output": True}, "both": both}
    model = one(LSTM(units=4), **options.get(name, {"direction": "bidirectional", "padded_output": "hold"}))
    checkpoint = random_checkpoint(model, "float32")
    x = np.random.default_rng(2).standard_normal((2, 5, 3)).astype("float32")
    np.testing.assert_allclose(backend.to_native(checkpoint)(x), Net(checkpoint, "float64")(x)[0], rtol=0, atol=1e-5)


def test_what_keras_builds_for_other_sizes_is_refused():
    cells = {"cell": LSTM(units=4), "backward_cell": LSTM(units=3), "direction": "bidirectional"}
    model = Model(inputs=3, layers=[Recurrent(name="r", **cells), Dense(name="d", units=2)])
    with pytest.raises(UnsupportedError, match="directions of two widths before another layer"):
        backend.to_native(random_checkpoint(model, "float32"))


def test_a_padding_that_masking_makes_0_is_refused():
    model = Model(inputs=3, padding=-1, layers=[Dense(name="d", units=2), Recurrent(name="r", cell=RNN(units=2))])
    with pytest.raises(UnsupportedError, match=r"'d': reading a padding other than 0 .* its Masking makes it 0"):
        backend.to_native(random_checkpoint(model, "float32"))


def test_padding_and_suffix(tmp_path):
    model = Model(layers=[Embedding(name="e", vocabulary=5, units=2), Dense(name="d", units=2)], padding=3)
    with pytest.raises(UnsupportedError, match=r"Model.padding=3: .*id 0"):
        backend.to_native(random_checkpoint(model, "float32"))
    with pytest.raises(SpecError, match=r"m.bin: expected a name .* give -o .*m.keras"):
        write(random_checkpoint(one(RNN(units=2)), "float32"), tmp_path / "m.bin")
    assert not list(tmp_path.iterdir())
