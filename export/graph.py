"""A small builder of ONNX graphs: values with operators, nodes written directly."""

from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

Dimension = int | str


class Graph:
    """Nodes, initializers, inputs and outputs in the order in which they are made."""

    def __init__(self, dtype: str = "float32") -> None:
        self.dtype = np.dtype(dtype)
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._count: dict[str, int] = {}
        self._renamed: dict[str, str] = {}  # values that are outputs → the names of those
        self.shared: dict[str, Value] = {}  # values that several layers need, by meaning

    def input(self, name: str, dtype: str, shape: tuple[Dimension, ...]) -> "Value":
        """A graph input; strings are symbolic dimensions."""
        self._inputs.append(helper.make_tensor_value_info(name, _element(dtype), shape))
        return Value(self, name, shape)

    def output(self, value: "Value", name: str) -> None:
        """Make `value` a graph output called `name`."""
        self._outputs.append(helper.make_tensor_value_info(name, _element(str(self.dtype)), value.shape))
        if value.name in self._renamed or not any(value.name in node.output for node in self._nodes):
            # It is an output or an input already, and those keep their names.
            self._nodes.append(helper.make_node("Identity", [value.name], [name], f"output/{name}"))
        else:
            self._renamed[value.name] = name

    def constant(self, array: np.ndarray, name: str) -> "Value":
        """An initializer; a name used twice must hold the same array."""
        array = np.asarray(array)
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return Value(self, name, array.shape)

    def node(self, kind: str, inputs: list["Value | None"], *shapes: tuple[Dimension, ...], **attributes: Any):
        """Append a node; one output per shape. Returns the Value, or a list of them where there are several."""
        index = self._count[kind] = self._count.get(kind, -1) + 1
        name = f"{kind.lower()}_{index}"
        outputs = [name] if len(shapes) == 1 else [f"{name}.{i}" for i in range(len(shapes))]
        names = [value.name if value is not None else "" for value in inputs]
        self._nodes.append(helper.make_node(kind, names, outputs, name, **attributes))
        values = [Value(self, output, shape) for output, shape in zip(outputs, shapes, strict=True)]
        return values[0] if len(values) == 1 else values

    def integers(self, *values: int) -> "Value":
        """A constant list of axes or sizes."""
        return self.constant(np.array(values, "int64"), f"integers {', '.join(map(str, values))}")

    def gemm(self, x: "Value", kernel: "Value", offset: "Value | None" = None) -> "Value":
        """x · kernel + offset."""
        inputs = [x, kernel] if offset is None else [x, kernel, offset]
        return self.node("Gemm", [*inputs], (*x.shape[:-1], kernel.shape[-1]))

    def unsqueeze(self, x: "Value", axis: int) -> "Value":
        shape = (*x.shape[:axis], 1, *x.shape[axis:])
        return self.node("Unsqueeze", [x, self.integers(axis)], shape)

    def squeeze(self, x: "Value", axis: int) -> "Value":
        return self.node("Squeeze", [x, self.integers(axis)], (*x.shape[:axis], *x.shape[axis + 1 :]))

    def transpose(self, x: "Value", *order: int) -> "Value":
        return self.node("Transpose", [x], tuple(x.shape[i] for i in order), perm=list(order))

    def join(self, values: list["Value"]) -> "Value":
        """Concatenated along the features."""
        features = sum(int(value.shape[-1]) for value in values)
        return self.node("Concat", [*values], (*values[0].shape[:-1], features), axis=-1)

    def model(self, opset: int, metadata: dict[str, str]) -> onnx.ModelProto:
        """The finished, checked model."""
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [self._renamed.get(name, name) for name in names]
        graph = helper.make_graph(
            self._nodes, "rnnspec", self._inputs, self._outputs, [self._initializers[n] for n in self._initializers]
        )
        opsets = [helper.make_opsetid("", opset)]
        model = helper.make_model(
            graph, opset_imports=opsets, producer_name="rnnspec", ir_version=helper.find_min_ir_version_for(opsets)
        )
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        return model


class Value:
    """A tensor of the graph: its name and shape, and the operators that cells use."""

    def __init__(self, graph: Graph, name: str, shape: tuple[Dimension, ...]) -> None:
        self.graph = graph
        self.name = name
        self.shape = shape

    def __add__(self, other: "Value") -> "Value":
        return self._binary("Add", other)

    def __sub__(self, other: "Value") -> "Value":
        return self._binary("Sub", other)

    def __mul__(self, other: "Value") -> "Value":
        return self._binary("Mul", other)

    def _binary(self, kind: str, other: "Value | Parameter") -> "Value":
        if isinstance(other, Parameter):
            other = other.value()
        if kind == "Add" and isinstance(other, Product) and self.shape == other.shape:
            return self.graph.gemm(other.x, other.kernel, self)
        shape = self.shape if len(self.shape) >= len(other.shape) else other.shape
        return self.graph.node(kind, [self, other], shape)


class Product(Value):
    """x · kernel, written when it is first used; where it is added to something, both become one Gemm."""

    def __init__(self, graph: Graph, x: Value, kernel: Value, shape: tuple[Dimension, ...]) -> None:
        self.graph = graph
        self.x = x
        self.kernel = kernel
        self.shape = shape

    @cached_property
    def name(self) -> str:  # type: ignore[override]
        return self.graph.gemm(self.x, self.kernel).name


class Parameter:
    """A weight: an array until a node needs it, so that slicing and transposing happen before the file is written."""

    def __init__(self, graph: Graph, name: str, array: np.ndarray) -> None:
        self.graph = graph
        self.name = name
        self.array = array

    def __getitem__(self, rows: slice) -> "Parameter":
        return Parameter(self.graph, f"{self.name}[{rows.start or 0}:{rows.stop or ''}]", self.array[rows])

    def value(self, form: str = "", array: np.ndarray | None = None) -> Value:
        """The initializer, in the arrangement that `form` names."""
        array = self.array if array is None else array
        return self.graph.constant(array.astype(self.graph.dtype), self.name + form)


def _element(dtype: str) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
