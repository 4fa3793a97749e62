"""What acts on every step by itself: products, biases, activations, embeddings.

A dense layer comes in pieces, and each piece makes a new stream out of the one before:

    MatMul(x, W)             Dense(kernel=W)
    Add(…, b)                Dense(kernel=W, bias=b)
    Sigmoid(…)               Dense(kernel=W, bias=b, activation="sigmoid")
    Tanh(…)                  Dense(activation="tanh"), of its own: the one before has an activation already
"""

from dataclasses import replace

import numpy as np

from rnnspec.activations import Activation
from rnnspec.conventions.onnx import OVER_FEATURES
from rnnspec.convert.onnx import activations
from rnnspec.convert.onnx.graph import Node
from rnnspec.convert.onnx.merges import MERGES, apart, merged
from rnnspec.convert.onnx.streams import Both, Dense, Embedded, Kind, Source, Stream, Streams, Traced
from rnnspec.errors import SpecError, UnsupportedError

KINDS = ("MatMul", "Gemm", "Sub", "Div", *MERGES, *activations.NODES)


def compute(node: Node, inputs: list[Traced | None], streams: Streams, opset: int) -> np.ndarray:
    """The elements that a node of `KINDS` gives, at least one of whose inputs holds elements.

    Raises:
        UnsupportedError: it is not a layer of ours, nor a part of one.
    """
    elements = [tensor.array for tensor in inputs if tensor is not None and tensor.kind is Kind.ELEMENTS]
    if node.kind in ("MatMul", "Gemm"):
        return _product(node, inputs, streams)
    if node.kind in activations.NODES:
        others = [None if tensor is None else tensor.array for tensor in inputs[1:]]
        activation = activations.of_node(node, elements[0].shape, others, opset)
        return _activated(node, elements[0], activation, streams)
    if node.kind.startswith("Reduce"):
        elements = apart(node, inputs, elements[0])
    elif len(elements) == 1:
        return _with_constant(node, inputs, elements[0], streams)
    if node.kind not in MERGES or len(elements) != 2 or elements[0].shape != elements[1].shape:
        raise UnsupportedError(f"{node}: of two outputs of layers: not a chain; --part NAME takes one that is")
    return merged(node, elements[0], elements[1], streams)


def embedded(node: Node, table: np.ndarray, ids: np.ndarray, streams: Streams) -> np.ndarray:
    """Rows of a table (vocabulary, units) by ids.

    Raises:
        UnsupportedError: the ids are not the input, or they pick something else than rows.
    """
    source, positions = streams.read(ids[..., None], str(node))
    if not isinstance(source, Source) or table.ndim != 2 or node.integer("axis") != 0:
        raise UnsupportedError(f"{node}: picks with {source}, where an embedding picks rows with the ids of the input")
    source.ids = True
    numbers = streams.new(*source.numbers.shape[:2], table.shape[1])
    found = Embedded(name=node.label, numbers=numbers, before=source, sequence=source.sequence, table=table)
    return streams.add(found).at(positions)


def _product(node: Node, inputs: list[Traced | None], streams: Streams) -> np.ndarray:
    """`MatMul(x, W)`, or `Gemm`: alpha · x W + beta · bias, of which W may be transposed and x may not."""
    x, kernel, *rest = inputs
    gemm = node.kind == "Gemm"
    bias = rest[0] if rest else None
    weights = [tensor for tensor in (kernel, bias) if tensor is not None]
    if x is None or x.kind is not Kind.ELEMENTS or kernel is None or any(w.kind is not Kind.WEIGHTS for w in weights):
        raise UnsupportedError(f"{node}: is not the product of a layer's output with weights; no layer of ours")
    matrix = kernel.array.T if gemm and node.integer("transB") else kernel.array
    if matrix.ndim != 2 or (gemm and node.integer("transA")):
        raise UnsupportedError(f"{node}: weights of shape {kernel.array.shape}, where a dense layer has a matrix")
    stream, positions = streams.read(x.array, str(node))
    if len(matrix) != stream.features:
        raise SpecError(f"{node}: weights for {len(matrix)} features, {stream} has {stream.features}")
    units = matrix.shape[1]
    offset = None
    if gemm:
        matrix = matrix * np.float32(node.number("alpha", 1.0))
        if bias is not None:
            offset = _over_features(node, bias, units) * np.float32(node.number("beta", 1.0))
    dense = Dense(
        name=node.label,
        numbers=streams.new(*stream.numbers.shape[:2], units),
        before=stream,
        final=stream.final,
        sequence=stream.sequence,
        kernel=matrix.T,
        bias=offset,
    )
    return streams.add(dense).at(positions)


