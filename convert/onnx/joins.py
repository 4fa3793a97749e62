"""Operators of a graph on numbered elements, those that a chain has not: joins, factors, and what mixes steps."""

from collections.abc import Callable

import numpy as np
from onnx import AttributeProto

from rnnspec.conventions.onnx import softmax_axis
from rnnspec.convert.onnx import norms, scores, windows
from rnnspec.convert.onnx.graph import Node
from rnnspec.convert.onnx.made import Flat
from rnnspec.convert.onnx.places import Places
from rnnspec.convert.onnx.scores import Scores, Weighted
from rnnspec.convert.onnx.streams import Kind, Misfit, Traced, Unclear
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Convolution, Merge, Scale, Summary

Inputs = list[Traced | None]
_HOW = {"Add": "add", "Sum": "add", "Sub": "add", "Mul": "multiply", "Max": "maximum", "Mean": "average"}
_WINDOWS: dict[str, Callable[[Node, Inputs, Places], np.ndarray]] = {
    "Conv": windows.convolution, "MaxPool": windows.pooled, "AveragePool": windows.pooled,
    "BatchNormalization": windows.batch_norm, "LayerNormalization": windows.layer_norm,
}  # fmt: skip
KINDS = {*_WINDOWS, *norms.KINDS, "GlobalAveragePool", "GlobalMaxPool", "ReduceMax", "Neg", "Pad"}


