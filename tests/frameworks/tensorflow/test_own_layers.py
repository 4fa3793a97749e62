"""Each layer of a graph means what Keras's own layer means: values, and gradients of weights and inputs."""

from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as stock

import rnnspec.backends.tensorflow as backend
from rnnspec import Checkpoint, Convolution, Dense, Embedding, Norm, Pool, Scale, Summary
from rnnspec.conformance.case import Case
from rnnspec.conformance.comparison import wrong
from rnnspec.layers.convolution import Window
from rnnspec.reference import Net as Reference

from ..agreement import solved
from .own import apply, assert_agree

TIME, FEATURES, UNITS = 11, 4, 6
LENGTHS = [11, 8, 2]  # one shorter than windows
NORM = ("gamma", "beta", "mean", "variance")
KEPT = np.arange(TIME) < np.array(LENGTHS)[:, None]
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def own(kind, *names, **options):
    """A layer of Keras with our weights of these names; another axis order where they are a kernel's."""

    def layer(p, x, **call):
        weights = [tf.transpose(p[name], TURNED[len(p[name].shape)]) for name in names]
        return apply(kind(**options, dtype=x.dtype), weights, x, **call)

    return layer


TURNED = {1: [0], 2: [1, 0], 3: [1, 2, 0]}  # of a bias, and of the kernels of Dense and Conv1D


def convolution(padding, theirs=None, pads=(0, 0), **options):
    """`pads`: steps of zeros that Keras's users put around x."""
    ours = Convolution(name="l", units=UNITS, padding=padding, **options)
    names = ["kernel", "bias"] if ours.bias else ["kernel"]
    layer = own(
        stock.Conv1D,
        *names,
        filters=UNITS,
        kernel_size=ours.width,
        strides=ours.stride,
        padding=theirs or padding,
        dilation_rate=ours.dilation,
        groups=ours.groups,
        activation=ours.activation,
        use_bias=ours.bias,
    )
    return ours, lambda p, x: layer(p, tf.pad(x, [(0, 0), pads, (0, 0)]))


def pool(how, padding, width, stride=None, **options):
    kind = stock.MaxPooling1D if how == "max" else stock.AveragePooling1D
    theirs = own(kind, pool_size=width, strides=stride, padding=padding)
    return Pool(name="l", how=how, padding=padding, width=width, stride=stride, **options), theirs


LAYERS = {
    "causal": convolution("causal", width=3, activation="tanh"),
    "causal, dilated": convolution("causal", width=4, dilation=2, groups=2),
    "causal, strided": convolution("causal", width=4, stride=3, bias=False),
    "same": convolution("same", width=3, activation="elu"),
    "same, even": convolution("same", width=4),
    "same, dilated": convolution("same", width=4, dilation=2, groups=2, bias=False),
    # With a stride, where Keras's windows begin depends on the number of steps (CONVOLUTION-3): at 11 steps, 1 before.
    "same, strided": convolution("same", width=5, stride=3, groups=2, before=1),
    "same, begun late": convolution("same", "valid", (0, 3), width=4, before=0),
    "valid": convolution("valid", width=4),
    "valid, strided": convolution("valid", width=3, stride=2, groups=2),
    "valid, dilated": convolution("valid", width=3, dilation=3),
    "max": pool("max", "valid", 2),
    "max, same": pool("max", "same", 4, 1),
    "max, strided": pool("max", "same", 5, 3, before=1),
    "mean": pool("mean", "valid", 4, 2),
    "mean, same": pool("mean", "same", 4, 1),
    "mean, strided": pool("mean", "same", 5, 3, before=1),
    "layer": (
        Norm(name="l", kind="layer", epsilon=1e-3),
        own(stock.LayerNormalization, "gamma", "beta", epsilon=1e-3),
    ),
    "layer without beta": (
        Norm(name="l", kind="layer", epsilon=0.5, beta=False),
        own(stock.LayerNormalization, "gamma", epsilon=0.5, center=False),
    ),
    "batch": (
        Norm(name="l", kind="batch", epsilon=0.5),
        own(stock.BatchNormalization, *NORM, epsilon=0.5),
    ),
    "batch without beta": (
        Norm(name="l", kind="batch", epsilon=1e-3, beta=False),
        own(stock.BatchNormalization, "gamma", "mean", "variance", center=False),
    ),
    "scale": (
        Scale(name="l"),
        own(stock.EinsumDense, "gamma", "beta", equation="btf,f->btf", output_shape=(None, FEATURES), bias_axes="f"),
    ),
    "dense": (
        Dense(name="l", units=UNITS, activation="softmax"),
        own(stock.Dense, "kernel", "bias", units=UNITS, activation="softmax"),
    ),
    "dense without bias": (
        Dense(name="l", units=UNITS, bias=False),
        own(stock.Dense, "kernel", units=UNITS, use_bias=False),
    ),
    "summary, mean": (Summary(name="l", how="mean"), own(stock.GlobalAveragePooling1D)),
    "summary, max": (Summary(name="l", how="max"), own(stock.GlobalMaxPooling1D)),
}


