"""The graph of a SavedModel, read as expressions: nothing of it is run.

Every tensor is followed back to what it is computed from. Calls of functions are looked through, and so are operations
that change nothing at inference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

import numpy as np

from rnnspec import limits
from rnnspec.convert.formats.protobuf import fields, number, octets, repeated, text, varints
from rnnspec.convert.formats.tensorflow.tensors import STRING, dtype_of, shape_of, widened
from rnnspec.errors import SpecError

_SAME = {"Identity", "IdentityN", "StopGradient", "PreventGradient", "ReadVariableOp"}
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_DEPTH = 32  # calls inside calls
_INPUTS = {  # of those that are looked into, how many there are at least
    "Tanh": 1, "Sigmoid": 1, "Relu": 1, "Relu6": 1, "Softplus": 1, "Softsign": 1, "Exp": 1, "Elu": 1, "Selu": 1,
    "Softmax": 1, "LogSoftmax": 1, "LeakyRelu": 1, "Cast": 1, "Squeeze": 1, "TensorListStack": 1, "Add": 2, "AddV2": 2,
    "BiasAdd": 2, "Mul": 2, "MatMul": 2, "Split": 2, "Reshape": 2, "Transpose": 2, "GatherV2": 3,
    "TensorListSetItem": 3, "StridedSlice": 4,
}  # fmt: skip
_LISTS = {5: "<f4", 6: "<f8", 7: "", 10: "", 11: ""}  # TensorProto: float_val, double_val; int_val, int64_val, bool_val
_MOST = 1 << 20  # numbers in a constant that is written as one number and a shape


@dataclass(eq=False)
class Operation:
    """One operation, with the frame in which its inputs are found."""

    type: str
    name: str
    frame: "Frame | None" = None
    refs: tuple[str, ...] = ()
    attributes: Mapping[str, dict[int, list]] = field(default_factory=dict)

    @cached_property
    def inputs(self) -> "list[Tensor]":
        return [] if self.frame is None else [self.frame.tensor(ref) for ref in self.refs]

    @cached_property
    def returned(self) -> "list[Tensor]":
        """What the function returns that a call calls."""
        assert self.frame is not None
        return self.frame.library.call(self.function("f"), self.inputs, self.frame.depth + 1).returned

    @cached_property
    def body(self) -> "Loop":
        """What a `While` repeats."""
        return Loop(self)

    def number(self, name: str) -> int:
        """An integer or boolean attribute, 0 where there is none."""
        attribute = self.attributes.get(name, {})
        return number(attribute, 3, self.name) or number(attribute, 5, self.name)

    def real(self, name: str, default: float) -> float:
        """A floating-point attribute, with the digits that float32 has."""
        found = octets(self.attributes.get(name, {}), 4, self.name)
        return float(str(array_of(found, "<f4", self.name)[0])) if found else default

    def function(self, name: str) -> str:
        """The name of a function that is an attribute."""
        return text(fields(octets(self.attributes.get(name, {}), 10, self.name), self.name), 1, self.name)

    @cached_property
    def value(self) -> np.ndarray | None:
        """What a `Const` holds, if it is numbers."""
        if self.type != "Const" or "value" not in self.attributes:
            return None
        return constant(octets(self.attributes["value"], 8, self.name), self.name)


class Tensor(NamedTuple):
    """One output of an operation."""

    op: Operation
    output: int = 0

    @property
    def type(self) -> str:
        """The type of the operation."""
        return self.op.type

    @property
    def inputs(self) -> "list[Tensor]":
        return self.op.inputs


class Library:
    """The functions of a graph, by name. Raises SpecError where the graph is damaged."""

    def __init__(self, graph_def: memoryview, where: str) -> None:
        self.where, self.calls = where, 0
        found = repeated(fields(octets(fields(graph_def, where), 2, where), where), 1, where)
        self.functions = {function.name: function for function in (Function(data, where) for data in found)}

    def function(self, name: str) -> "Function":
        """The function of this name. Raises SpecError: there is none."""
        if name not in self.functions:
            raise SpecError(f"{self.where}: damaged: its function {name!r} is missing; copy the folder again")
        return self.functions[name]

    def call(self, name: str, arguments: "list[Tensor]", depth: int = 0) -> "Frame":
        """A function with its arguments. Raises SpecError: functions that call each other without end."""
        self.calls += 1
        if depth > _DEPTH or self.calls > limits.CALLS:
            raise SpecError(f"{self.where}: damaged: its functions call each other without end; copy the folder again")
        return Frame(self, self.function(name), arguments, depth)

    def innermost(self, name: str) -> str:
        """The function that does the work, where others do nothing but call it."""
        for _ in range(_DEPTH):
            frame = self.call(name, [])
            work = [op for op in map(frame.operation, frame.function.nodes) if op.type not in {*_SAME, "NoOp"}]
            if len(work) != 1 or work[0].type not in _CALLS:
                break
            name = work[0].function("f")
        return name


class Function:
    """`FunctionDef` (tensorflow/core/framework/function.proto): arguments, nodes, and what it returns."""

    def __init__(self, data: memoryview, where: str) -> None:
        found = fields(data, where)
        signature = fields(octets(found, 1, where), where)
        self.name = text(signature, 1, where)
        self.where = f"{where}: function {self.name!r}"
        self.arguments = [text(fields(each, where), 1, where) for each in repeated(signature, 2, where)]
        self.outputs = [text(fields(each, where), 1, where) for each in repeated(signature, 3, where)]
        self.returns = dict(entry(item, where) for item in repeated(found, 4, where))
        nodes = [fields(node, where) for node in repeated(found, 3, where)]
        self.nodes = {text(node, 1, where): node for node in nodes}

    @cached_property
    def refs(self) -> dict[str, tuple[str, ...]]:
        """Node → the tensors that it takes. Raises SpecError where a node waits for itself."""
        refs = {}
        for name, node in self.nodes.items():
            taken = [str(ref, "utf-8", "replace") for ref in repeated(node, 3, self.where)]
            refs[name] = tuple(ref for ref in taken if not ref.startswith("^"))
        try:
            TopologicalSorter({name: [ref.split(":")[0] for ref in taken] for name, taken in refs.items()}).prepare()
        except CycleError:
            raise SpecError(f"{self.where}: damaged: a node waits for itself; copy the folder again") from None
        return refs


class Frame:
    """A function called with arguments: where the names of its tensors mean something."""

    def __init__(self, library: Library, function: Function, arguments: list[Tensor], depth: int) -> None:
        self.library, self.function, self.depth = library, function, depth
        self.arguments = dict(zip(function.arguments, arguments, strict=False))
        self.operations: dict[str, Operation] = {}

    @cached_property
    def returned(self) -> list[Tensor]:
        """What the function returns."""
        returns = {name: str(ref, "utf-8", "replace") for name, ref in self.function.returns.items()}
        return [self.tensor(returns.get(name, "")) for name in self.function.outputs]

    def tensor(self, ref: str) -> Tensor:
        """`argument` or `node:output:number`, looked through to what computes it.

        Raises:
            SpecError: there is none of this name.
        """
        if ref in self.arguments:
            return self.arguments[ref]
        name, *rest = ref.split(":")
        if name not in self.function.refs:
            raise SpecError(f"{self.function.where}: damaged: its tensor {ref!r} is missing; copy the folder again")
        index = int(rest[-1]) if rest and rest[-1].isdecimal() else 0
        op = self.operation(name)
        if op.type in _SAME and index < len(op.inputs):
            return op.inputs[index]
        if op.type in _CALLS and index < len(op.returned):
            return op.returned[index]
        return Tensor(op, index)

    def operation(self, name: str) -> Operation:
        """The operation of this name. Raises SpecError: it has fewer inputs than its type takes."""
        if name not in self.operations:
            node, where = self.function.nodes[name], self.function.where
            found = dict(entry(item, where) for item in repeated(node, 5, where))
            attributes = {key: fields(data, where) for key, data in found.items()}
            kind, refs = text(node, 2, where), self.function.refs[name]
            if len(refs) < _INPUTS.get(kind, 0):
                raise SpecError(
                    f"{where}: damaged: {name!r} ({kind}) takes more than {len(refs)}; copy the folder again"
                )
            self.operations[name] = Operation(kind, name, self, refs, attributes)
        return self.operations[name]


class Loop:
    """The body of a `While`: `carried[k]` is its k-th value at the start of a step, `new[k]` at its end, and `start[k]`
    before the first step. What no step changes is looked through.
    """

    def __init__(self, op: Operation) -> None:
        """Raises SpecError: the graph is damaged."""
        assert op.frame is not None
        library, depth, name = op.frame.library, op.frame.depth + 1, op.function("body")
        self.carried = [Tensor(Operation("Carried", f"{op.name}:{k}")) for k in range(len(op.inputs))]
        first = library.call(name, self.carried, depth).returned
        arguments = [start if c == n else c for start, c, n in zip(op.inputs, self.carried, first, strict=False)]
        self.start = op.inputs
        self.new = library.call(name, arguments, depth).returned
        if not len(self.new) == len(arguments) == len(self.start):
            raise SpecError(
                f"{library.where}: damaged: {op.name!r} takes and gives other values; copy the folder again"
            )

    def changed(self) -> Iterator[tuple[int, Tensor]]:
        """What a step changes: number, new value."""
        return ((k, new) for k, new in enumerate(self.new) if new != self.start[k])


def entry(data: memoryview, where: str) -> tuple[str, memoryview]:
    """An entry of a map with strings as keys."""
    found = fields(data, where)
    return text(found, 1, where), octets(found, 2, where)


def constant(data: memoryview, where: str) -> np.ndarray | None:
    """`TensorProto` (tensorflow/core/framework/tensor.proto); None for strings. Raises SpecError: numbers missing."""
    found = fields(data, where)
    code, shape = number(found, 1, where), shape_of(octets(found, 2, where), where)
    if code == STRING:
        return None
    dtype, size = dtype_of(code, where), int(np.prod(shape))
    values = np.zeros(0)
    if content := octets(found, 4, where):
        values = widened(array_of(content, dtype, where), code)
    for each in _LISTS.keys() & found.keys():
        values = np.concatenate([_numbers(value, _LISTS[each], where) for value in found[each]])
    if values.size not in (0, 1, size) or (size > _MOST and values.size != size):
        raise SpecError(f"{where}: damaged: {values.size} numbers for the shape {shape}; copy the folder again")
    values = values.astype(dtype) if values.size else np.zeros(1, dtype)
    return values.reshape(shape) if values.size == size else np.broadcast_to(values, shape)  # which takes no memory


def _numbers(value: int | memoryview, dtype: str, where: str) -> np.ndarray:
    """One value of a repeated field, or many that are packed."""
    if isinstance(value, int):
        return np.array([value])
    return array_of(value, dtype, where) if dtype else varints(value, where)


def array_of(data: memoryview, dtype: str | np.dtype, where: str) -> np.ndarray:
    """Numbers as they lie in memory. Raises SpecError: part of one, or none."""
    if not len(data) or len(data) % np.dtype(dtype).itemsize:
        raise SpecError(
            f"{where}: damaged: {len(data)} bytes are no numbers of {np.dtype(dtype)}; copy the folder again"
        )
    return np.frombuffer(data, dtype)