def compute(node: Node, inputs: Inputs, places: Places, opset: int) -> np.ndarray | None:
    """The elements that a node gives; None where a chain's reader knows it.

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    kinds = [tensor.kind for tensor in inputs if tensor is not None]
    arrays = [tensor.array for tensor in inputs if tensor is not None]
    elements = kinds.count(Kind.ELEMENTS)
    first = arrays[0]
    if node.kind in norms.KINDS and (found := norms.compute(node, arrays, elements, places)) is not None:
        return found
    if node.kind in _WINDOWS:
        return _WINDOWS[node.kind](node, inputs, places)
    if node.kind in ("GlobalAveragePool", "GlobalMaxPool"):
        return windows.summed_up(node, inputs, places, 2, True)
    if node.kind in ("ReduceMean", "ReduceMax", "ReduceSum"):
        return _reduced(node, inputs, places)
    if node.kind == "MatMul" and elements == 2:
        return scores.product(node, arrays[0], arrays[1], places)
    if node.kind == "Neg":
        return _scaled(node, first, np.float32(-1), None, places)
    if node.kind == "Pad":
        return windows.padded(node, inputs, places)
    if node.kind == "Softmax":
        return _softmax(node, first, places, opset)
    if node.kind in _HOW and elements == len(inputs) and elements > 1:
        return _merged(node, arrays, places)
    if node.kind in ("MatMul", "Gemm") and kinds[0] is Kind.ELEMENTS and elements == 1:
        return _over_time(node, inputs, places)
    if node.kind in ("Mul", "Div", "Sub", "Add") and kinds in (
        [Kind.ELEMENTS, Kind.WEIGHTS],
        [Kind.WEIGHTS, Kind.ELEMENTS],
    ):
        return _factor(node, arrays, kinds[0] is Kind.ELEMENTS, places)
    return None


def _reduced(node: Node, inputs: Inputs, places: Places) -> np.ndarray:
    tensor, given = inputs[0], inputs[1] if len(inputs) > 1 else None
    assert tensor is not None
    x = tensor.array
    axes = given.array.ravel().tolist() if given is not None else node.get("axes", AttributeProto.INTS, [])
    keeps = bool(node.integer("keepdims", 1))
    if len(axes) != 1 or not -x.ndim <= axes[0] < x.ndim:
        raise UnsupportedError(f"{node}: over axes {list(axes)} of {x.ndim}, where a layer of ours sums up the steps")
    axis = axes[0] % x.ndim
    found = scores.of(x, places, Weighted)
    if found is not None and node.kind == "ReduceSum":
        return scores.total(node, x, found, axis, keeps, places)
    if x.ndim == 3:
        return windows.summed_up(node, inputs, places, axis, keeps)
    if x.shape[axis] == 2 and node.kind != "ReduceMax":  # the directions of a recurrent node
        how = {"ReduceSum": "add", "ReduceMean": "average"}[node.kind]
        y = _joined(node, [np.take(x, k, axis) for k in (0, 1)], how, places)
        return np.expand_dims(y, axis) if keeps else y
    raise UnsupportedError(f"{node}: over axis {axis} of {x.shape}; no layer of ours")


def _softmax(node: Node, x: np.ndarray, places: Places, opset: int) -> np.ndarray | None:
    axis = node.integer("axis", softmax_axis(opset)) % x.ndim
    if opset < 13 and int(np.prod(x.shape[axis + 1 :])) != 1:
        return None
    return scores.softmax(node, x, axis, places)


def _merged(node: Node, arrays: list[np.ndarray], places: Places) -> np.ndarray:
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    arrays = [np.broadcast_to(array, shape) for array in arrays]
    for k, array in enumerate(arrays):
        if scores.of(array, places, Scores) is not None:
            if node.kind != "Mul" or len(arrays) != 2:
                raise UnsupportedError(f"{node}: with scores of an attention, or its weights; no attention of ours")
            return scores.weighted(node, array, arrays[1 - k], places)
    return _joined(node, arrays, _HOW[node.kind], places)


def _joined(node: Node, arrays: list[np.ndarray], how: str, places: Places) -> np.ndarray:
    """Elements of equal places merged."""
    if node.kind == "Sub":
        arrays = [arrays[0], _scaled(node, arrays[1], np.float32(-1), None, places)]
    streams, at = places.aligned(arrays, str(node))
    if any(isinstance(each, Flat) for each in streams):
        raise UnsupportedError(f"{node}: of all steps as one vector; no layer of ours but a product")
    if len({stream.features for stream in streams}) > 1:
        raise Unclear(f"{node}: of {' and '.join(map(str, streams))}, of different features")
    first = streams[0]
    return places.make(node.label, Merge, streams, first.numbers.shape[1], first.features, how=how).at(at)


def _over_time(node: Node, inputs: Inputs, places: Places) -> np.ndarray | None:
    """The product with all steps as one vector: a convolution with one window."""
    assert inputs[0] is not None
    x = inputs[0].array
    if x.ndim < 1 or x.shape[-1] == 1:
        return None
    stream, at = places.read(x, str(node))
    if not isinstance(stream, Flat):
        return None
    kernel = inputs[1].array if inputs[1] is not None else np.empty(0)
    gemm = node.kind == "Gemm"
    matrix = kernel.T if gemm and node.integer("transB") else kernel
    if matrix.ndim == 2 and len(matrix) != stream.features:
        raise Misfit(f"{node}: weights for {len(matrix)} numbers, {stream} has {stream.features} in all its steps")
    if matrix.ndim != 2 or (gemm and node.integer("transA")) or places.ragged:
        raise UnsupportedError(f"{node}: of all steps as one vector; no layer of ours, with lengths or such weights")
    before, units = stream.before, matrix.shape[1]
    assert before is not None
    time = before.numbers.shape[1]
    weights = np.zeros((units, time, before.features), matrix.dtype)
    weights[:, stream.when, stream.which] = matrix.T
    bias = inputs[2].array if len(inputs) > 2 and inputs[2] is not None else None
    arrays = {"kernel": weights * np.float32(node.number("alpha", 1.0) if gemm else 1)}
    if bias is not None:
        arrays["bias"] = np.broadcast_to(bias.reshape(-1), (units,)) * np.float32(node.number("beta", 1.0))
    window = places.make(
        node.label, Convolution, [before], 1, units,
        weights=arrays, units=units, width=time, padding="valid", bias=bias is not None,
    )  # fmt: skip
    return places.make(f"{node.label}_all", Summary, [window], 1, units, vector=True, how="last").at(at)


def _factor(node: Node, arrays: list[np.ndarray], first: bool, places: Places) -> np.ndarray | None:
    """x · c, x / c, c − x; sums are biases, as in a chain."""
    x, c = arrays if first else arrays[::-1]
    found = scores.of(x, places, Scores)
    if found is not None:
        if c.size != 1 or node.kind not in ("Mul", "Div") or (node.kind == "Div" and not first):
            raise UnsupportedError(f"{node}: a mask, or else, on scores of an attention; no attention of ours")
        number = float(c.item())
        return scores.scaled(x, found, number if node.kind == "Mul" else 1 / number, node, places)
    if node.kind == "Add" or (node.kind == "Sub" and first) or c.ndim > x.ndim:
        return None
    if node.kind == "Div" and not first:
        raise UnsupportedError(f"{node}: a constant divided by the output of a layer; no layer of ours")
    if node.kind == "Sub":
        return _scaled(node, x, np.float32(-1), c, places)
    return _scaled(node, x, c if node.kind == "Mul" else 1 / c, None, places)


def _scaled(node: Node, x: np.ndarray, factor, offset, places: Places) -> np.ndarray:
    if np.size(factor) == 1 and np.size(offset) == 1 and (parted := places.parted(x)):
        stream, at = parted  # in whatever order
        made = places.make(
            node.label, Scale, [stream], stream.numbers.shape[1], stream.features, beta=False,
            weights={"gamma": np.full(stream.features, np.asarray(factor).item(), "float32")},
        )  # fmt: skip
        if offset is None:
            return made.numbers.ravel()[at]
    stream, at = places.read(x, str(node))
    weights = {}
    for name, value in (("gamma", factor), ("beta", offset)):
        array = np.asarray(value)
        if value is None:
            continue
        if array.size != 1 and (array.size != stream.features or array.shape[-1] != stream.features):
            raise UnsupportedError(f"{node}: with {array.shape}, where a layer has one number for each feature")
        weights[name] = np.broadcast_to(array.reshape(-1), (stream.features,)).astype("float32")
    made = places.make(
        node.label, Scale, [stream], stream.numbers.shape[1], stream.features, weights=weights, beta="beta" in weights
    )
    return made.at(at)
