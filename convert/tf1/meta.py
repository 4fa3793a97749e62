"""What the graph beside a checkpoint, its `.meta`, says of cells, and the checkpoint does not: what is added to the
forget gate, activations, clips, epsilons, residual connections.

    …/basic_lstm_cell/MatMul    [x, h] W
    …/basic_lstm_cell/BiasAdd   + b
    …/basic_lstm_cell/split     i, j, f, o
    …/basic_lstm_cell/Add       f + 1          the forget bias is 1
    …/basic_lstm_cell/Tanh      tanh(j)        the activation is tanh

Nodes are followed by what they do, whatever they are called; nothing is run. Saver and `tf.Graph` write the file
(tensorflow/core/protobuf/meta_graph.proto).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rnnspec.conventions import tf1
from rnnspec.conventions.tensorflow import NAMED
from rnnspec.convert.formats.protobuf import fields, octets, repeated, text
from rnnspec.convert.saved_model.graph import array_of, constant, entry
from rnnspec.reading import contents

_SAME = ("Identity", "Enter", "RefEnter", "ReadVariableOp", "Cast", "Switch", "RefSwitch")  # of weights
_VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
_ADDS = ("Add", "AddV2", "BiasAdd")
_SAVES = {"SaveV2": 3, "SaveSlices": 3, "Save": 2}  # → the input with the first tensor; the names are the second one
_FUSED = {
    "LSTMBlockCell": 3,
    "LSTMBlockCellV1": 3,
    "BlockLSTM": 4,
    "BlockLSTMV2": 4,
    "GRUBlockCell": 3,
}  # → the input with the kernel
_OUTPUTS = 8  # of a node of a cell, at most
_SPLIT: dict[str, Any] = {  # kind of cell → the framework's, which says in which order its gates are split
    "lstm": tf1.LSTM,
    "cudnn_lstm": tf1.CudnnCompatibleLSTM,
    "cifg": tf1.CoupledLSTM,
    "indy_lstm": tf1.IndyLSTM,
    "ugrnn": tf1.UGRNN,
}
_FORGET, _NEW = ("forget", "update"), ("cell", "new")  # gates of ours: the one to which a bias is added; the new one


class Ref(NamedTuple):
    """An output of a node."""

    node: str
    output: int


class Node(NamedTuple):
    """A node of the graph."""

    op: str
    inputs: tuple[Ref, ...]
    attributes: dict[str, memoryview]


class Meta:
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
    def read(cls, path: Path) -> "Meta":
        """The graph in a `.meta` file. Raises SpecError: it is damaged."""
        where, nodes = str(path), dict[str, Node]()
        graph = fields(octets(fields(memoryview(contents(path)), where), 2, where), where)
        for each in repeated(graph, 1, where):
            found = fields(each, where)
            refs = [str(ref, "utf-8", "replace") for ref in repeated(found, 3, where)]
            attributes = dict(entry(item, where) for item in repeated(found, 5, where))
            inputs = tuple(_ref(ref) for ref in refs if not ref.startswith("^"))
            nodes[text(found, 1, where)] = Node(text(found, 2, where), inputs, attributes)
        return cls(nodes, where)

    def cell(self, kind: str, kernels: Iterable[str], projections: Iterable[str] = ()) -> dict[str, Any]:
        """What is known of a cell, by the names of `--set`.

        Args:
            kind: as in `cells.KINDS`.
            kernels, projections: the checkpoint's variables that are its kernel, that of the new gate, and its
                projection.
        """
        variables = {self._saved.get(name, name) for name in kernels}
        found: dict[str, set] = defaultdict(set)
        for name, node in self.nodes.items():
            if (at := _FUSED.get(node.op)) is not None and len(node.inputs) > at:
                if self._source(node.inputs[at]) in variables:
                    clip = self._real(node, "cell_clip", -1.0)
                    if node.op not in ("BlockLSTM", "BlockLSTMV2"):
                        found["residual"].add(self._residual(node.inputs[0], name))
                    found["forget_bias"].add(self._real(node, "forget_bias", 1.0))
                    found["clip_cell"].add(clip if clip > 0 else None)
                    found["activation"].add("tanh")
            elif node.op == "MatMul" and len(node.inputs) == 2 and self._source(node.inputs[1]) in variables:
                for key, value in self._of_product(name, node, kind):
                    found[key].add(value)
        for name, node in self.nodes.items():
            over = {self._saved.get(each, each) for each in projections}
            if node.op == "MatMul" and len(node.inputs) == 2 and self._source(node.inputs[1]) in over:
                found["clip_projection"].add(self._clip(Ref(name, 0)))
        return {key: values.pop() for key, values in found.items() if len(values) == 1}

    def _of_product(self, name: str, node: Node, kind: str) -> Iterator[tuple[str, Any]]:
        """What follows the product of a kernel, and what comes with it."""
        ends = self._through(Ref(name, 0))
        gates = list(_SPLIT[kind].gates.theirs.values()) if kind in _SPLIT else []
        joined = self.nodes.get(node.inputs[0].node)
        if joined is not None:
            concat = joined.op in ("ConcatV2", "Concat")
            x = joined.inputs[1 if joined.op == "Concat" else 0] if concat else node.inputs[0]
            yield "residual", self._residual(x, name)
        for end in ends:
            other = self.nodes[end.node]
            if other.op in NAMED and not gates:
                yield "activation", NAMED[other.op]
            elif other.op in ("Split", "SplitV") and gates:
                forget, new = (Ref(end.node, _place(gates, either)) for either in (_FORGET, _NEW))
                if normed := self._normed(new):
                    new, epsilon = normed
                    yield "epsilon", epsilon
                    forget = (self._normed(forget) or (forget, None))[0]
                yield from self._forget(forget)
                yield from self._new(new)

    def _residual(self, x: Ref, name: str) -> bool:
        """Whether what a cell reads is added to what comes of a node of it, in the same step."""
        adds, waiting, seen = set(self._ops(x, *_ADDS[:2])), [name] if self._ops(x, *_ADDS[:2]) else [], set[str]()
        while waiting:
            if (each := waiting.pop()) in adds:
                return True
            if each not in seen and self.nodes[each].op not in ("NextIteration", "Exit"):
                seen.add(each)
                outputs = (Ref(each, k) for k in range(_OUTPUTS))
                waiting += [reader for output in outputs for reader in self._readers.get(output, ())]
        return False

    def _normed(self, value: Ref) -> tuple[Ref, float | None] | None:
        """A gate behind its layer norm, as contrib's `layer_norm` writes it, and the epsilon: x · (1 / √(v + ε) · γ) +
        (β − m · …)."""
        for each in self._ops(value, "Mul"):
            scale = next((self.nodes.get(ref.node) for ref in self.nodes[each].inputs if ref != value), None)
            root = next((ref for ref in scale.inputs if self._op(ref) == "Rsqrt"), None) if scale else None
            if root is not None and (added := self._ops(Ref(each, 0), *_ADDS[:2])):
                total = self.nodes[root.node].inputs[0]
                variance = next((ref for ref in self.nodes[total.node].inputs if self._op(ref) != "Const"), total)
                return Ref(added[0], 0), self._number(total.node, variance)
        return None

    def _forget(self, forget: Ref) -> Iterator[tuple[str, Any]]:
        """What is added to the forget gate."""
        for each in self._readers[forget]:
            if self.nodes[each].op == "Sigmoid":
                yield "forget_bias", 0.0
            elif self.nodes[each].op in _ADDS[:2] and (number := self._number(each, forget)) is not None:
                yield "forget_bias", number

    def _new(self, new: Ref) -> Iterator[tuple[str, Any]]:
        """What is applied to the new gate, and what becomes of the sum that it is part of."""
        for each in self._readers[new]:
            op = self.nodes[each].op
            if op in NAMED:
                yield "activation", NAMED[op]
                products = self._ops(Ref(each, 0), "Mul")
            elif op == "Mul" and any(self._op(ref) == "Sigmoid" for ref in self.nodes[each].inputs):
                yield "activation", "linear"
                products = [each]
            else:
                continue
            for product in products:
                for total in self._ops(Ref(product, 0), *_ADDS[:2]):
                    yield "clip_cell", self._clip(Ref(total, 0))

    def _ops(self, value: Ref, *ops: str) -> list[str]:
        """The nodes of these operations that read a value."""
        return [name for name in self._readers[value] if self.nodes[name].op in ops]

    def _op(self, ref: Ref) -> str:
        """The operation that a value comes from."""
        return self.nodes[ref.node].op if ref.node in self.nodes else ""

    def _clip(self, value: Ref) -> float | None:
        """The bound of `clip_by_value`, if that is what reads the value."""
        found = {self._number(each, value) for each in self._ops(value, "Minimum")}
        return found.pop() if len(found) == 1 else None

    def _through(self, value: Ref) -> Iterator[Ref]:
        """What reads a value, or what it is added to."""
        waiting, seen = [value], set()
        while waiting:
            ref = waiting.pop()
            for each in self._readers[ref]:
                if each in seen:
                    continue
                seen.add(each)
                if self.nodes[each].op in _ADDS:
                    waiting.append(Ref(each, 0))
                else:
                    yield Ref(each, 0)

    def _number(self, name: str, beside: Ref) -> float | None:
        """The constant that a node reads beside a value."""
        others = [ref for ref in self.nodes[name].inputs if ref != beside]
        node = self.nodes.get(self._source(others[0])) if len(others) == 1 else None
        if node is None or node.op != "Const" or "value" not in node.attributes:
            return None
        value = constant(octets(fields(node.attributes["value"], self.where), 8, self.where), self.where)
        return float(str(value.reshape(-1)[0])) if value is not None and value.size == 1 else None

    def _source(self, ref: Ref) -> str:
        """The node that a value comes from, unchanged: of parts that are joined that of the first."""
        for _ in range(len(self.nodes)):
            node = self.nodes.get(ref.node)
            if node is None or not node.inputs or node.op in _VARIABLES:
                break
            if node.op in _SAME:
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
            names = self.nodes.get(self._source(node.inputs[1]))
            value = fields(names.attributes.get("value", memoryview(b"")), self.where) if names else {}
            texts = repeated(fields(octets(value, 8, self.where), self.where), 8, self.where)
            for each, ref in zip(texts, node.inputs[first:], strict=False):
                found.setdefault(str(each, "utf-8", "replace"), self._source(ref))
        return found

    def _real(self, node: Node, name: str, default: float) -> float:
        """A floating-point attribute, with the digits that float32 has."""
        data = octets(fields(node.attributes.get(name, memoryview(b"")), self.where), 4, self.where)
        return float(str(array_of(data, "<f4", self.where)[0])) if data else default


def _place(gates: list[str], either: tuple[str, ...]) -> int:
    return next(k for k, gate in enumerate(gates) if gate in either)


def _ref(text: str) -> Ref:
    name, _, number = text.partition(":")
    return Ref(name, int(number) if number.isdecimal() and len(number) < 6 else 0)
