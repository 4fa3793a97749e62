"""A small builder of ONNX graphs: nodes written directly."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
from onnx import helper

from rnnspec.export.values import Dimension, Value
from rnnspec.version import __version__

# Names of constants that an input or a layer could have; all others have a dot or a space.
CONSTANTS = ("no", "no_steps")
_LARGE = 1024  # bytes
_AXES_AS_INPUT = 18  # the first opset whose ReduceMean and ReduceMax take them so


class Graph:
    """Nodes, initializers, inputs and outputs in the order in which they are made."""

    def __init__(self, opset: int, dtype: str = "float32") -> None:
        self.opset = opset
        self.dtype = np.dtype(dtype)
        self.place = ""  # before the names of nodes: "lstm/"
        self._outside: list[onnx.NodeProto] = []
        self._nodes = self._outside
        self.arrays: dict[str, np.ndarray] = {}  # the initializers
        self.read: set[str] = set()  # the weights that nodes read
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self.reserved: set[str] = set()  # names that inputs and outputs have
        self._count: dict[str, int] = {}
        self._renamed: dict[str, str] = {}  # values that are outputs → the names of those
        self._shared: dict[tuple, Any] = {}

    def input(self, name: str, dtype: str, shape: tuple[Dimension, ...], default: np.ndarray | None = None) -> Value:
        """A graph input; strings are symbolic dimensions. With a default, the initializer of its name, it may be left
        out.
        """
        self._inputs.append(helper.make_tensor_value_info(name, _element(dtype), shape))
        if default is not None:
            self.constant(default, name)
        return Value(self, name, shape)

    def output(self, value: Value, name: str) -> None:
        """Make `value` a graph output called `name`."""
        self._outputs.append(helper.make_tensor_value_info(name, _element(str(self.dtype)), value.shape))
        if value.name in self._renamed or not any(value.name in node.output for node in self._nodes):
            # It is an output or an input already, and those keep their names.
            self._nodes.append(helper.make_node("Identity", [value.name], [name], f"output/{name}"))
        else:
            self._renamed[value.name] = name

    def constant(self, array: np.ndarray, name: str) -> Value:
        """An initializer; a name used twice must hold the same array."""
        array = np.asarray(array)
        self.arrays.setdefault(name, array)
        return Value(self, name, array.shape)

    def node(self, kind: str, inputs: Iterable[Value | None], *shapes: tuple[Dimension, ...], **attributes: Any) -> Any:
        """Append a node; one output per shape. Returns the Value, or a list of them where there are several."""
        names = [value.name if value is not None else "" for value in inputs]
        while names and not names[-1]:
            names.pop()
        name = self._name(kind.lower())
        outputs = [name] if len(shapes) == 1 else [f"{name}.{i}" for i in range(len(shapes))]
        self._nodes.append(helper.make_node(kind, names, outputs, f"{self.place}{name}", **attributes))
        values = [Value(self, output, shape) for output, shape in zip(outputs, shapes, strict=True)]
        return values[0] if len(values) == 1 else values

    def body(self, inputs: list[tuple[str, tuple[Dimension, ...]]], trace: Callable) -> onnx.GraphProto:
        """A graph inside a node: `trace` takes its inputs, given as (dtype, shape), and returns its outputs.

        Nodes inside may use all values outside, initializers are put outside.
        """
        name = self._name("body")
        outer, self._nodes = self._nodes, []
        infos = [
            helper.make_tensor_value_info(f"{name}.in.{i}", _element(d), shape) for i, (d, shape) in enumerate(inputs)
        ]
        results = trace(*(Value(self, info.name, shape) for info, (_, shape) in zip(infos, inputs, strict=True)))
        outputs = []
        for i, value in enumerate(results):  # by Identity, so that each has its own name and is made inside
            self._nodes.append(helper.make_node("Identity", [value.name], [f"{name}.out.{i}"], f"{name}/{i}"))
            outputs.append(helper.make_tensor_value_info(f"{name}.out.{i}", _element(str(self.dtype)), value.shape))
        nodes, self._nodes = self._nodes, outer
        return helper.make_graph(nodes, name, infos, outputs)

    def shared(self, key: tuple, make: Callable[[], Any]) -> Any:
        """What several layers or steps need, made once, outside bodies, of what stands there."""
        if key not in self._shared:
            inside, self._nodes = self._nodes, self._outside
            self._shared[key] = make()
            self._nodes = inside
        return self._shared[key]

    def scalar(self, number: float) -> Value:
        """A floating constant without axes."""
        number = float(number)
        return self.constant(np.array(number, self.dtype), f"scalar {number!r}")

    def integers(self, *values: int) -> Value:
        """A constant list of axes or sizes."""
        return self.constant(np.array(values, "int64"), f"integers {', '.join(map(str, values))}")

    def integer(self, value: int) -> Value:
        """An int64 constant."""
        return self.constant(np.array(value, "int64"), f"integer {value}")

    def numbers(self, flags: Value) -> Value:
        """Booleans as 1 and 0."""
        return self.node("Cast", [flags], flags.shape, to=_element(str(self.dtype)))

    def gemm(self, x: Value, kernel: Value, offset: Value | None = None) -> Value:
        """x · kernel + offset."""
        return self.node("Gemm", [x, kernel, offset], (x.shape[0], kernel.shape[1]))

    def unsqueeze(self, x: Value, axis: int) -> Value:
        """With an axis of one put in."""
        return self.node("Unsqueeze", [x, self.integers(axis)], (*x.shape[:axis], 1, *x.shape[axis:]))

    def squeeze(self, x: Value, axis: int) -> Value:
        """Without an axis of one."""
        return self.node("Squeeze", [x, self.integers(axis)], (*x.shape[:axis], *x.shape[axis + 1 :]))

    def transpose(self, x: Value, *order: int) -> Value:
        """The axes in another order."""
        return self.node("Transpose", [x], tuple(x.shape[i] for i in order), perm=list(order))

    def reduce(self, kind: str, x: Value, axis: int, keep: bool) -> Value:
        """ReduceMean or ReduceMax over one axis, which stays as one with `keep`."""
        at = axis % len(x.shape)
        shape = (*x.shape[:at], *([1] if keep else []), *x.shape[at + 1 :])
        inputs, attributes = ([x], {"axes": [axis]}) if self.opset < _AXES_AS_INPUT else ([x, self.integers(axis)], {})
        return self.node(kind, inputs, shape, keepdims=int(keep), **attributes)

    def pad(self, x: Value, after: list[Value], shape: tuple[Dimension, ...], filling: Value | None = None) -> Value:
        """x with more places at the ends of its axes, how many as lists of integers that are joined."""
        before = self.integers(*[0] * len(x.shape))
        pads = self.node("Concat", [before, *after], (2 * len(x.shape),), axis=0)
        return self.node("Pad", [x, pads, filling], shape)

    def slice(self, x: Value, start: int, stop: int, size: Dimension, step: int = 1) -> Value:
        """x[start:stop:step], of `size` elements."""
        bounds = [self.integers(start), self.integers(stop), self.integers(0), self.integers(step)]
        return self.node("Slice", [x, *bounds], (size, *x.shape[1:]))

    def reshape(self, x: Value, sizes: tuple[int, ...], shape: tuple[Dimension, ...]) -> Value:
        """Sizes as Reshape has them: 0 for a size that is kept, −1 for the rest."""
        return self.node("Reshape", [x, self.integers(*sizes)], shape)

    def join(self, values: list[Value], axis: int = -1) -> Value:
        """Concatenated along an axis."""
        shape = list(values[0].shape)
        shape[axis] = sum(int(value.shape[axis]) for value in values)
        return values[0] if len(values) == 1 else self.node("Concat", values, tuple(shape), axis=axis)

    def model(self, metadata: dict[str, str], location: str | None = None) -> onnx.ModelProto:
        """The finished, checked model. With a `location`, its large initializers lie one after the other in a file of
        that name beside it.
        """
        for node in self._nodes:  # those in bodies come before, and read no output
            for names in (node.input, node.output):
                names[:] = [self._renamed.get(name, name) for name in names]
        nodes = _read(self._nodes, {output.name for output in self._outputs})
        initializers, end = [], 0
        for name, array in self.arrays.items():
            tensor = onnx.TensorProto(name=name, dims=array.shape, data_type=_element(str(array.dtype)))
            if location is None or name not in self.large():
                tensor.raw_data = little(array).tobytes()
            else:
                tensor.data_location = onnx.TensorProto.EXTERNAL
                for key, value in (("location", location), ("offset", end), ("length", array.nbytes)):
                    tensor.external_data.add(key=key, value=str(value))
                end += array.nbytes
            initializers.append(tensor)
        graph = helper.make_graph(nodes, "rnnspec", self._inputs, self._outputs, initializers)
        values = [", ".join(map(_said, infos)) for infos in (self._inputs, self._outputs)]
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            producer_name="rnnspec",
            producer_version=__version__,
            doc_string=f"{' → '.join(values)}. A state called s is given back as s.out.",
            ir_version=helper.find_min_ir_version_for(opsets),
        )
        helper.set_model_props(model, metadata)
        if location is None:
            onnx.checker.check_model(model, full_check=True)
        return model

    def large(self) -> dict[str, np.ndarray]:
        """The initializers that are no sizes, axes and other small numbers."""
        return {name: array for name, array in self.arrays.items() if array.nbytes >= _LARGE}

    def _name(self, kind: str) -> str:
        index = self._count[kind] = self._count.get(kind, -1) + 1
        name = f"{kind}_{index}"
        return self._name(kind) if name in self.reserved else name


def _said(info: onnx.ValueInfoProto) -> str:
    """An input or output with its shape: `x (batch, time, 3)`."""
    sizes = [d.dim_param or str(d.dim_value) for d in info.type.tensor_type.shape.dim]
    return f"{info.name} ({', '.join(sizes)})"


def _read(nodes: Iterable[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """The nodes that something comes of."""
    found: list[onnx.NodeProto] = []
    for node in reversed(list(nodes)):
        if wanted & {*node.output}:
            found.append(node)
            wanted |= _reads(node)
    return found[::-1]


def _reads(node: onnx.NodeProto) -> set[str]:
    """The names of all that a node reads, in bodies too."""
    bodies = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return {*node.input}.union(*(_reads(inner) for body in bodies for inner in body.node))


def little(array: np.ndarray) -> np.ndarray:
    """As ONNX stores it."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _element(dtype: str) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
