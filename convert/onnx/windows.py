"""Nodes that mix the steps of a sequence, or normalise: Conv, pooling, reductions over time, norms.

Their sequence is (batch, features, time) where ONNX has images, so it is read with its last two axes exchanged.
"""

import numpy as np
from onnx import AttributeProto

from rnnspec.convert.onnx.graph import Node
from rnnspec.convert.onnx.places import Places
from rnnspec.convert.onnx.streams import Kind, Stream, Traced
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Convolution, Norm, Pool, Summary

Inputs = list[Traced | None]
_SUMMARIES = {
    "GlobalAveragePool": "mean", "GlobalMaxPool": "max", "ReduceMean": "mean", "ReduceMax": "max", "ReduceSum": "sum",
}  # fmt: skip


def convolution(node: Node, inputs: Inputs, places: Places) -> np.ndarray:
    """`Conv` over time, W (units, features / groups, width).

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    x, kernel, bias = _numbers(node, inputs, 3)[:3]
    if kernel.ndim != 3 or x.ndim != 3:
        raise UnsupportedError(
            f"{node}: over {kernel.ndim - 2} axes, where ours is over time alone; --part NAME takes what stands behind"
        )
    before = places.zeros_before(x)
    stream = _sequence(node, x[:, :, before:], places)
    width = kernel.shape[2]
    if kernel.shape[1] * node.integer("group", 1) != stream.features:
        raise UnsupportedError(f"{node}: weights of shape {kernel.shape} for {stream.features} features; a wrong node")
    stride, dilation = _ints(node, "strides", [1])[0], _ints(node, "dilations", [1])[0]
    padding = _padding(node, dilation * (width - 1) + 1, stride, before)
    weights = {"kernel": kernel.transpose(0, 2, 1)} | ({} if bias is None else {"bias": bias})
    made = places.make(
        node.label, Convolution, [stream], _count(stream, padding, dilation * (width - 1) + 1, stride), len(kernel),
        weights=weights, units=len(kernel), width=width, stride=stride, dilation=dilation,
        groups=node.integer("group", 1), bias=bias is not None, **padding,
    )  # fmt: skip
    return made.numbers.swapaxes(1, 2)


def pooled(node: Node, inputs: Inputs, places: Places) -> np.ndarray:
    """`MaxPool`, `AveragePool`.

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    x = _numbers(node, inputs, 1)[0]
    shape = _ints(node, "kernel_shape", [])
    if len(shape) != 1 or x.ndim != 3:
        raise UnsupportedError(f"{node}: over {len(shape)} axes, where ours is over time alone; --part NAME")
    stream, width = _sequence(node, x, places), shape[0]
    stride = _ints(node, "strides", [1])[0]
    padding = _padding(node, width, stride)
    counted = node.kind == "AveragePool" and node.integer("count_include_pad") and padding["padding"] != "valid"
    if node.integer("ceil_mode") or counted or _ints(node, "dilations", [1])[0] != 1 or len(node.outputs) > 1:
        raise UnsupportedError(
            f"{node}: ceil_mode, dilations, count_include_pad, or indices: no pooling of ours has them; export without"
        )
    how = "max" if node.kind == "MaxPool" else "mean"
    steps = _count(stream, padding, width, stride)
    made = places.make(
        node.label, Pool, [stream], steps, stream.features, width=width, stride=stride, how=how, **padding
    )
    return made.numbers.swapaxes(1, 2)


def summed_up(node: Node, inputs: Inputs, places: Places, axis: int, keeps: bool) -> np.ndarray:
    """A reduction over the time axis of x: (batch, features), or with an axis of one place there.

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    x = inputs[0].array if inputs[0] is not None else np.empty(0)
    stream = places.sequence(np.moveaxis(x, axis, -2) if axis != x.ndim - 1 else x.swapaxes(-1, -2), str(node))
    made = places.make(node.label, Summary, [stream], 1, stream.features, vector=True, how=_SUMMARIES[node.kind])
    return np.expand_dims(made.numbers[:, 0], axis) if keeps else made.numbers[:, 0]


def batch_norm(node: Node, inputs: Inputs, places: Places) -> np.ndarray:
    """`BatchNormalization` with its stored statistics, over axis 1.

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    x, gamma, beta, mean, variance = _numbers(node, inputs, 5)
    if node.integer("training_mode") or x.ndim not in (2, 3):
        raise UnsupportedError(f"{node}: in training mode, or over more than steps and features; export for inference")
    turned = x.swapaxes(1, 2) if x.ndim == 3 else x
    weights = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
    y = _norm(node, turned, places, weights, "batch")
    return y.swapaxes(1, 2) if x.ndim == 3 else y


