"""An ONNX graph as a list of nodes, and what leads to what."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto

from rnnspec.convert.onnx.files import arrays
from rnnspec.errors import SpecError, UnsupportedError

RECURRENT = ("RNN", "GRU", "LSTM")
X, W, R, B, SEQUENCE_LENS, INITIAL_H, INITIAL_C, P = range(8)  # the inputs of a recurrent node

Dimension = int | str | None


@dataclass(frozen=True)
class Input:
    """A graph input: its element type and shape, symbols as strings, None for what is not said."""

    dtype: np.dtype
    shape: tuple[Dimension, ...] | None


class Node:
    """A node; `str(node)` is how messages call it, `label` what a layer that it becomes is called."""

    def __init__(self, proto: onnx.NodeProto, where: str) -> None:
        self.proto = proto
        self.kind = proto.op_type
        self.name = proto.name
        self.label = proto.name or proto.op_type
        self.inputs = list(proto.input)
        self.outputs = list(proto.output)
        self._text = f"{where}: node {proto.name or next(iter(proto.output), '')!r} ({proto.op_type})"

    def __str__(self) -> str:
        return self._text

    def get(self, name: str, kind: int, default: Any) -> Any:
        """The attribute `name`, of an `AttributeProto` kind; strings as str.

        Raises:
            SpecError: it is of another kind.
        """
        for attribute in self.proto.attribute:
            if attribute.name == name:
                if attribute.type != kind:
                    raise SpecError(
                        f"{self}: attribute {name!r} is of another type than ONNX gives it; export it again"
                    )
                value = onnx.helper.get_attribute_value(attribute)
                if kind == AttributeProto.STRING:
                    return value.decode(errors="replace")
                return [v.decode(errors="replace") for v in value] if kind == AttributeProto.STRINGS else value
        return default

    def integer(self, name: str, default: int = 0) -> int:
        """An attribute that is an integer."""
        return self.get(name, AttributeProto.INT, default)

    def number(self, name: str, default: float) -> float:
        """A float32 as its shortest decimal: 0.2, not 0.20000000298."""
        return decimal(self.get(name, AttributeProto.FLOAT, default))

    def input(self, place: int) -> str:
        """The name of an input, empty where it is left out."""
        return self.inputs[place] if place < len(self.inputs) else ""

    def state_places(self) -> tuple[int, ...]:
        """Which inputs of a recurrent node are initial states."""
        return (INITIAL_H, INITIAL_C) if self.kind == "LSTM" else (INITIAL_H,)


class Graph:
    """The nodes of a model, each after what it reads.

    Args:
        given: constants for graph inputs that have none.

    Raises:
        SpecError: a node reads what no node before it gives; a name is given twice, or `given` names no input.
        UnsupportedError: there are sparse tensors, or no opset of ONNX's own.
    """

    def __init__(self, model: onnx.ModelProto, where: str, given: Mapping[str, np.ndarray]) -> None:
        self.where = where
        self.opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
        newest = onnx.defs.onnx_opset_version()
        if not 1 <= self.opset <= newest:
            raise UnsupportedError(f"{where}: opset {self.opset}: expected 1 to {newest}; update onnx, or export anew")
        if model.graph.sparse_initializer:
            raise UnsupportedError(f"{where}: sparse tensors; export dense ones")
        self.constants = arrays(model, where)
        declared = {value.name: _input(value) for value in model.graph.input}
        for name in given:
            if name not in declared:
                raise SpecError(f"{where}: there is no input {name!r} to be a constant; found {', '.join(declared)}")
        self.constants |= {name: np.asarray(array) for name, array in given.items()}
        self.inputs = {name: value for name, value in declared.items() if name not in self.constants}
        self.outputs = {value.name: _input(value).shape for value in model.graph.output}
        self.nodes = [Node(proto, where) for proto in model.graph.node]
        known = {*self.constants, *self.inputs, ""}
        for node in self.nodes:
            for name in node.inputs:
                if name not in known:
                    raise SpecError(f"{node}: nothing before it gives {name!r}; export the model again")
            for name in filter(None, node.outputs):
                if name in known:
                    raise SpecError(f"{node}: {name!r} is given twice; export the model again")
                known.add(name)
        self.values = known - {""}
        for name in self.outputs:
            if not name or name not in known:
                raise SpecError(f"{where}: nothing gives the output {name!r}; export the model again")

    def leading_to(
        self, names: Iterable[str], follow: Callable[[Node], Iterable[str]] = lambda node: node.inputs
    ) -> tuple[list[Node], set[str]]:
        """The nodes that the values `names` need, in order, and all values on the way; `follow`: what a node needs."""
        wanted = set(names)
        found = []
        for node in reversed(self.nodes):
            if wanted.intersection(node.outputs):
                found.append(node)
                wanted.update(filter(None, follow(node)))
        return found[::-1], wanted


def decimal(number: float) -> float:
    """A float32 as its shortest decimal."""
    return float(str(np.float32(number)))


def _input(value: onnx.ValueInfoProto) -> Input:
    kind = value.type.tensor_type
    known = kind.elem_type in onnx.helper.get_all_tensor_dtypes() and kind.elem_type != onnx.TensorProto.STRING
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type) if known else np.dtype(object)
    if not kind.HasField("shape"):
        return Input(dtype, None)
    return Input(dtype, tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in kind.shape.dim))
