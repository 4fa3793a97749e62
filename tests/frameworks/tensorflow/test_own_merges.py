"""Merges, repeats and activations mean what Keras's own do: values, and gradients of inputs."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as stock

from rnnspec import Activation, Input, Merge, Repeat, Summary
from rnnspec.activations import Elu, LeakyRelu
from rnnspec.conventions.keras import KERAS_3, activations

from ..agreement import solved
from .own import assert_agree

TIME, FEATURES, UNITS = 11, 4, 6
LENGTHS = [11, 8, 2]
KEPT = np.arange(TIME) < np.array(LENGTHS)[:, None]
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])

MERGES = {
    "concat": stock.Concatenate,
    "add": stock.Add,
    "multiply": stock.Multiply,
    "average": stock.Average,
    "maximum": stock.Maximum,
}
ACTIVATIONS = {  # ours and Keras's
    **{name: (ours, keras.activations.get(name)) for name, ours in activations(KERAS_3).items()},
    "gelu_tanh": ("gelu_tanh", partial(keras.activations.gelu, approximate=True)),
    "LeakyReLU": (LeakyRelu(alpha=0.25), lambda x: stock.LeakyReLU(0.25, dtype=x.dtype)(x)),
    "ELU": (Elu(alpha=0.7), lambda x: stock.ELU(0.7, dtype=x.dtype)(x)),
    "ReLU": ("relu6", lambda x: stock.ReLU(6.0, dtype=x.dtype)(x)),
    "Softmax": ("softmax", lambda x: stock.Softmax(dtype=x.dtype)(x)),
}
# TensorFlow rounds their constants to float32, in float64 too: the slope of LeakyRelu is an attribute of type float,
# and tf.nn.gelu makes √2 and 0.044715 tensors before it casts them.
ROUNDED = dict.fromkeys(("gelu", "gelu_tanh", "leaky_relu"), ("results", "gradients"))


@DTYPES
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("how", MERGES)
def test_merges(how, ragged, dtype):
    features = (FEATURES, 2, UNITS) if how == "concat" else [FEATURES] * 3
    names = dict(zip("abc", features, strict=True))
    inputs = {name: Input(features=n, like=None if name == "a" else "a") for name, n in names.items()}
    layers = [Merge(name="l", of=list(names), how=how), Summary(name="end", how="mean")][: 1 + ragged]
    case = solved(how, inputs, layers, time={"a": TIME}, lengths={"a": LENGTHS} if ragged else None)

    def theirs(p, x):
        layer, mask = MERGES[how](dtype=dtype), tf.constant(KEPT)
        y = layer(list(x.values()))
        mask = layer.compute_mask(list(x.values()), [mask] * 3)
        return stock.GlobalAveragePooling1D(dtype=dtype)(y, mask=mask) if ragged else y

    assert_agree(case, dtype, theirs)


@DTYPES
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, dtype):
    ours, theirs = ACTIVATIONS[name]

    def wide(weights, inputs):
        inputs["x"] *= 4  # beyond every bend

    case = solved(name, FEATURES, [Activation(name="l", function=ours)], time=TIME, edit=wide)
    assert_agree(case, dtype, lambda p, x: theirs(x["x"]), ROUNDED.get(name, ()))


@DTYPES
def test_repeat(dtype):
    inputs = {"a": Input(features=FEATURES, sequence=False), "b": Input(features=UNITS)}
    layers = [
        Repeat(name="steps", of="a", steps=7),
        Repeat(name="along", of=["a", "b"]),
        Merge(name="both", of=["along", "b"], how="concat"),
        Summary(name="one", of="steps", how="sum"),
        Summary(name="end", of="both", how="mean"),
        Merge(name="y", of=["one", "end"], how="concat"),
    ]
    case = solved("repeat", inputs, layers, time={"b": TIME}, lengths={"b": LENGTHS})

    def theirs(p, x):
        mean, join = stock.GlobalAveragePooling1D(dtype=dtype), stock.Concatenate(dtype=dtype)
        steps, along = (stock.RepeatVector(n, dtype=dtype)(x["a"]) for n in (7, TIME))
        return join([tf.reduce_sum(steps, 1), mean(join([along, x["b"]]), mask=tf.constant(KEPT))])

    assert_agree(case, dtype, theirs)
