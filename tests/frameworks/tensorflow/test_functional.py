"""Graphs as files of Keras's own layers."""

import keras
import numpy as np
import pytest

from rnnspec import GRU, LSTM, RNN, Checkpoint, Model, Recurrent, Stack, UnsupportedError
from rnnspec.activations import LeakyRelu
from rnnspec.backends.tensorflow.native import to_native
from rnnspec.backends.tensorflow.write import write
from rnnspec.conformance import cases
from rnnspec.convert import convert
from rnnspec.graph import Input
from rnnspec.layers import (
    Activation,
    Attention,
    Convolution,
    Dense,
    Dropout,
    Embedding,
    Merge,
    Norm,
    Pool,
    Repeat,
    Scale,
    Summary,
)
from rnnspec.reference import Net

from ...conftest import random_checkpoint

# Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LSTM_, GRU_ = LSTM(units=4), GRU(units=4, reset_after=False)
BOTH = {"h": "encoder.backward.h", "c": "encoder.forward.c"}
MODELS = {
    "speech": Model(
        inputs={"audio": 6, "speaker": None},
        layers=[
            Convolution(name="front", of="audio", units=8, width=5, stride=2, padding="same", activation="relu"),
            Norm(name="norm", kind="batch", epsilon=1e-3),
            Recurrent(name="encoder", cell=LSTM_, direction="bidirectional"),
            Embedding(name="who", of="speaker", vocabulary=10, units=5),
            Recurrent(name="decoder", of="who", cell=LSTM_, start=BOTH),
            Dense(name="wide", units=8),
            Attention(name="look", of=("wide", "encoder"), score="dot", heads=2),
            Merge(name="both", of=("decoder", "look"), how="concat"),
            Dense(name="logits", units=9, activation="softsign"),
            Summary(name="voice", of="encoder", how="max"),
        ],
        outputs=("logits", "voice"),
    ),
    "windows": Model(
        inputs={"x": 4},
        layers=[
            Scale(name="scale", of="x"),
            Convolution(name="causal", units=6, width=3, dilation=2, groups=2, padding="causal", bias=False),
            Activation(name="leaky", function=LeakyRelu(alpha=0.1)),
            Pool(name="pool", how="mean", width=2, stride=1, padding="same"),
            Convolution(name="same", units=4, width=4, padding="same"),
            Merge(name="sum", of=("same", "x"), how="maximum"),
            Norm(name="norm", kind="layer", epsilon=1e-3, beta=False),
            Recurrent(name="back", cell=GRU_, direction="backward"),
            Dropout(name="drop", rate=0.2),
            Pool(name="most", how="max", width=3, padding="valid"),
        ],
    ),
    "readers": Model(
        inputs={"memory": 4, "query": Input(features=4, sequence=False), "words": 4},
        layers=[
            Attention(name="scaled", of=("query", "memory"), score="scaled"),
            Attention(name="dot", of=("words", "memory"), score="dot"),
            Attention(name="general", of=("dot", "memory"), score="general"),
            Attention(name="additive", of=("general", "memory", "memory"), score="additive"),
            Repeat(name="along", of=("scaled", "words")),
            Merge(name="all", of=("along", "additive", "words"), how="average"),
            Summary(name="mean", how="mean"),
            Repeat(name="code", steps=3),
            Recurrent(name="rnn", cell=RNN(units=4), start={"h": "query"}, return_sequences=False),
        ],
        outputs=("all", "rnn"),
    ),
    "ends": Model(
        inputs={"x": 4},
        layers=[
            Recurrent(name="rnn", of="x", cell=GRU_, reverse_output=True),
            *(Summary(name=f"of_{how}", of="rnn", how=how) for how in ("last", "first", "sum")),
            Merge(name="out", of=("rnn.h", "of_last", "of_first", "of_sum"), how="multiply"),
        ],
    ),
}


def positive(checkpoint):
    weights = {n: abs(a) + 0.3 if n.endswith("variance") else a for n, a in checkpoint.weights.items()}
    return Checkpoint(checkpoint.model, weights)


