"""Random functional models of Keras: saved in either format, converted, and compared with Keras's own numbers.

python -m tests.convert.generate.keras --seed 0 --count 40
"""

import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from rnnspec.convert import convert
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reference import Net

from . import compared, run

CELLS = (layers.LSTM, layers.GRU, layers.SimpleRNN)
ACTIVATIONS = ("tanh", "relu", "sigmoid", "linear", "softmax")
BATCH, IDS = 3, 9


class Made:
    """A model that grows at random: sequences and vectors, each of which a later layer may read."""

    def __init__(self, seed: int) -> None:
        self.rng, self.numbers = random.Random(seed), np.random.default_rng(seed)
        self.steps = self.rng.choice([None, self.rng.randint(5, 8)])
        self.given = self.steps or self.rng.randint(5, 8)
        self.inputs: list[Any] = []
        self.x: list[np.ndarray] = []
        self.sequences: list[Any] = []
        self.vectors: list[Any] = []
        self.states: list[Any] = []
        self.masked = self.rng.random() < 0.25
        for _ in range(self.rng.choice([1, 1, 2])):
            self.add_input()
        if self.rng.random() < 0.3:
            size = self.rng.randint(2, 5)
            self.vectors.append(self.input(keras.Input((size,)), self.numbers.standard_normal((BATCH, size))))
        for _ in range(self.rng.randint(2, 6)):
            self.grow()
        self.recurrent()
        ends = [self.pick(self.vectors or self.sequences, last=True)]
        if self.rng.random() < 0.3:
            ends.append(self.pick(self.sequences, last=True))
        if self.rng.random() < 0.6:
            ends[0] = layers.Dense(self.size(), activation=self.rng.choice(ACTIVATIONS))(ends[0])
        if len(ends) == 2 and ends[0] is ends[1]:
            del ends[1]
        ends = [layers.Dense(2)(end) if any(end is given for given in self.inputs) else end for end in ends]
        self.model = keras.Model(self.inputs, ends)

    def size(self) -> int:
        return self.rng.randint(2, 6)

    def pick(self, values: list[Any], last: bool = False) -> Any:
        return values[-1] if last or self.rng.random() < 0.5 else self.rng.choice(values)

    def input(self, tensor: Any, x: np.ndarray) -> Any:
        self.inputs.append(tensor)
        self.x.append(x if x.dtype.kind == "i" else x.astype("f"))
        return tensor

    def add_input(self) -> None:
        if self.rng.random() < 0.5 or self.masked:
            ids = self.numbers.integers(1, IDS, (BATCH, self.given))
            if self.masked:
                ids[0, 3:] = 0
            tensor = self.input(keras.Input((self.steps,)), ids)
            self.sequences.append(layers.Embedding(IDS, self.size(), mask_zero=self.masked)(tensor))
        else:
            size = self.size()
            x = self.numbers.standard_normal((BATCH, self.given, size))
            self.sequences.append(self.input(keras.Input((self.steps, size)), x))

    def grow(self) -> None:
        kinds = [self.recurrent] * 4 + [self.dense, self.norm, self.merge, self.dropout, self.function]
        if not self.masked or self.rng.random() < 0.3:
            kinds += [self.window, self.summary, self.attend, self.repeat, self.nested, self.series]
        self.rng.choice(kinds)()

    def recurrent(self) -> None:
        rng, cell, units = self.rng, self.rng.choice(CELLS), self.size()
        options = {"return_sequences": rng.random() < 0.7, "return_state": rng.random() < 0.4}
        if cell is layers.GRU:
            options["reset_after"] = rng.random() < 0.5
        layer = cell(units, go_backwards=rng.random() < 0.15, **options)
        fits = [state for state in self.states if state.shape[-1] == units]
        call: dict[str, Any] = {}
        if rng.random() < 0.25:
            layer = layers.Bidirectional(cell(units, **options), merge_mode=rng.choice(["concat", "sum", "ave", "mul"]))
        elif cell is not layers.LSTM and fits and rng.random() < 0.7:
            call["initial_state"] = [rng.choice(fits)]
        found = layer(self.pick(self.sequences), **call)
        y, *states = found if isinstance(found, list | tuple) else [found]
        (self.sequences if options["return_sequences"] else self.vectors).append(y)
        self.states += states
        self.vectors += states

    def dense(self) -> None:
        values = self.rng.choice([self.sequences, self.vectors or self.sequences])
        layer: Any = layers.Dense(
            self.size(), activation=self.rng.choice(ACTIVATIONS), use_bias=self.rng.random() < 0.8
        )
        if values is self.sequences and self.rng.random() < 0.3:
            layer = layers.TimeDistributed(layer)
        values.append(layer(self.pick(values)))

    def norm(self) -> None:
        values = self.rng.choice([self.sequences, self.vectors or self.sequences])
        scale, center = self.rng.random() < 0.8, self.rng.random() < 0.8
        layer = self.rng.choice([layers.BatchNormalization, layers.LayerNormalization])(scale=scale, center=center)
        values.append(layer(self.pick(values)))

    def dropout(self) -> None:
        values = self.rng.choice([self.sequences, self.vectors or self.sequences])
        kinds = [layers.Dropout, layers.GaussianNoise, layers.GaussianDropout]
        values.append(self.rng.choice(kinds)(0.3)(self.pick(values)))

    def function(self) -> None:
        values = self.rng.choice([self.sequences, self.vectors or self.sequences])
        kinds = [
            lambda: layers.Activation(self.rng.choice(ACTIVATIONS)),
            layers.LeakyReLU,
            lambda: layers.Rescaling(0.5, 1),
        ]
        values.append(self.rng.choice(kinds)()(self.pick(values)))

    def merge(self) -> None:
        values = self.rng.choice([self.sequences, self.vectors or self.sequences])
        one = self.pick(values)
        same = [value for value in values if value.shape[1:] == one.shape[1:] and value is not one]
        kind = self.rng.choice(["Add", "Multiply", "Average", "Maximum", "Subtract", "Minimum", "Concatenate"])
        others = [v for v in values if v.shape[1:-1] == one.shape[1:-1]] if kind == "Concatenate" else same
        if others:
            values.append(getattr(layers, kind)()([one, self.rng.choice(others)]))

    def window(self) -> None:
        rng, x = self.rng, self.pick(self.sequences)
        padding = rng.choice(["same", "same", "valid", "causal"])
        if rng.random() < 0.3:
            kind = rng.choice([layers.MaxPooling1D, layers.AveragePooling1D])
            stride = rng.choice([1, 2])
            self.sequences.append(kind(2, strides=stride, padding="valid" if padding == "causal" else padding)(x))
        else:
            options = {"strides": 2} if rng.random() < 0.2 else {"dilation_rate": rng.choice([1, 1, 2])}
            width = rng.randint(1, 2) if padding == "valid" else rng.randint(1, 4)
            layer = layers.Conv1D(
                self.size(), width, padding=padding, activation=rng.choice(ACTIVATIONS[:3]), **options
            )
            self.sequences.append(layer(x))

    def summary(self) -> None:
        x = self.pick(self.sequences)
        how = self.rng.choice(["last", "first", "mean", "max", "flat", "op"])
        if how in ("last", "first"):
            y = x[:, -1] if how == "last" else x[:, 0]
        elif how == "op":
            y = keras.ops.tanh(keras.ops.mean(x, axis=1)) * 2.0
        elif how == "flat":
            if x.shape[1] is None:
                return
            y = layers.Dense(self.size(), activation="tanh")(layers.Dropout(0.1)(layers.Flatten()(x)))
        else:
            y = (layers.GlobalAveragePooling1D() if how == "mean" else layers.GlobalMaxPooling1D())(x)
        self.vectors.append(y)

    def attend(self) -> None:
        query, memory = self.pick(self.sequences), self.pick(self.sequences)
        if self.rng.random() < 0.4:
            heads = self.rng.choice([1, 2])
            layer = layers.MultiHeadAttention(heads, self.size(), value_dim=self.size())
            self.sequences.append(layer(query, memory))
            return
        memory = layers.Dense(query.shape[-1])(memory)
        kinds = [layers.Attention, lambda: layers.Attention(use_scale=True), layers.AdditiveAttention,
                 lambda: layers.Attention(score_mode="concat", use_scale=self.rng.random() < 0.5)]  # fmt: skip
        self.sequences.append(self.rng.choice(kinds)()([query, memory]))

    def nested(self) -> None:
        """A model inside, once or twice, its weights shared."""
        rng, x = self.rng, self.pick(self.sequences)
        cell = rng.choice(CELLS)(self.size(), return_sequences=rng.random() < 0.5)
        if rng.random() < 0.5:
            model = keras.Sequential([layers.Dense(self.size()), cell, layers.LayerNormalization()])
        else:
            given = keras.Input(x.shape[1:])
            found = cell(layers.Dropout(0.2)(given))
            model = keras.Model(given, found if rng.random() < 0.5 else layers.Activation("relu")(found))
        for one in [x, *[each for each in self.sequences[:1] if each is not x and each.shape[1:] == x.shape[1:]]]:
            y = model(one)
            (self.sequences if len(y.shape) == 3 else self.vectors).append(y)

    def series(self) -> None:
        """Numbers (time,), of which a layer makes a sequence of one feature; statistics of features."""
        if self.steps and len(self.inputs) < 4:
            x = self.numbers.standard_normal((BATCH, self.steps))
            self.sequences.append(layers.Reshape((self.steps, 1))(self.input(keras.Input((self.steps,)), x)))
        norm = layers.Normalization(invert=self.rng.random() < 0.3)
        x = self.pick(self.sequences)
        norm.adapt(self.numbers.standard_normal((20, x.shape[-1])) * 2 + 1)
        self.sequences.append(norm(x))

    def repeat(self) -> None:
        if self.vectors and self.steps:
            self.sequences.append(layers.RepeatVector(self.steps)(self.pick(self.vectors)))


