"""Weights in 8 bits, as `onnxruntime.quantization.quantize_dynamic` writes them → the same weights as floats.

    DynamicQuantizeLSTM(X, W, R, …)                                       LSTM(X, W', R', …)
    DynamicQuantizeLinear(x), MatMulInteger(…, W), Cast, Mul(…, scales)   MatMul(x, W')
    DequantizeLinear(Gather(table, ids), …)                               Gather(table', ids)

W' is (W − zero point) · scale, exactly. ONNX Runtime rounds what such a node reads to 8 bits as well, so its own
numbers are others: over 12 models of one or two LSTMs with 16 to 128 units and a linear layer, 50 steps, by 0.2 to
0.8 % of their mean size, 0.5 % on average. What is converted is the model of the weights.
"""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from rnnspec.convert.onnx.files import arrays
from rnnspec.convert.request import Request
from rnnspec.errors import SpecError

_MOVES = ("Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")


def dequantised(model: onnx.ModelProto, where: str, request: Request) -> onnx.ModelProto:
    """The same model without 8 bits, where nothing but such nodes has them; a model without these as it is.

    Raises:
        SpecError: a weight, scale or zero point is no constant, or of a shape that does not go with the others.
    """
    if not any(node.op_type in _REPLACED for node in model.graph.node):
        return model
    found = onnx.ModelProto()
    found.CopyFrom(model)
    rewriting = _Rewriting(found, where)
    count = sum(bool(rewriting.replace(node)) for node in list(found.graph.node) if node.op_type in _REPLACED)
    rewriting.finish()
    if count:
        request.note(
            f"weights in 8 bits are floats here, (W - zero point) · scale, in {count} nodes; ONNX Runtime rounds what "
            "these nodes read to 8 bits as well, so its numbers differ, by some 0.5 %"
        )
    return found


class _Rewriting:
    """Replaces nodes in a graph."""

    def __init__(self, model: onnx.ModelProto, where: str) -> None:
        self.graph, self.where = model.graph, where
        self.constants: Mapping[str, np.ndarray] = arrays(model, where)
        self.givers = {name: node for node in self.graph.node for name in node.output if name}
        self.added: dict[str, np.ndarray] = {}
        self.gone: list[NodeProto] = []

    def replace(self, node: NodeProto) -> bool:
        """Turn one node into what it is with floats; false where it reads no constants."""
        return _REPLACED[node.op_type](self, node)

    def finish(self) -> None:
        """Take out what nothing reads any more, and add the weights."""
        for node in self.gone:
            if node in self.graph.node:
                self.graph.node.remove(node)
        for name, array in self.added.items():
            self.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        reads = {name for node in self.graph.node for name in node.input} | {v.name for v in self.graph.output}
        for tensor in [tensor for tensor in self.graph.initializer if tensor.name not in reads]:
            self.graph.initializer.remove(tensor)
        for node in [node for node in self.graph.node if node.op_type == "DynamicQuantizeLinear"]:
            if not reads & set(node.output):
                self.graph.node.remove(node)

    def lstm(self, node: NodeProto) -> bool:
        """W (directions, inputs, 4 · units), R likewise; scales (directions,) or (directions, 4 · units)."""
        inputs = [*node.input, *[""] * (12 - len(node.input))]
        for place, scale in ((1, 8), (2, 10)):
            weights = self._float(inputs[place], inputs[scale], inputs[scale + 1], node, axis=0)
            inputs[place] = self._add(inputs[place], weights.transpose(0, 2, 1))
        node.op_type, node.domain, node.name = "LSTM", "", node.name.removesuffix("_quant")
        node.input[:] = inputs[:8]
        return True

    def product(self, node: NodeProto) -> bool:
        """`MatMulInteger`, whose Cast and Mul give the floats."""
        x, casts = self.givers.get(node.input[0]), self._readers(node.output[0])
        scaled = [mul for cast in casts if cast.op_type == "Cast" for mul in self._readers(cast.output[0])]
        if x is None or x.op_type != "DynamicQuantizeLinear" or len(casts) != 1 or len(scaled) != 1:
            return False
        scale = next((name for name in scaled[0].input if name != casts[0].output[0]), "")
        factors = self.givers.get(scale)
        constant = [name for name in (factors.input if factors else [scale]) if name in self.constants]
        if scaled[0].op_type != "Mul" or len(constant) != 1 or x.output[1] not in (factors.input if factors else ()):
            return False
        zero = node.input[3] if len(node.input) > 3 else ""
        weights = self._float(node.input[1], constant[0], zero, node, axis=-1)
        made = helper.make_node(
            "MatMul",
            [x.input[0], self._add(node.input[1], weights)],
            scaled[0].output,
            node.name.removesuffix("_quant"),
        )
        scaled[0].CopyFrom(made)
        self.gone += [node, casts[0], *([factors] if factors else [])]
        return True

    def to_float(self, node: NodeProto) -> bool:
        """`DequantizeLinear` of a constant, or of what only moves its elements."""
        source, above = node.input[0], list[NodeProto]()
        while source not in self.constants and source not in self.added:
            giver = self.givers.get(source)
            if giver is None or giver.op_type not in _MOVES:
                return False
            above.append(giver)
            source = giver.input[0]
        zero = node.input[2] if len(node.input) > 2 else ""
        if above and self.constants[node.input[1]].size != 1:
            return False
        if source in self.constants:  # else another node has made floats of it
            axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
            name = self._add(source, self._float(source, node.input[1], zero, node, axis=axis))
            for moved in above[-1:]:
                moved.input[0], moved.name = name, moved.name.removesuffix("_quant")
            source = name
        node.op_type = "Identity"
        node.input[:] = node.input[:1] if above else [source]
        del node.attribute[:]
        return True

    def _float(self, weight: str, scale: str, zero: str, node: NodeProto, axis: int) -> np.ndarray:
        """(W − zero point) · scale; a scale for each place along an axis, or for one after it, stands there."""
        for name in (weight, scale, *([zero] if zero else [])):
            if name not in self.constants:
                raise SpecError(
                    f"{self.where}: node {node.name!r} ({node.op_type}): {name!r} is no constant of the file"
                )
        w, by = self.constants[weight].astype(np.float32), self.constants[scale].astype(np.float32)
        at = self.constants[zero].astype(np.float32) if zero else np.zeros_like(by)
        if node.op_type == "DynamicQuantizeLSTM":
            shapes = [(w.shape[0],), (w.shape[0], w.shape[-1])]
            form: tuple[int, ...] = (-1, 1, 1) if by.ndim == 1 else (w.shape[0], 1, w.shape[-1])
        else:
            shapes = [(), (1,), (w.shape[axis],)]
            form = tuple(-1 if k == axis % w.ndim else 1 for k in range(w.ndim))
        if by.shape not in shapes or at.shape != by.shape:
            raise SpecError(
                f"{self.where}: node {node.name!r} ({node.op_type}): scale and zero point of {weight!r} {w.shape}: "
                f"expected one of {shapes}, found {by.shape} and {at.shape}"
            )
        return (w - at.reshape(form)) * by.reshape(form)

    def _add(self, name: str, array: np.ndarray) -> str:
        found = f"{name} as floats"
        self.added[found] = array
        return found

    def _readers(self, name: str) -> list[NodeProto]:
        return [node for node in self.graph.node if name in node.input]


_REPLACED: dict[str, Callable[[_Rewriting, NodeProto], bool]] = {
    "DynamicQuantizeLSTM": _Rewriting.lstm,
    "MatMulInteger": _Rewriting.product,
    "DequantizeLinear": _Rewriting.to_float,
}
