"""Layers of version 2 of the specification in Keras's own layers and operations."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers as stock
from keras import ops

from rnnspec.activations import Affine, Elu, LeakyRelu
from rnnspec.backends.tensorflow.stock import activation_of, fill, refused
from rnnspec.layers import Activation, Attention, Convolution, Layer, Merge, Pool, Repeat, Scale, Summary
from rnnspec.layers.convolution import Window

Arrays = dict[str, np.ndarray]
Named = dict[str, Any]  # name and dtype of a layer


def computed(layer: Layer, reads: Sequence[Any], weights: Arrays, dtype: str, helper: Callable[[str], str]) -> Any:
    """What the layer gives, in Keras's own layers and operations, with its weights.

    Args:
        reads: Keras's tensors.
        helper: a name like the one given, for a layer that ours do not have.

    Raises:
        UnsupportedError: Keras has nothing that means the same; the message names the layer and the option.
    """
    x, named = reads[0], {"name": layer.name, "dtype": dtype}
    match layer:
        case Activation():
            return _activation(layer, named)(x)
        case Scale():
            gamma, beta = weights["gamma"], weights.get("beta", np.zeros(1))
            offset = beta.tolist() if layer.beta else 0.0
            return stock.Rescaling(gamma.tolist(), offset, **named)(x)
        case Convolution():
            return _convolution(layer, named, x, weights, helper)
        case Pool():
            return _pool(layer, named)(x)
        case Merge():
            return _JOINS[layer.how](**named)(list(reads))
        case Repeat() if layer.steps is not None:
            return stock.RepeatVector(layer.steps, **named)(x)
        case Repeat():
            return ops.expand_dims(x, 1) + ops.zeros_like(reads[1][:, :, :1])
        case Summary():
            return _summary(layer, named, x)
        case Attention():
            return _attention(layer, named, reads, weights, helper)
    raise refused(layer, type(layer).__name__)


def _activation(layer: Activation, named: Named) -> keras.layers.Layer:
    match layer.function:
        case LeakyRelu(alpha=alpha):
            return stock.LeakyReLU(negative_slope=alpha, **named)
        case Elu(alpha=alpha):
            return stock.ELU(alpha=alpha, **named)
        case Affine(alpha=alpha, beta=beta):
            return stock.Rescaling(alpha, beta, **named)
    return stock.Activation(activation_of(layer.function, f"layer {layer.name!r}: function"), **named)


def _convolution(layer: Convolution, named: Named, x: Any, weights: Arrays, helper: Callable[[str], str]) -> Any:
    if layer.stride > 1 and layer.dilation > 1:
        raise refused(layer, f"stride={layer.stride} with dilation={layer.dilation}")
    padding = layer.padding
    if padding == "same" and (layer.stride > 1 or layer.before is not None):
        name = helper(f"{layer.name}_padded")
        x, padding = stock.ZeroPadding1D(layer.outside, name=name, dtype=named["dtype"])(x), "valid"
    native = stock.Conv1D(
        layer.units,
        layer.width,
        layer.stride,
        padding,
        dilation_rate=layer.dilation,
        groups=layer.groups,
        activation=activation_of(layer.activation, f"layer {layer.name!r}: activation"),
        use_bias=layer.bias,
        **named,
    )
    y = native(x)
    fill(native, layer, weights)
    return y


def _attention(
    layer: Attention, named: Named, reads: Sequence[Any], weights: Arrays, helper: Callable[[str], str]
) -> Any:
    """`Attention`, `AdditiveAttention`; of several heads, or √features, `MultiHeadAttention` whose projections are
    identities."""
    query, keys, values = reads[0], reads[1], reads[-1]
    vector = len(query.shape) == 2
    if vector:
        query = stock.RepeatVector(1, name=helper(f"{layer.name}_query"), dtype=named["dtype"])(query)
    if layer.score in ("general", "additive") and layer.heads > 1:
        raise refused(layer, f"score={layer.score!r} of {layer.heads} heads")
    if layer.score == "additive":
        native = stock.AdditiveAttention(use_scale=True, **named)
        y = native([query, values, keys])
        native.set_weights([weights["scale"][0]])
    elif layer.heads > 1 or layer.score == "scaled":
        y = _heads(layer, named, query, keys, values)
    else:
        if layer.score == "general":
            name = helper(f"{layer.name}_keys")
            product = stock.Dense(query.shape[-1], use_bias=False, name=name, dtype=named["dtype"])
            keys = product(keys)
            product.set_weights([weights["kernel"][0].T])
        y = stock.Attention(**named)([query, values, keys])
    return y[:, 0] if vector else y


def _heads(layer: Attention, named: Named, query: Any, keys: Any, values: Any) -> Any:
    features, size = keys.shape[-1] // layer.heads, values.shape[-1] // layer.heads
    native = stock.MultiHeadAttention(
        layer.heads, features, size, use_bias=False, output_shape=values.shape[-1], **named
    )
    y = native(query, values, keys)
    factor = features**0.5 if layer.score == "dot" else 1.0
    of_keys, of_values = np.eye(keys.shape[-1]), np.eye(values.shape[-1])
    native.set_weights(
        [
            factor * of_keys.reshape(-1, layer.heads, features),
            of_keys.reshape(-1, layer.heads, features),
            of_values.reshape(-1, layer.heads, size),
            of_values.reshape(layer.heads, size, -1),
        ]
    )
    return y


_JOINS = {
    "concat": stock.Concatenate,
    "add": stock.Add,
    "multiply": stock.Multiply,
    "average": stock.Average,
    "maximum": stock.Maximum,
}


def _pool(layer: Pool, named: Named) -> keras.layers.Layer:
    stride = layer.strides[0]
    if layer.padding == "causal" or layer.before is not None or (_moves(layer) and layer.padding == "same"):
        why = "where its windows begin depends on the number of steps"
        raise refused(layer, f"padding={layer.padding!r} of {layer.width} steps", why)
    kind = stock.MaxPooling1D if layer.how == "max" else stock.AveragePooling1D
    return kind(layer.width, stride, layer.padding, **named)


def _moves(layer: Window) -> bool:
    """Whether Keras's windows with padding='same' begin elsewhere for another number of steps."""
    return layer.strides[0] > 1 and layer.width > 2


def _summary(layer: Summary, named: Named, x: Any) -> Any:
    match layer.how:
        case "last":
            return x[:, -1]
        case "first":
            return x[:, 0]
        case "sum":
            return ops.sum(x, axis=1)
        case "mean":
            return stock.GlobalAveragePooling1D(**named)(x)
    return stock.GlobalMaxPooling1D(**named)(x)