def _with_constant(node: Node, inputs: list[Traced | None], x: np.ndarray, streams: Streams) -> np.ndarray:
    """A bias, which is added or taken away; or the half of a sum, which is the mean of two directions."""
    present = [tensor for tensor in inputs if tensor is not None]
    constant = next((tensor for tensor in present if tensor.kind is not Kind.ELEMENTS), None)
    first = present[0].kind is Kind.ELEMENTS  # x - b and x / 2 are layers, b - x and 2 / x are none
    if constant is None or constant.kind is not Kind.WEIGHTS or len(present) != 2 or constant.array.ndim > x.ndim:
        raise UnsupportedError(f"{node}: with what depends on the sizes of the input; no layer of ours")
    if node.kind == "Add" or (node.kind == "Sub" and first):
        stream, positions = streams.read(x, str(node))
        bias = _over_features(node, constant, stream.features)
        return _with_bias(stream, bias if node.kind == "Add" else -bias, node, streams).at(positions)
    factor = constant.array.item() if constant.array.size == 1 else 0
    if (node.kind, factor) in (("Mul", 0.5), ("Div", 2.0)) and (first or node.kind == "Mul"):
        stream, positions = streams.read(x, str(node))
        if isinstance(stream, Both) and stream.merge == "sum":
            mean = replace(stream, merge="ave", numbers=streams.new(*stream.numbers.shape))
            return streams.add(mean).at(positions)
    raise UnsupportedError(f"{node}: with a constant {constant.array.shape}, which is no layer of ours")


def _over_features(node: Node, bias: Traced, units: int) -> np.ndarray:
    """A bias (units,) from any shape that is the same for every step: (), (1,), (units,), (1, 1, units)."""
    array = bias.array
    if array.size != 1 and (array.shape[-1] != units or array.size != units):
        raise UnsupportedError(f"{node}: adds {array.shape}, where a bias has {units} numbers, one per feature")
    return np.broadcast_to(array.reshape(-1), (units,))


def _with_bias(stream: Stream, bias: np.ndarray, node: Node, streams: Streams) -> Dense:
    """The dense layer whose product it is, with its bias; else the bias is a layer by itself."""
    free = isinstance(stream, Dense) and stream.bias is None and stream.activation == "linear"
    return _changed(stream if free else _identity(stream, node), streams, bias=bias)


def _activated(node: Node, x: np.ndarray, activation: Activation, streams: Streams) -> np.ndarray:
    """The dense layer whose sum it is, with its activation; else the activation is a layer by itself."""
    # A model of one feature may have dropped that axis before: what is read then has it again.
    squeezed = x.ndim == 0 or (x.shape[-1] != 1 and all(s.numbers.shape[-1] == 1 for s in streams.owners(x.flat)))
    if squeezed and node.kind in OVER_FEATURES:
        raise UnsupportedError(f"{node}: over an axis that is not the features; no layer of ours")
    stream, positions = streams.read(x[..., None] if squeezed else x, str(node))
    free = isinstance(stream, Dense) and stream.activation == "linear"
    dense = _changed(stream if free else _identity(stream, node), streams, activation=activation)
    result = dense.at(positions)
    return result[..., 0] if squeezed else result


def _identity(stream: Stream, node: Node) -> Dense:
    """A layer that gives what it is given, to have a bias or an activation."""
    return Dense(name=node.label, numbers=stream.numbers, before=stream, final=stream.final, sequence=stream.sequence)


def _changed(dense: Stream, streams: Streams, **changes) -> Dense:
    """The same layer with more to it, which gives other numbers."""
    return streams.add(replace(dense, numbers=streams.new(*dense.numbers.shape), **changes))
