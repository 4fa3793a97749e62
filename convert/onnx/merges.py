"""How two directions over one input are merged, at each step or at the last one of each.

Add(Y forward, Y backward), ReduceSum over the axis of directions        sum
Mul(Y forward, Y backward)                                               mul
Mean, ReduceMean; half of a sum (`pointwise`)                            ave
"""

import numpy as np
from onnx import AttributeProto

from rnnspec.convert.onnx.graph import Node
from rnnspec.convert.onnx.streams import Run, Streams, Traced
from rnnspec.errors import UnsupportedError

MERGES = {"Add": "sum", "Sum": "sum", "ReduceSum": "sum", "Mul": "mul", "Mean": "ave", "ReduceMean": "ave"}


def apart(node: Node, inputs: list[Traced | None], x: np.ndarray) -> list[np.ndarray]:
    """The two directions in x, over whose axis a node reduces: its input `axes`, an attribute in older opsets.

    Raises:
        UnsupportedError: it reduces over anything else.
    """
    given = inputs[1].array.ravel().tolist() if len(inputs) > 1 and inputs[1] is not None else None
    axes = given or node.get("axes", AttributeProto.INTS, [])
    if len(axes) != 1 or not -x.ndim <= axes[0] < x.ndim or x.shape[axes[0]] != 2:
        raise UnsupportedError(f"{node}: over axes {axes} of {x.shape}, where two directions would be merged")
    keep = bool(node.integer("keepdims", 1))
    return [np.take(x, [k] if keep else k, axis=axes[0]) for k in (0, 1)]


def merged(node: Node, one: np.ndarray, two: np.ndarray, streams: Streams) -> np.ndarray:
    """The elements of two directions merged, from those of each.

    Raises:
        UnsupportedError: they are not two directions, of as many units, at the same steps or at the last of each.
    """
    first, at = streams.read(one, str(node))
    second, there = streams.read(two, str(node))
    if not isinstance(first, Run) or not isinstance(second, Run) or first.features != second.features:
        raise UnsupportedError(f"{node}: of {first} and {second}: not a chain; --part NAME takes one that is")
    if np.array_equal(at, there):
        return streams.both(first, second, MERGES[node.kind], False).at(at)
    # A position is row · time + step: of the last outputs the rows agree, and each step is the last one visited.
    rows, steps = np.divmod(np.stack([at, there]), first.numbers.shape[1])
    assert first.final is not None
    assert second.final is not None
    last = np.stack([first.final[rows[0]], second.final[rows[1]]])
    if not np.array_equal(rows[0], rows[1]) or not np.array_equal(steps, last):
        raise UnsupportedError(f"{node}: merges different steps of {first} and {second}; no layer of ours")
    return streams.both(first, second, MERGES[node.kind], True).at(rows[0])
