"""Graphs as functional models of Keras's own layers."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers as stock
from keras import ops

from rnnspec.activations import Affine, Elu, LeakyRelu
from rnnspec.backends.tensorflow.stock import activation_of, check_widths, fill, in_order, made, refused
from rnnspec.cells import Stack
from rnnspec.checkpoint import Checkpoint
from rnnspec.convert.names import unique
from rnnspec.errors import UnsupportedError
from rnnspec.graph import Node
from rnnspec.layers import (
    Activation,
    Attention,
    Convolution,
    Dense,
    Dropout,
    Embedding,
    Layer,
    Merge,
    Norm,
    Pool,
    Recurrent,
    Repeat,
    Scale,
    Summary,
)
from rnnspec.layers.convolution import Window
from rnnspec.ops import scope

_PASS = (Recurrent, Dense, Dropout, Activation, Embedding, Norm)  # what reads a mask, or hands it on, as ours does


def functional(checkpoint: Checkpoint) -> keras.Model:
    """The model in stock layers; its inputs and outputs are in the order of ours.

    Raises:
        UnsupportedError: Keras has no layer that means the same; the message names the layer and the option.
    """
    graph = Graph(checkpoint)
    model = checkpoint.model
    read = {name for node in model.graph.nodes for name in node.of}
    for node in model.graph.nodes:
        if node.name in read:
            check_widths(node.layer)
        graph.add(node)
    outputs = [graph.values[name] for name in model.graph.outputs]
    return keras.Model(*(each if len(each) > 1 else each[0] for each in (graph.inputs, outputs)))


class Graph:
    """Keras's tensors by the places of the graph, and those of them that are masked."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint, self.model = checkpoint, checkpoint.model
        self.taken = {layer.name for layer in self.model.layers} | set(self.model.given)
        self.dtype = checkpoint.dtype
        self.values: dict[str, Any] = {}
        self.inputs: list[Any] = []
        self.masked: set[str] = set()
        self.zeroed = {name for name, given in self.model.given.items() if given.features and given.padding}
        self.masks: dict[str, float] = {}  # ids → the one that an embedding behind them masks
        nodes = self.model.graph.nodes
        used = [name for node in nodes for name in (*node.of, *(node.start or {}).values())]
        self.stateful = {name.partition(".")[0] for name in used if name not in self.model.graph.places}
        for name, given in self.model.given.items():
            self._input(name, given)

    def _input(self, name: str, given: Any) -> None:
        shape = ((None,) if given.sequence else ()) + (() if given.features is None else (given.features,))
        named = unique("x_", self.taken) if name in {layer.name for layer in self.model.layers} else name
        x = keras.Input(shape, dtype="int32" if given.features is None else self.dtype, name=named)
        self.inputs.append(x)
        padding = self.model.given[given.like].padding if given.like else given.padding
        if padding is not None:
            if given.like:
                raise UnsupportedError(
                    f"input {name!r}: like {given.like!r}, whose mask Keras does not give to another"
                )
            self.masked.add(name)
            if given.features is None:
                self.masks[name] = padding
            else:
                x = stock.Masking(padding, name=self.helper("masking"), dtype=self.dtype)(x)
        self.values[name] = x

    def helper(self, name: str) -> str:
        """A name for a layer that ours do not have."""
        name = unique(name, self.taken)
        self.taken.add(name)
        return name

    def add(self, node: Node) -> None:
        """The layer, after which what it gives stands among the values."""
        layer, reads = node.layer, [self.values[name] for name in node.of]
        masked = any(name in self.masked for name in node.of)
        if masked:
            self._check_mask(layer)
            if not isinstance(layer, Recurrent) and any(name in self.zeroed for name in node.of):
                raise refused(layer, "reading a padding other than 0", "its Masking makes it 0")
        if masked and node.gives.time is not None:
            self.masked.add(layer.name)
        if isinstance(layer, Recurrent):
            self._recurrent(node, layer, reads[0], masked)
        elif isinstance(layer, Embedding | Dense | Dropout | Norm):
            mask = self.masks.get(node.of[0])
            native = made(layer, self.dtype, mask=mask)
            self.values[layer.name] = native(reads[0])
            self._fill(native, layer)
        else:
            self.values[layer.name] = self._function(layer, reads, node)

    def _check_mask(self, layer: Layer) -> None:
        """Raise UnsupportedError where Keras does something else than ours with a mask."""
        joins = isinstance(layer, Merge) and layer.how in ("concat", "add", "average")
        means = isinstance(layer, Summary) and layer.how == "mean"
        if not (joins or means or isinstance(layer, _PASS)):
            raise UnsupportedError(
                f"layer {layer.name!r}: {type(layer).__name__} behind a padding: Keras's reads no mask, or another one"
            )
        if isinstance(layer, Recurrent) and layer.start:
            raise refused(layer, "start behind a padding", "it drops the mask where states are given")
        if isinstance(layer, Recurrent) and not in_order(layer):
            raise refused(layer, f"direction={layer.direction!r} behind a padding", "its go_backwards reverses both")

    def _fill(self, native: keras.layers.Layer, layer: Layer) -> None:
        fill(native, layer, scope(self.checkpoint.weights, layer.name))

    def _recurrent(self, node: Node, layer: Recurrent, x: Any, masked: bool) -> None:
        if layer.merge == "none":
            raise refused(layer, "merge='none'", "what ends a functional model is one tensor")
        state = layer.name in self.stateful
        if (state or layer.start) and any(isinstance(cell, Stack) for cell, _ in layer.directions.values()):
            raise refused(layer, "the states of a Stack")
        native = made(layer, self.dtype, masked=masked, state=state)
        given = {"initial_state": self._start(node, layer)} if layer.start else {}
        found = native(x, **given)
        y, *states = found if state else [found]
        for name, value in zip(node.states, states, strict=False):
            self.values[f"{layer.name}.{name}"] = value
        if not in_order(layer):
            y = ops.flip(y, axis=1)
        self.values[layer.name] = y
        self._fill(native, layer)

    def _start(self, node: Node, layer: Recurrent) -> list[Any]:
        """The states that it starts from, in Keras's order, which is ours."""
        given = {state: self.values[place] for state, place in (layer.start or {}).items()}
        found = []
        for name, size in node.states.items():
            same = next((value for value in given.values() if value.shape[-1] == size), None)
            if name not in given and same is None:
                raise refused(layer, f"start without {name!r}", "it takes all states or none")
            found.append(given[name] if name in given else ops.zeros_like(same))
        return found

    def _function(self, layer: Layer, reads: Sequence[Any], node: Node) -> Any:
        x, named = reads[0], {"name": layer.name, "dtype": self.dtype}
        match layer:
            case Activation():
                return self._activation(layer, named)(x)
            case Scale():
                weights = scope(self.checkpoint.weights, layer.name)
                gamma, beta = weights["gamma"], weights.get("beta", np.zeros(1))
                offset = beta.tolist() if layer.beta else 0.0
                return stock.Rescaling(gamma.tolist(), offset, **named)(x)
            case Convolution():
                return self._convolution(layer, named, x)
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
                return self._attention(layer, reads, node)
        raise refused(layer, type(layer).__name__)

    def _activation(self, layer: Activation, named: dict[str, Any]) -> keras.layers.Layer:
        match layer.function:
            case LeakyRelu(alpha=alpha):
                return stock.LeakyReLU(negative_slope=alpha, **named)
            case Elu(alpha=alpha):
                return stock.ELU(alpha=alpha, **named)
            case Affine(alpha=alpha, beta=beta):
                return stock.Rescaling(alpha, beta, **named)
        return stock.Activation(activation_of(layer.function, f"layer {layer.name!r}: function"), **named)

    def _convolution(self, layer: Convolution, named: dict[str, Any], x: Any) -> Any:
        if layer.stride > 1 and layer.dilation > 1:
            raise refused(layer, f"stride={layer.stride} with dilation={layer.dilation}")
        padding = layer.padding
        if padding == "same" and (layer.stride > 1 or layer.before is not None):
            name = self.helper(f"{layer.name}_padded")
            x, padding = stock.ZeroPadding1D(layer.outside, name=name, dtype=self.dtype)(x), "valid"
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
        self._fill(native, layer)
        return y

    def _attention(self, layer: Attention, reads: Sequence[Any], node: Node) -> Any:
        """`Attention`, `AdditiveAttention`; of several heads, or √features, `MultiHeadAttention` whose projections are
        identities."""
        query, keys, values = reads[0], reads[1], reads[-1]
        weights = scope(self.checkpoint.weights, layer.name)
        vector = node.reads[0].time is None
        if vector:
            query = stock.RepeatVector(1, name=self.helper(f"{layer.name}_query"), dtype=self.dtype)(query)
        named = {"name": layer.name, "dtype": self.dtype}
        if layer.score in ("general", "additive") and layer.heads > 1:
            raise refused(layer, f"score={layer.score!r} of {layer.heads} heads")
        if layer.score == "additive":
            native = stock.AdditiveAttention(use_scale=True, **named)
            y = native([query, values, keys])
            native.set_weights([weights["scale"][0]])
        elif layer.heads > 1 or layer.score == "scaled":
            y = self._heads(layer, named, query, keys, values)
        else:
            if layer.score == "general":
                name = self.helper(f"{layer.name}_keys")
                product = stock.Dense(query.shape[-1], use_bias=False, name=name, dtype=self.dtype)
                keys = product(keys)
                product.set_weights([weights["kernel"][0].T])
            y = stock.Attention(**named)([query, values, keys])
        return y[:, 0] if vector else y

    def _heads(self, layer: Attention, named: dict[str, Any], query: Any, keys: Any, values: Any) -> Any:
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


def _pool(layer: Pool, named: dict[str, Any]) -> keras.layers.Layer:
    stride = layer.strides[0]
    if layer.padding == "causal" or layer.before is not None or (_moves(layer) and layer.padding == "same"):
        why = "where its windows begin depends on the number of steps"
        raise refused(layer, f"padding={layer.padding!r} of {layer.width} steps", why)
    kind = stock.MaxPooling1D if layer.how == "max" else stock.AveragePooling1D
    return kind(layer.width, stride, layer.padding, **named)


def _moves(layer: Window) -> bool:
    """Whether Keras's windows with padding='same' begin elsewhere for another number of steps."""
    return layer.strides[0] > 1 and layer.width > 2


def _summary(layer: Summary, named: dict[str, Any], x: Any) -> Any:
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
