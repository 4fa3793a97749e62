"""Keras 3: graphs, as .keras and .h5.

python -m tests.golden.recipes.keras        (needs tensorflow)
"""

from typing import Any

import keras
import numpy as np
from keras import layers

from . import write

OF = f"Keras {keras.__version__}"
RNG = np.random.default_rng(14)


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype("f")


def case(name: str, model: Any, inputs: dict[str, np.ndarray], of: str, artefact: str = "model.keras", **options: Any):
    """A model with distinct numbers everywhere, statistics included; its outputs by our names, in its order."""
    outputs = options.pop("outputs", ["y"])
    given = options.pop("given", list(inputs.values()))
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, layers.Normalization)]
    fixed = {id(weight) for layer in norms for weight in layer.weights}
    for weight in model.weights:
        if weight.dtype == "float32" and id(weight) not in fixed:
            value = floats(*weight.shape) / 2
            weight.assign(np.abs(value) + 0.3 if "variance" in weight.name else value)
    found = model(given if len(given) > 1 else given[0], training=False)
    found = found if isinstance(found, list | tuple) else [found]
    expected = {key: np.asarray(value) for key, value in zip(outputs, found, strict=True)}
    write(f"keras/{name}", artefact, model.save, f"{OF}: {of}", inputs, expected, **options)


def translator() -> None:
    """Two times, two outputs; the decoder starts from the encoder's states and looks at what it wrote."""
    words, before = keras.Input((None,), name="words"), keras.Input((None,), name="before")
    read = layers.Embedding(11, 5, name="read")(words)
    encoded, *states = layers.LSTM(6, return_sequences=True, return_state=True, name="encoder")(read)
    written = layers.Embedding(9, 4, name="written")(before)
    decoded = layers.LSTM(6, return_sequences=True, name="decoder")(written, initial_state=states)
    look = layers.AdditiveAttention(name="look")([decoded, encoded])
    both = layers.Concatenate(name="both")([decoded, look])
    logits = layers.TimeDistributed(layers.Dense(9, activation="softmax"), name="logits")(both)
    model = keras.Model([words, before], [logits, states[1]])
    inputs = {"words": RNG.integers(0, 11, (3, 7)), "before": RNG.integers(0, 9, (3, 5))}
    case("translator", model, inputs, "encoder, decoder, attention, a state", outputs=["logits", "encoder_c"])


def spotter() -> None:
    """A front end, and both ways of reading it to the end."""
    norm = layers.Normalization(name="norm")
    norm.adapt(floats(50, 6) * 3 + 1)
    x = keras.Input((None, 6), name="x")
    y = layers.Conv1D(7, 3, padding="causal", dilation_rate=2, activation="relu", name="conv")(norm(x))
    y = layers.MaxPooling1D(2, name="pool")(layers.BatchNormalization(name="batch")(y))
    y = layers.Bidirectional(layers.GRU(5, return_sequences=True), merge_mode="ave", name="both")(y)
    mean, last = layers.GlobalAveragePooling1D(name="mean")(y), y[:, -1]
    most = layers.Maximum(name="most")([mean, last])
    model = keras.Model(x, layers.Dense(3, name="head")(layers.Subtract(name="less")([most, layers.ReLU(6.0)(mean)])))
    case("spotter", model, {"x": floats(3, 9, 6)}, "normalisation, convolution, pooling, joins", "model.h5")


def twins() -> None:
    """One model, called with two inputs, and a vector beside."""
    one, two, age = keras.Input((8, 4), name="one"), keras.Input((8, 4), name="two"), keras.Input((3,), name="age")
    inside = keras.Input((8, 4))
    tower = keras.Model(
        inside, layers.SimpleRNN(5, go_backwards=True, name="rnn")(layers.Dense(6)(inside)), name="tower"
    )
    near = layers.Multiply(name="near")([tower(one), tower(two)])
    out = layers.Dense(2, activation="sigmoid", name="out")(layers.Concatenate(name="all")([near, age]))
    inputs = {"one": floats(2, 8, 4), "two": floats(2, 8, 4), "age": floats(2, 3)}
    case("twins", keras.Model([one, two, age], out), inputs, "shared weights, vectors")


def series() -> None:
    """Numbers (time,), heads, and all steps in one vector."""
    x = keras.Input((6,), name="x")
    y = layers.LSTM(4, return_sequences=True, name="lstm")(layers.Reshape((6, 1), name="column")(x))
    y = layers.LayerNormalization(name="norm")(y + layers.MultiHeadAttention(2, 3, name="look")(y, y))
    y = layers.Dense(5, activation="tanh", name="all")(layers.Dropout(0.2)(layers.Flatten()(y)))
    again = layers.GRU(3, return_sequences=True, name="again")(layers.RepeatVector(4, name="often")(y))
    model = keras.Model(x, [y, again])
    series = floats(3, 6)
    case("series", model, {"x": series[..., None]}, "Reshape, MultiHeadAttention, Flatten, RepeatVector", "model.h5",
         outputs=["all", "again"], given=[series])  # fmt: skip


def padded() -> None:
    """Ids of ragged length: two layers that know, and a sum."""
    ids = keras.Input((None,), name="ids")
    table = layers.Embedding(12, 5, mask_zero=True, name="table")(ids)
    one = layers.LSTM(5, return_sequences=True, name="one")(table)
    y = layers.GRU(4, name="two")(layers.Add(name="sum")([table, one]))
    x = RNG.integers(1, 12, (3, 7))
    x[0, 4:] = x[1, 2:] = 0
    case("padded", keras.Model(ids, [y, one]), {"x": x}, "mask_zero around a sum", outputs=["two", "one"])


def behind_code() -> None:
    """A recurrence between layers that hold code."""
    x = keras.Input((None, 5), name="x")
    code = layers.Lambda(lambda x: x * 2, name="twice")(x)
    y = layers.LSTM(4, return_sequences=True, name="rnn")(layers.Dense(3, name="before")(code))
    end = layers.Lambda(lambda x: x + 1, name="more")(layers.Dense(2, name="after")(y))
    given = floats(3, 6, 5)
    case(
        "behind_code",
        _Around(keras.Model(x, end), -1.0),
        {"x": given * 2},
        "a part between Lambdas",
        given=[given],
        part="rnn",
    )


class _Around:
    """A model whose output is taken without the number that its last layer adds."""

    def __init__(self, model: Any, number: float) -> None:
        self.model, self.number = model, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __call__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        return np.asarray(self.model(*args, **kwargs)) + np.float32(self.number)


if __name__ == "__main__":
    for make in (translator, spotter, twins, series, padded, behind_code):
        make()
