"""Single nodes computed with onnx's own reference, those that move elements and those that reckon with sizes.

The first kind is run on numbers that stand for elements just as on constants. Nothing but the operators listed here is
ever run, and no result is larger than the caller allows.
"""

import math

import numpy as np
import onnx
from onnx import AttributeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from rnnspec import limits
from rnnspec.convert.onnx.files import array
from rnnspec.convert.onnx.graph import Node
from rnnspec.convert.onnx.streams import Misfit
from rnnspec.errors import SpecError, UnsupportedError

_OLDEST = 5  # the oldest opset of which onnx's reference knows all operators

# Moves what is in the first input, of Concat in all; the others are axes, sizes and indices.
STRUCTURAL = {
    "Concat", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "Reshape", "ReverseSequence",
    "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip
ARITHMETIC = {
    "Abs", "Add", "And", "Cast", "Constant", "ConstantOfShape", "Div", "Equal", "Floor", "Greater", "GreaterOrEqual",
    "Less", "LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Range", "ReduceMax", "ReduceMin",
    "ReduceProd", "ReduceSum", "ScatterElements", "ScatterND", "Sub", "TopK", "Where",
}  # fmt: skip


def evaluate(node: Node, inputs: list[np.ndarray | None], opset: int, limit: int) -> list[np.ndarray]:
    """The outputs of a node of `STRUCTURAL` or `ARITHMETIC`.

    Raises:
        Misfit: the node does not fit its inputs.
        SpecError: the result would be too large.
        UnsupportedError: a node that we do not compute.
    """
    if node.kind == "Constant":
        return [_constant(node)]
    proto, inputs = _modern(node, inputs)
    if any(value is not None and value.dtype.kind not in "fiub" for value in inputs):
        raise UnsupportedError(f"{node}: reads what is no numbers; export plain numbers")
    if (size := _size(node, inputs)) > limit:
        raise SpecError(f"{node}: gives {size:,} elements, more than {limit:,}: refused; check where the file is from")
    feeds = {name: value for name, value in zip(proto.input, inputs, strict=True) if value is not None}
    values = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(v.dtype), None) for name, v in feeds.items()
    ]
    graph = helper.make_graph([proto], "node", values, [onnx.ValueInfoProto(name=name) for name in proto.output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", max(opset, _OLDEST))])
    with np.errstate(all="ignore"):
        try:
            results = ReferenceEvaluator(model).run(None, feeds)
        except Exception as error:  # whatever NumPy has to say about a node that does not fit
            reason = " ".join(str(error).split())[:100]
            raise Misfit(f"{node}: does not fit what it reads ({reason})") from None
    return [_widened(np.asarray(result)) for result in results]


def _widened(array: np.ndarray) -> np.ndarray:
    """Half precision, bfloat16 included, as float32."""
    return array.astype(np.float32) if array.dtype.itemsize == 2 and array.dtype.kind not in "iu" else array


def _constant(node: Node) -> np.ndarray:
    for attribute in node.proto.attribute:
        if attribute.name == "value" and attribute.type == AttributeProto.TENSOR:
            return array(attribute.t, str(node))
        if attribute.name in ("value_float", "value_floats"):
            return np.array(helper.get_attribute_value(attribute), "float32")
        if attribute.name in ("value_int", "value_ints"):
            return np.array(helper.get_attribute_value(attribute), "int64")
    raise UnsupportedError(f"{node}: a constant of strings, or a sparse one; export plain numbers")


def _modern(node: Node, inputs: list[np.ndarray | None]) -> tuple[onnx.NodeProto, list[np.ndarray | None]]:
    """The node with distinct names, and as opset 5 writes it."""
    proto = onnx.NodeProto()
    proto.CopyFrom(node.proto)
    proto.input[:] = [f"in{i}" if name else "" for i, name in enumerate(node.inputs)]
    proto.output[:] = [f"out{i}" for i, _ in enumerate(node.outputs)]
    attributes = {attribute.name: attribute for attribute in proto.attribute}
    if node.kind == "Reshape" and "shape" in attributes:
        proto.input.append("shape")
        inputs = [*inputs, np.array(attributes["shape"].ints, "int64")]
        proto.attribute.remove(attributes["shape"])
    if node.kind == "Concat" and "axis" not in attributes:
        proto.attribute.append(helper.make_attribute("axis", 1))
    if node.kind == "ConstantOfShape" and "value" in attributes:
        value = array(attributes["value"].t, str(node))
        attributes["value"].t.CopyFrom(numpy_helper.from_array(value))
    return proto, inputs


def _size(node: Node, inputs: list[np.ndarray | None]) -> int:
    """How many elements the node gives, at most."""
    first = inputs[0] if inputs else None
    if first is None:
        return 0
    if node.kind == "ConstantOfShape":
        return _product(first)
    if node.kind == "Range" and all(value is not None and value.size == 1 for value in inputs[:3]):
        start, stop, step = (float(value.item()) for value in inputs[:3])  # type: ignore[union-attr]
        count = abs(stop - start) / abs(step) if step else math.nan
        return limits.ELEMENTS if math.isinf(count) else 0 if math.isnan(count) else int(count)
    second = inputs[1] if len(inputs) > 1 else None
    if node.kind == "Tile" and second is not None:
        return first.size * _product(second)
    if node.kind == "GatherND" and second is not None:
        return math.prod(second.shape[:-1]) * first.size
    if node.kind == "Gather" and second is not None:
        axis = first.shape[node.integer("axis")] if first.ndim > abs(node.integer("axis")) else 1
        return second.size * (first.size // max(1, axis))
    if node.kind == "Concat":
        return sum(value.size for value in inputs if value is not None)
    present = [value.shape for value in inputs if value is not None]
    if node.kind == "Expand" and second is not None and second.dtype.kind in "iu":
        present = [first.shape, tuple(abs(int(size)) for size in second.ravel())]
    return int(np.prod([max(sizes) for sizes in zip(*_aligned(present), strict=True)], dtype=object))


def _product(sizes: np.ndarray) -> int:
    if sizes.dtype.kind not in "iu":
        return 0  # which the node itself refuses
    return int(np.prod([abs(int(size)) for size in sizes.ravel()], dtype=object))


def _aligned(shapes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    rank = max(map(len, shapes))
    return [(1,) * (rank - len(shape)) + shape for shape in shapes]
