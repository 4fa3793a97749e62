"""What the graph beside a checkpoint, its `.meta`, says of cells, and the checkpoint does not: what is added to the
forget gate, activations, clips, epsilons, residual connections.

    …/basic_lstm_cell/MatMul    [x, h] W
    …/basic_lstm_cell/BiasAdd   + b
    …/basic_lstm_cell/split     i, j, f, o
    …/basic_lstm_cell/Add       f + 1          the forget bias is 1
    …/basic_lstm_cell/Tanh      tanh(j)        the activation is tanh

Nodes are followed by what they do, whatever they are called; nothing is run.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from rnnspec.conventions import tf1
from rnnspec.conventions.tensorflow import NAMED
from rnnspec.convert.tf1.graph import Graph, Node, Ref

_ADDS = ("Add", "AddV2", "BiasAdd")
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


class Meta(Graph):
    """What a graph says of the cells in it."""

    def cell(self, kind: str, kernels: Iterable[str], projections: Iterable[str] = ()) -> dict[str, Any]:
        """What is known of a cell, by the names of `--set`.

        Args:
            kind: as in `cells.KINDS`.
            kernels, projections: the checkpoint's variables that are its kernel, that of the new gate, and its
                projection.
        """
        variables = {self.saved(name) for name in kernels}
        found: dict[str, set] = defaultdict(set)
        for name, node in self.nodes.items():
            if (at := _FUSED.get(node.op)) is not None and len(node.inputs) > at:
                if self.source(node.inputs[at]) in variables:
                    clip = self.real(node, "cell_clip", -1.0)
                    if node.op not in ("BlockLSTM", "BlockLSTMV2"):
                        found["residual"].add(self._residual(node.inputs[0], name))
                    found["forget_bias"].add(self.real(node, "forget_bias", 1.0))
                    found["clip_cell"].add(clip if clip > 0 else None)
                    found["activation"].add("tanh")
            elif node.op == "MatMul" and len(node.inputs) == 2 and self.source(node.inputs[1]) in variables:
                for key, value in self._of_product(name, node, kind):
                    found[key].add(value)
        for name, node in self.nodes.items():
            over = {self.saved(each) for each in projections}
            if node.op == "MatMul" and len(node.inputs) == 2 and self.source(node.inputs[1]) in over:
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
        adds, waiting, seen = set(self.ops(x, *_ADDS[:2])), [name] if self.ops(x, *_ADDS[:2]) else [], set[str]()
        while waiting:
            if (each := waiting.pop()) in adds:
                return True
            if each not in seen and self.nodes[each].op not in ("NextIteration", "Exit"):
                seen.add(each)
                outputs = (Ref(each, k) for k in range(_OUTPUTS))
                waiting += [reader for output in outputs for reader in self.readers(output)]
        return False

    def _normed(self, value: Ref) -> tuple[Ref, float | None] | None:
        """A gate behind its layer norm, as contrib's `layer_norm` writes it, and the epsilon: x · (1 / √(v + ε) · γ) +
        (β − m · …)."""
        for each in self.ops(value, "Mul"):
            scale = next((self.nodes.get(ref.node) for ref in self.nodes[each].inputs if ref != value), None)
            root = next((ref for ref in scale.inputs if self.op(ref) == "Rsqrt"), None) if scale else None
            if root is not None and (added := self.ops(Ref(each, 0), *_ADDS[:2])):
                total = self.nodes[root.node].inputs[0]
                variance = next((ref for ref in self.nodes[total.node].inputs if self.op(ref) != "Const"), total)
                return Ref(added[0], 0), self.number(total.node, variance)
        return None

    def _forget(self, forget: Ref) -> Iterator[tuple[str, Any]]:
        """What is added to the forget gate."""
        for each in self.readers(forget):
            if self.nodes[each].op == "Sigmoid":
                yield "forget_bias", 0.0
            elif self.nodes[each].op in _ADDS[:2] and (number := self.number(each, forget)) is not None:
                yield "forget_bias", number

    def _new(self, new: Ref) -> Iterator[tuple[str, Any]]:
        """What is applied to the new gate, and what becomes of the sum that it is part of."""
        for each in self.readers(new):
            op = self.nodes[each].op
            if op in NAMED:
                yield "activation", NAMED[op]
                products = self.ops(Ref(each, 0), "Mul")
            elif op == "Mul" and any(self.op(ref) == "Sigmoid" for ref in self.nodes[each].inputs):
                yield "activation", "linear"
                products = [each]
            else:
                continue
            for product in products:
                for total in self.ops(Ref(product, 0), *_ADDS[:2]):
                    yield "clip_cell", self._clip(Ref(total, 0))

    def _clip(self, value: Ref) -> float | None:
        """The bound of `clip_by_value`, if that is what reads the value."""
        found = {self.number(each, value) for each in self.ops(value, "Minimum")}
        return found.pop() if len(found) == 1 else None

    def _through(self, value: Ref) -> Iterator[Ref]:
        """What reads a value, or what it is added to."""
        waiting, seen = [value], set()
        while waiting:
            ref = waiting.pop()
            for each in self.readers(ref):
                if each in seen:
                    continue
                seen.add(each)
                if self.nodes[each].op in _ADDS:
                    waiting.append(Ref(each, 0))
                else:
                    yield Ref(each, 0)


def _place(gates: list[str], either: tuple[str, ...]) -> int:
    return next(k for k, gate in enumerate(gates) if gate in either)