def layer_norm(node: Node, inputs: Inputs, places: Places) -> np.ndarray:
    """`LayerNormalization` over the features.

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    x, gamma, beta = _numbers(node, inputs, 3)
    if node.integer("axis", -1) not in (-1, x.ndim - 1) or len(node.outputs) > 1:
        raise UnsupportedError(f"{node}: over more than the features; no norm of ours")
    return _norm(node, x, places, {"gamma": gamma} | ({} if beta is None else {"beta": beta}), "layer")


def _norm(node: Node, x: np.ndarray, places: Places, weights: dict[str, np.ndarray], kind: str) -> np.ndarray:
    stream, at = places.read(x, str(node))
    if any(array.shape != (stream.features,) for array in weights.values()):
        raise UnsupportedError(f"{node}: not one factor for each of the {stream.features} features; no norm of ours")
    epsilon = node.number("epsilon", 1e-5)
    made = places.make(
        node.label, Norm, [stream], stream.numbers.shape[1], stream.features,
        weights=weights, kind=kind, epsilon=epsilon, beta="beta" in weights,
    )  # fmt: skip
    return made.at(at)


def _sequence(node: Node, x: np.ndarray, places: Places) -> Stream:
    return places.sequence(x.swapaxes(1, 2), str(node))


def _numbers(node: Node, inputs: Inputs, count: int) -> list:
    """x, which holds elements, and `count` − 1 arrays of weights, None where one is left out."""
    inputs = [*inputs, *[None] * count][:count]
    if inputs[0] is None or any(tensor is not None and tensor.kind is not Kind.WEIGHTS for tensor in inputs[1:]):
        raise UnsupportedError(f"{node}: its weights are computed from the input; no layer of ours")
    return [None if tensor is None else tensor.array for tensor in inputs]


def _ints(node: Node, name: str, default: list[int]) -> list[int]:
    return list(node.get(name, AttributeProto.INTS, default)) or default


def padded(node: Node, inputs: Inputs, places: Places) -> np.ndarray:
    """`Pad` with zeros before the first step, as a causal convolution reads.

    Raises:
        Unclear, UnsupportedError: no layer of ours gives this.
    """
    x = _numbers(node, inputs[:1], 1)[0]
    given = [None if tensor is None else tensor.array for tensor in inputs[1:]]
    pads = given[0].ravel().tolist() if given and given[0] is not None else _ints(node, "pads", [])
    value = given[1] if len(given) > 1 and given[1] is not None else np.array(node.number("value", 0.0))
    mode = node.get("mode", AttributeProto.STRING, "constant")
    few = len(given) > 2 and given[2] is not None
    if mode != "constant" or value.any() or few or x.ndim != 3 or any(pads[k] for k in range(len(pads)) if k != 2):
        raise UnsupportedError(f"{node}: pads {mode} {pads}, where ours has zeros before the first step alone")
    return np.concatenate([np.full((*x.shape[:2], pads[2]), places.zero), x], axis=2)


def _padding(node: Node, span: int, stride: int, zeros: int = 0) -> dict:
    """`padding` and `before` of our windows; `zeros`: steps that were padded already.

    Raises:
        UnsupportedError: windows that do not begin, or end, as any of ours.
    """
    auto = node.get("auto_pad", AttributeProto.STRING, "NOTSET")
    before, after = _ints(node, "pads", [0, 0])
    if auto in ("SAME_UPPER", "SAME_LOWER") and stride == 1:
        less, more = (span - 1) // 2, span - 1 - (span - 1) // 2
        before, after = (less, more) if auto == "SAME_UPPER" else (more, less)
    elif auto not in ("NOTSET", "VALID"):
        raise UnsupportedError(f"{node}: auto_pad {auto} with stride {stride}: what it pads depends on the length")
    before += zeros
    if before + after == 0:
        return {"padding": "valid"}
    if before + after != span - 1:
        raise UnsupportedError(
            f"{node}: pads {before} and {after} steps, where ours has none or {span - 1}, one window for each step"
        )
    if after == 0:
        return {"padding": "causal"}
    return {"padding": "same"} if before == (span - 1) // 2 else {"padding": "same", "before": before}


def _count(stream: Stream, padding: dict, span: int, stride: int) -> int:
    """How many windows there are."""
    steps = stream.numbers.shape[1]
    return max(0, (steps - span) // stride + 1) if padding["padding"] == "valid" else -(-steps // stride)