@cache
def chain(name, ragged) -> Case:
    """A sum over the valid steps says which are valid."""
    layer, _ = LAYERS[name]
    end = [] if isinstance(layer, Summary) or not ragged else [Summary(name="end", how="sum")]
    return solved(name, FEATURES, [layer, *end], time=TIME, lengths=LENGTHS if ragged else None)


def windows(layer) -> np.ndarray:
    """How many windows over each row count (CONVOLUTION-4); steps, of other layers."""
    steps = np.array(LENGTHS)
    if not isinstance(layer, Window):
        return steps
    needed = layer.span if layer.padding == "valid" else 1
    return np.maximum(steps - needed + layer.strides[0], 0) // layer.strides[0]


def with_masks(name, p, x):
    """Keras's layers read padded steps, but for GlobalAveragePooling1D: its users put there what is not seen."""
    ours, layer = LAYERS[name]
    kept = tf.constant(KEPT)[..., None]
    if name == "summary, mean":
        return layer(p, x, mask=kept[..., 0])
    y = layer(p, tf.where(kept, x, -np.inf if "max" in name else 0.0))
    if name.startswith("mean"):
        y = tf.math.divide_no_nan(y, layer(p, tf.cast(kept, x.dtype)))
    if isinstance(ours, Summary):
        return y
    valid = tf.sequence_mask(windows(ours), y.shape[1])
    return tf.reduce_sum(tf.where(valid[..., None], y, 0.0), 1)


@DTYPES
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, dtype):
    assert_agree(chain(name, ragged=False), dtype, lambda p, x: LAYERS[name][1](p, **x))


@DTYPES
@pytest.mark.parametrize("name", LAYERS)
def test_padding(name, dtype):
    assert_agree(chain(name, ragged=True), dtype, lambda p, x: with_masks(name, p, **x))


@DTYPES
def test_keras_drops_the_mask_at_a_convolution(dtype):
    """It reads padding too (CONVOLUTION-2): such a network is ours called without lengths, with them it is another."""

    def padded(weights, inputs):
        inputs["x"] = np.where(KEPT, 1 + inputs["x"] % 4, 0)

    layers = [
        Embedding(name="e", vocabulary=5, units=FEATURES),
        Convolution(name="l", units=UNITS, width=3, padding="causal"),
        Summary(name="end", how="mean"),
    ]
    case = solved("dropped", None, layers, time=TIME, edit=padded)
    network = keras.Sequential(
        [
            stock.Embedding(5, FEATURES, mask_zero=True, dtype=dtype),
            stock.Conv1D(UNITS, 3, padding="causal", dtype=dtype),
            stock.GlobalAveragePooling1D(dtype=dtype),
        ]
    )

    def theirs(p, x):
        with pytest.warns(UserWarning, match="does not support masking"):
            return apply(network, [p["e.embeddings"], tf.transpose(p["kernel"], TURNED[3]), p["bias"]], x["x"])

    assert_agree(case, dtype, theirs)
    y, _ = backend.load(case.checkpoint, dtype=dtype)(case.inputs["x"], lengths=LENGTHS)
    assert np.abs(y - case.expected["y"])[1:].min() > 1e-3


@DTYPES
def test_a_batch_norm_in_training(dtype):
    """One that is frozen has stored statistics in training too. Another has those of the batch's valid steps, and ours
    gives the same with these stored (NORMALISE-2)."""
    layers = [Norm(name="l", kind="batch", epsilon=0.5)]
    theirs = own(stock.BatchNormalization, *NORM, epsilon=0.5, trainable=False)
    case = solved("frozen", FEATURES, layers, time=TIME, training=True)
    assert_agree(case, dtype, lambda p, x: theirs(p, x["x"], training=True))
    layer, x = stock.BatchNormalization(epsilon=0.5, dtype=dtype), case.inputs["x"].astype("float64")
    layer.build(x.shape)
    layer.set_weights([case.weights[f"l.{name}"] for name in NORM])
    y = layer(tf.constant(x, dtype), training=True, mask=tf.constant(KEPT))
    weights = {name: array.astype("float64") for name, array in case.weights.items()}
    many = KEPT.sum() + keras.config.epsilon()  # Keras's, against a division by 0
    mean = x[KEPT].sum(0) / many
    weights |= {"l.mean": mean, "l.variance": np.square(x[KEPT] - mean).sum(0) / many}
    expected, _ = Reference(Checkpoint(case.model, weights), "float64")(x)
    assert not wrong({"y": y.numpy()}, {"y": expected}, dtype, case.allowed(dtype))
