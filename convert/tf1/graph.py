"""The graph of TensorFlow 1, node by node: in a `.meta`, beside a checkpoint, or in a frozen `.pb`, with the weights.

Nothing of it is run. Saver and `tf.Graph` write the files (tensorflow/core/protobuf/meta_graph.proto,
tensorflow/core/framework/graph.proto).
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from rnnspec.convert.formats.protobuf import fields, number, octets, repeated, text
from rnnspec.convert.saved_model.graph import array_of, constant, entry
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reading import contents

SAME = ("Identity", "Enter", "RefEnter", "ReadVariableOp", "Cast", "Switch", "RefSwitch")  # of weights
VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
_PART = re.compile(r"(.+)/part_(\d{1,5})")
_BACKWARD = re.compile(r"(^|/)gradients(_\d+)?/")
_SAVES = {"SaveV2": 3, "SaveSlices": 3, "Save": 2}  # → the input with the first tensor; the names are the second one


class Ref(NamedTuple):
    """An output of a node."""

    node: str
    output: int


class Node(NamedTuple):
    """A node of the graph."""

    op: str
    inputs: tuple[Ref, ...]
    attributes: dict[str, memoryview]


class Graph:
    """A graph, by the names of its nodes.

    Args:
        nodes: all of them.
        where: the file, for messages.
    """

    def __init__(self, nodes: dict[str, Node], where: str) -> None:
        self.nodes, self.where = nodes, where
        self._readers: dict[Ref, list[str]] = defaultdict(list)
        for name, node in nodes.items():
            for ref in node.inputs:
                self._readers[ref].append(name)
        self._saved = self._names()

    @classmethod
    def read(cls, path: Path) -> Self:
        """The graph in a `.meta` file. Raises SpecError: it is damaged."""
        where = str(path)
        return cls._of(octets(fields(memoryview(contents(path)), where), 2, where), where)

    @classmethod
    def frozen(cls, path: Path) -> Self:
        """The graph in a `.pb` file.

        Raises:
            SpecError: it is damaged, or no graph.
            UnsupportedError: its loops are functions, as TensorFlow 2 has them.
        """
        where, data = str(path), memoryview(contents(path))
        library = fields(octets(fields(data, where), 2, where), where)
        if repeated(library, 1, where):
            raise UnsupportedError(
                f"{where}: a graph of functions, as TensorFlow 2 freezes them; give the SavedModel that it was made of"
            )
        found = cls._of(data, where)
        if not found.nodes:
            raise SpecError(f"{where}: no graph, or an empty one; give the checkpoint, or a frozen graph")
        if kept := next((name for name, node in found.nodes.items() if node.op in VARIABLES), None):
            raise SpecError(
                f"{where}: a graph that is not frozen: the numbers of {kept!r} are in a checkpoint; give that"
            )
        return found

    @classmethod
    def _of(cls, data: memoryview, where: str) -> Self:
        """`GraphDef`, without what `tf.gradients` adds in a scope of its own."""
        nodes = dict[str, Node]()
        for each in repeated(fields(data, where), 1, where):
            found = fields(each, where)
            refs = [str(ref, "utf-8", "replace") for ref in repeated(found, 3, where)]
            attributes = dict(entry(item, where) for item in repeated(found, 5, where))
            inputs = tuple(_ref(ref) for ref in refs if not ref.startswith("^"))
            name = text(found, 1, where)
            if _BACKWARD.search(name):
                continue
            nodes[name] = Node(text(found, 2, where), inputs, attributes)
        return cls(nodes, where)

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """What was a variable before the graph was frozen: constants of floats, by name.

        Numbers alone are none, and neither are zeros that are not read as variables are, nor what these start with.
        Parts of one variable are joined.

        Raises:
            SpecError: parts do not fit each other.
        """
        found: dict[str, np.ndarray] = {}
        parts: dict[str, dict[int, np.ndarray]] = defaultdict(dict)
        for name in (name for name, node in self.nodes.items() if node.op == "Const"):
            array = self.value(name)
            if array is None or not array.ndim or array.dtype.kind != "f" or "/Initializer/" in name:
                continue
            if not array.any() and not self.ops(Ref(name, 0), "Identity", "ReadVariableOp"):
                continue
            if part := _PART.fullmatch(name):
                parts[part[1]][int(part[2])] = array
                self._saved.setdefault(part[1], f"{part[1]}/part_0")
            else:
                found[name] = array
        for name, numbered in parts.items():
            ordered = [numbered[k] for k in sorted(numbered)]
            if len({array.shape[1:] for array in ordered}) > 1:
                raise SpecError(f"{self.where}: the parts of {name!r} do not fit each other along their first axis")
            found[name] = np.concatenate(ordered)
        return found

    def value(self, name: str) -> np.ndarray | None:
        """What a constant holds, if it is numbers; None for other nodes."""
        node = self.nodes.get(name)
        if node is None or node.op != "Const" or "value" not in node.attributes:
            return None
        return constant(octets(fields(node.attributes["value"], self.where), 8, self.where), self.where)

    def readers(self, value: Ref) -> Sequence[str]:
        """The nodes that read a value."""
        return self._readers.get(value, ())

    def saved(self, name: str) -> str:
        """The node of a variable that the checkpoint has under this name."""
        return self._saved.get(name, name)

    def is_variable(self, value: Ref) -> bool:
        """Whether a value is a variable, or was one before the graph was frozen."""
        name = self.source(value)
        return name in self.weights or (name in self.nodes and self.nodes[name].op in VARIABLES)

    def integer(self, node: Node, name: str) -> int:
        """An integer or boolean attribute, 0 where there is none."""
        found = fields(node.attributes.get(name, memoryview(b"")), self.where)
        return number(found, 3, self.where) or number(found, 5, self.where)

    def ops(self, value: Ref, *ops: str) -> list[str]:
        """The nodes of these operations that read a value."""
        return [name for name in self.readers(value) if self.nodes[name].op in ops]

    def op(self, ref: Ref) -> str:
        """The operation that a value comes from."""
        return self.nodes[ref.node].op if ref.node in self.nodes else ""

    def number(self, name: str, beside: Ref) -> float | None:
        """The constant that a node reads beside a value."""
        others = [ref for ref in self.nodes[name].inputs if ref != beside]
        value = self.value(self.source(others[0])) if len(others) == 1 else None
        return float(str(value.reshape(-1)[0])) if value is not None and value.size == 1 else None

    def source(self, ref: Ref) -> str:
        """The node that a value comes from, unchanged: of parts that are joined that of the first."""
        for _ in range(len(self.nodes)):
            node = self.nodes.get(ref.node)
            if node is None or not node.inputs or node.op in VARIABLES:
                break
            if node.op in SAME:
                ref = node.inputs[0]
            elif node.op in ("ConcatV2", "Concat"):
                ref = node.inputs[1 if node.op == "Concat" else 0]
            else:
                break
        return ref.node

    def _names(self) -> dict[str, str]:
        """The checkpoint's name of each variable → that of its node, as the Saver in the graph has them."""
        found: dict[str, str] = {}
        for node in self.nodes.values():
            if (first := _SAVES.get(node.op)) is None or len(node.inputs) <= first:
                continue
            names = self.nodes.get(self.source(node.inputs[1]))
            value = fields(names.attributes.get("value", memoryview(b"")), self.where) if names else {}
            texts = repeated(fields(octets(value, 8, self.where), self.where), 8, self.where)
            for each, ref in zip(texts, node.inputs[first:], strict=False):
                found.setdefault(str(each, "utf-8", "replace"), self.source(ref))
        return found

    def real(self, node: Node, name: str, default: float) -> float:
        """A floating-point attribute, with the digits that float32 has."""
        data = octets(fields(node.attributes.get(name, memoryview(b"")), self.where), 4, self.where)
        return float(str(array_of(data, "<f4", self.where)[0])) if data else default


def _ref(text: str) -> Ref:
    name, _, number = text.partition(":")
    return Ref(name, int(number) if number.isdecimal() and len(number) < 6 else 0)