def tried(seed: int) -> tuple[str, str]:
    """What became of one model: exact, refused or WRONG, with the reason or the difference; "none" where what was made
    at random is no model that runs."""
    keras.backend.clear_session()
    made = Made(seed)
    model = made.model
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, layers.Normalization)]
    fixed = {id(weight) for layer in norms for weight in layer.weights}
    for weight in model.weights:
        if weight.dtype == "float32" and id(weight) not in fixed:
            value = made.numbers.standard_normal(weight.shape) / 2
            weight.assign(np.abs(value) + 0.3 if "variance" in weight.name else value)
    x = made.x
    try:
        found = model(x if len(x) > 1 else x[0], training=False)
    except Exception as error:  # steps that are counted when it runs do not fit
        return "none", type(error).__name__
    expected = [keras.ops.convert_to_numpy(each) for each in (found if isinstance(found, list | tuple) else [found])]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / made.rng.choice(["model.keras", "model.h5"])
        model.save(path)
        try:
            checkpoint = convert(path)
        except (SpecError, UnsupportedError) as error:
            return "refused", str(error).replace(place, "")
    names = list(checkpoint.model.given)
    theirs = [tensor._keras_history.operation.name for tensor in made.inputs]
    arrays = dict(zip(theirs, x, strict=True))
    if checkpoint.model.by_name:
        call: Any = {name: _as(arrays[name], checkpoint.model.given[name]) for name in names}
    else:
        one = x[0] if len(x) == 1 else next(x for name, x in arrays.items() if _read(checkpoint, name))
        call = _as(one, checkpoint.model.given["x"])
    y = Net(checkpoint, dtype="float64")(call)[0]
    outputs = list(y.values()) if isinstance(y, dict) else [y]
    return compared(outputs, expected)


def _as(x: np.ndarray, given: Any) -> np.ndarray:
    """A series with its one feature."""
    return x[..., None] if given.features == 1 and given.sequence and x.ndim == 2 else x


def _read(checkpoint: Any, name: str) -> bool:
    """Whether the one input of ours is this one of several, of which the others are not read."""
    gone = next((n for n in checkpoint.metadata["conversion"]["notes"] if n.startswith("nothing reads")), "")
    return name not in gone.partition("input ")[2].partition(":")[0].split(", ")


if __name__ == "__main__":
    sys.exit(run(tried, __doc__))