def agree(found, expected):
    found = found if isinstance(found, list | tuple) else [found]
    expected = list(expected.values()) if isinstance(expected, dict) else [expected]
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_file_loads_in_keras_alone(name, tmp_path):
    model = MODELS[name]
    checkpoint = positive(random_checkpoint(model))
    rng, shapes = np.random.default_rng(5), {"speaker": (3, 7), "query": (3, 4), "words": (3, 5, 4)}
    x = {name: rng.standard_normal(shapes.get(name, (3, 9, given.features))) for name, given in model.given.items()}
    x = {name: rng.integers(0, 10, a.shape) if model.given[name].features is None else a for name, a in x.items()}
    said = ["every step counts: Keras's layers take no lengths"]
    assert write(checkpoint, tmp_path / "m.keras") == said
    native = keras.saving.load_model(tmp_path / "m.keras")
    assert all(type(each).__module__.startswith("keras.") for each in native._flatten_layers())
    expected = Net(checkpoint, "float64")(x)[0]
    given = [array.astype("int32" if array.dtype.kind == "i" else "float32") for array in x.values()]
    agree(native(given if len(given) > 1 else given[0]), expected)


def test_a_padding_is_a_mask(tmp_path):
    layers = [
        Embedding(name="words", of="ids", vocabulary=9, units=4),
        Recurrent(name="rnn", cell=LSTM_, padded_output="hold"),
        Merge(name="both", of=("rnn", "words"), how="add"),
        Recurrent(name="top", cell=LSTM_, direction="bidirectional"),
        Summary(name="mean", how="mean"),
    ]
    model = Model(inputs={"ids": Input(padding=0)}, layers=layers, outputs=("top", "mean"))
    checkpoint = random_checkpoint(model)
    ids = np.array([[3, 4, 0, 5, 0, 0], [1, 2, 3, 4, 5, 6], [0, 0, 7, 8, 1, 2]])
    assert write(checkpoint, tmp_path / "m.keras") == []
    agree(keras.saving.load_model(tmp_path / "m.keras")(ids), Net(checkpoint, "float64")({"ids": ids})[0])
    again = convert(tmp_path / "m.keras")
    agree(list(Net(again, "float64")(ids)[0].values()), Net(checkpoint, "float64")({"ids": ids})[0])


PADDED = Input(features=4, padding=0.0)
REFUSED = {
    "Convolution behind a padding": (PADDED, [Convolution(name="a", of="x", units=4, width=2, padding="causal")]),
    "start behind a padding": (
        PADDED,
        [Recurrent(name="b", of="x", cell=GRU_), Recurrent(name="a", cell=GRU_, start={"h": "b.h"})],
    ),
    "reading a padding other than 0": (Input(features=4, padding=1.0), [Dense(name="a", of="x", units=2)]),
    "where its windows begin depends on the number": (
        Input(features=4),
        [Pool(name="a", of="x", how="max", width=3, padding="same")],
    ),
    "stride=2 with dilation=2": (
        Input(features=4),
        [Convolution(name="a", of="x", units=4, width=2, padding="valid", stride=2, dilation=2)],
    ),
    "score='additive' of 2 heads": (Input(features=4), [Attention(name="a", of=("x", "x"), score="additive", heads=2)]),
    "the states of a Stack": (
        Input(features=4),
        [
            Recurrent(name="a", of="x", cell=Stack(cells=(GRU_, GRU_)), return_sequences=False),
            Merge(name="b", of=("a", "a.cells.0.h"), how="add"),
        ],
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_keras_cannot_say_is_refused(message, tmp_path):
    given, layers = REFUSED[message]
    checkpoint = random_checkpoint(Model(inputs={"x": given}, layers=layers))
    with pytest.raises(UnsupportedError, match=message):
        write(checkpoint, tmp_path / "m.keras")
    assert not list(tmp_path.iterdir())


def test_a_cell_that_reads_a_memory_is_refused():
    models = [case for case in cases() if case.id.startswith("graph-context-") and hasattr(case, "checkpoint")]
    assert len(models) > 10
    for case in models:
        with pytest.raises(UnsupportedError, match=r"Attending|has no equal in Keras"):
            to_native(case.checkpoint)
