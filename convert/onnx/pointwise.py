"""What acts on every step by itself: products, biases, activations, embeddings; and how two directions are merged."""

from dataclasses import replace

import numpy as np
from onnx import AttributeProto

from rnnspec.activations import Activation
from rnnspec.conventions.onnx import OVER_FEATURES
from rnnspec.convert.onnx import activations
from rnnspec.convert.onnx.graph import Node
from rnnspec.convert.onnx.streams import Both, Dense, Embedded, Kind, Run, Source, Stream, Streams, Traced
from rnnspec.errors import SpecError, UnsupportedError

_MERGES = {"Add": "sum", "Sum": "sum", "ReduceSum": "sum", "Mul": "mul", "Mean": "ave", "ReduceMean": "ave"}
KINDS = ("MatMul", "Gemm", "Sub", "Div", *_MERGES, *activations.NODES)


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
        return _activated(node, elements[0], activations.of_node(node, elements[0].shape, others, opset), streams)
    if node.kind.startswith("Reduce"):
        elements = _apart(node, inputs, elements[0])
    elif len(elements) == 1:
        return _with_constant(node, inputs, elements[0], streams)
    if node.kind not in _MERGES or len(elements) != 2 or elements[0].shape != elements[1].shape:
        raise UnsupportedError(f"{node}: of two outputs of layers: not a chain; --part NAME takes one that is")
    return _merged(node, elements[0], elements[1], streams)


def embedded(node: Node, table: np.ndarray, ids: np.ndarray, streams: Streams) -> np.ndarray:
    """Rows of a table (vocabulary, units) by ids."""
    source, positions = streams.read(ids[..., None], str(node))
    if not isinstance(source, Source) or table.ndim != 2 or node.integer("axis") != 0:
        raise UnsupportedError(f"{node}: picks with {source}, where an embedding picks rows with the ids of the input")
    source.ids = True
    numbers = streams.new(*source.numbers.shape[:2], table.shape[1])
    stream = streams.add(Embedded(name=_name(node), numbers=numbers, before=source, table=table))
    return _at(stream, positions)


def _product(node: Node, inputs: list[Traced | None], streams: Streams) -> np.ndarray:
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
        offset = None if bias is None else _over_features(node, bias, units) * np.float32(node.number("beta", 1.0))
    dense = streams.add(Dense(
        name=_name(node), numbers=streams.new(*stream.numbers.shape[:2], units), before=stream, final=stream.final,
        sequence=stream.sequence, kernel=matrix.T, bias=offset,
    ))  # fmt: skip
    return _at(dense, positions)


def _with_constant(node: Node, inputs: list[Traced | None], x: np.ndarray, streams: Streams) -> np.ndarray:
    """A bias; or the half of a sum, which is the mean of two directions."""
    present = [tensor for tensor in inputs if tensor is not None]
    constant = next((tensor for tensor in present if tensor.kind is not Kind.ELEMENTS), None)
    first = present[0].kind is Kind.ELEMENTS
    if constant is None or constant.kind is not Kind.WEIGHTS or len(present) != 2 or constant.array.ndim > x.ndim:
        raise UnsupportedError(f"{node}: with what depends on the sizes of the input; no layer of ours")
    if node.kind == "Add" or (node.kind == "Sub" and first):
        stream, positions = streams.read(x, str(node))
        bias = _over_features(node, constant, stream.features)
        return _at(_with_bias(stream, bias if node.kind == "Add" else -bias, node, streams), positions)
    factor = constant.array.item() if constant.array.size == 1 else 0
    if (node.kind, factor) in (("Mul", 0.5), ("Div", 2.0)) and (first or node.kind == "Mul"):
        stream, positions = streams.read(x, str(node))
        if isinstance(stream, Both) and stream.merge == "sum":
            return _at(streams.add(replace(stream, merge="ave", numbers=streams.new(*stream.numbers.shape))), positions)
    raise UnsupportedError(f"{node}: with a constant {constant.array.shape}, which is no layer of ours")


def _over_features(node: Node, bias: Traced, units: int) -> np.ndarray:
    array = bias.array
    if array.size != 1 and (array.shape[-1] != units or array.size != units):
        raise UnsupportedError(f"{node}: adds {array.shape}, where a bias has {units} numbers, one per feature")
    return np.broadcast_to(array.reshape(-1), (units,))


def _with_bias(stream: Stream, bias: np.ndarray, node: Node, streams: Streams) -> Dense:
    dense = stream if isinstance(stream, Dense) and stream.bias is None and stream.activation == "linear" else None
    return _like(dense or _identity(stream, node), streams, bias=bias)


def _activated(node: Node, x: np.ndarray, activation: Activation, streams: Streams) -> np.ndarray:
    squeezed = x.ndim == 0 or (x.shape[-1] != 1 and all(s.numbers.shape[-1] == 1 for s in streams.owners(x.flat)))
    if squeezed and node.kind in OVER_FEATURES:
        raise UnsupportedError(f"{node}: over an axis that is not the features; no layer of ours")
    stream, positions = streams.read(x[..., None] if squeezed else x, str(node))
    dense = stream if isinstance(stream, Dense) and stream.activation == "linear" else _identity(stream, node)
    result = _at(_like(dense, streams, activation=activation), positions)
    return result[..., 0] if squeezed else result


def _identity(stream: Stream, node: Node) -> Dense:
    return Dense(name=_name(node), numbers=stream.numbers, before=stream, final=stream.final, sequence=stream.sequence)


def _like(dense: Dense, streams: Streams, **changes) -> Dense:
    return streams.add(replace(dense, numbers=streams.new(*dense.numbers.shape), **changes))


def _apart(node: Node, inputs: list[Traced | None], x: np.ndarray) -> list[np.ndarray]:
    """The two directions, of which the node gives sum or mean."""
    given = inputs[1].array.ravel().tolist() if len(inputs) > 1 and inputs[1] is not None else None
    axes = given or node.get("axes", AttributeProto.INTS, [])
    if len(axes) != 1 or not -x.ndim <= axes[0] < x.ndim or x.shape[axes[0]] != 2:
        raise UnsupportedError(f"{node}: over axes {axes} of {x.shape}, where two directions would be merged")
    keep = bool(node.integer("keepdims", 1))
    return [np.take(x, [k] if keep else k, axis=axes[0]) for k in (0, 1)]


def _merged(node: Node, one: np.ndarray, two: np.ndarray, streams: Streams) -> np.ndarray:
    (first, at), (second, there) = streams.read(one, str(node)), streams.read(two, str(node))
    if not isinstance(first, Run) or not isinstance(second, Run) or first.features != second.features:
        raise UnsupportedError(f"{node}: of {first} and {second}: not a chain; --part NAME takes one that is")
    if np.array_equal(at, there):
        return _at(streams.both(first, second, _MERGES[node.kind], False), at)
    rows, steps = np.divmod(np.stack([at, there]), first.numbers.shape[1])
    assert first.final is not None
    assert second.final is not None
    last = np.stack([first.final[rows[0]], second.final[rows[1]]])
    if not np.array_equal(rows[0], rows[1]) or not np.array_equal(steps, last):
        raise UnsupportedError(f"{node}: merges different steps of {first} and {second}; no layer of ours")
    return _at(streams.both(first, second, _MERGES[node.kind], True), rows[0])


def _at(stream: Stream, positions: np.ndarray) -> np.ndarray:
    return stream.numbers.reshape(-1, stream.features)[positions]


def _name(node: Node) -> str:
    return node.name or node.kind
