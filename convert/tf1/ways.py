"""The ways in a graph of TensorFlow 1: a value is followed back from the product that reads it to the layer that gives
it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rnnspec.activations import Activation
from rnnspec.conventions.tensorflow import NAMED
from rnnspec.convert.tf1.graph import Graph, Ref
from rnnspec.convert.tf1.patterns import ADDS, carried, last_of, order_of, over, swapping, undropped
from rnnspec.layers import Layer, Recurrent

_LAYOUT = ("Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "Exit", "Enter", "Switch", "NextIteration")
_UNREAD = ("Shape", "ShapeN", "ArgMax", "InTopK", "InTopKV2", "TopKV2")  # of what a model gives: no value of it
_REVERSES = ("ReverseSequence", "ReverseV2", "Reverse")
_SUMMARIES = {"Mean": "mean", "Max": "max", "Sum": "sum"}
_PRODUCTS = {
    "MatMul": (0, 1), "GatherV2": (1, 0), "Gather": (1, 0), "ResourceGather": (1, 0),
    "BlockLSTM": (1, 4), "LSTMBlockCell": (0, 3), "GRUBlockCell": (0, 2),
}  # fmt: skip
# → the inputs with what is read and with the weights; of GRUBlockCell with those of the gates
_SOURCES = ("Placeholder", "Iterator", "QueueDequeue")
_MOST = 10_000  # nodes between a product and what it reads


class Way(NamedTuple):
    """How a value comes from a layer: the steps that are taken, what is applied, and an operation that is not known."""

    layer: str = ""
    steps: str = ""  # "all", "final", "last", "mean", …
    activation: Activation = "linear"
    padded: bool = False  # whether steps past the length of a row are 0
    turned: bool = False  # whether the steps come in reverse
    unknown: str = ""


class Ways:
    """The ways between layers.

    Args:
        graph: the graph.
        owners: the checkpoint's name of a variable → the layer that it belongs to, `rnn`; of two directions
            `rnn.forward`, `rnn.backward`.
    """

    def __init__(self, graph: Graph, owners: Mapping[str, str]) -> None:
        self.graph = graph
        self.owners = {graph.saved(name): layer for name, layer in owners.items()}
        self._known: dict[tuple[Ref, str], Way] = {}

    def order(self, ref: Ref) -> tuple[bool | None, bool | None]:
        """Whether the first two axes of the model's input are swapped before its steps are read, and whether these are
        read in reverse; None where it cannot be told."""
        graph, swapped, turned, steps = self.graph, False, False, False
        for _ in range(_MOST):
            node = graph.nodes.get(ref.node)
            if node is None:
                break
            data = 0
            if node.op.startswith(("TensorArrayScatter", "TensorArrayRead")) and len(node.inputs) > 2:
                steps, data = True, 2
            elif node.op in _REVERSES:
                turned = not turned
            elif node.op == "Transpose":
                swapped ^= swapping(self.graph, node)
            elif node.op in ("Gather", "GatherV2", "ResourceGather") and len(node.inputs) > 1:
                data = 1
            elif (dropped := undropped(self.graph, node)) is not None:
                ref = dropped
                continue
            elif node.op.startswith(_SOURCES):
                return (swapped, turned) if steps else (None, None)
            elif node.op not in (*_LAYOUT, *ADDS, *NAMED, "MatMul", "Cast"):
                return None, turned if steps else None
            if not node.inputs:
                break
            ref = node.inputs[data]
        return None, None

    def reads(self, layer: Layer) -> Iterator[Ref]:
        """What the products of a layer read: of [x, h] x, and of the cells of a loop what the loop reads."""
        for node in self.graph.nodes.values():
            data, weights = _PRODUCTS.get(node.op, (0, len(node.inputs)))
            if len(node.inputs) <= weights or self._layer(node.inputs[weights]) != layer.name:
                continue
            x = node.inputs[data]
            if isinstance(layer, Recurrent) and node.op != "BlockLSTM":
                joined = self.graph.nodes.get(x.node)
                if joined is not None and joined.op in ("ConcatV2", "Concat"):
                    x = joined.inputs[1 if joined.op == "Concat" else 0]
                x = self._bare(x)
                if not self.graph.op(x).startswith("TensorArrayRead"):
                    continue
            yield x

    def _layer(self, ref: Ref) -> str:
        """The layer, whichever its direction, whose variable a value is."""
        return (self._owner(ref) or "").split(".")[0]

    def _owner(self, ref: Ref) -> str | None:
        """The layer whose variable a value is, in whatever order of axes."""
        for _ in range(_MOST):
            ref = Ref(self.graph.source(ref), 0)
            node = self.graph.nodes.get(ref.node)
            if node is None or node.op not in ("Reshape", "Transpose") or not node.inputs:
                break
            ref = node.inputs[0]
        return self.owners.get(ref.node)

    def back(self, ref: Ref, layer: str) -> Way:
        """How a value comes from a layer; each is followed once."""
        if (ref, layer) not in self._known:
            self._known[ref, layer] = self._followed(ref, layer)
        return self._known[ref, layer]

    def _followed(self, ref: Ref, layer: str) -> Way:
        activation: Activation = "linear"
        steps, turned = "", False
        axis: int | None = None
        graph = self.graph
        for _ in range(_MOST):
            node = graph.nodes.get(ref.node)
            if node is None:
                break
            _, weights = _PRODUCTS.get(node.op, (0, len(node.inputs)))
            if len(node.inputs) > weights and (owner := self._owner(node.inputs[weights])):
                return Way(owner, steps, activation, turned=turned)
            if node.op in NAMED and activation == "linear":
                activation, ref = NAMED[node.op], node.inputs[0]
            elif node.op in _LAYOUT:
                if node.op == "Exit":
                    value = carried(self.graph, node)
                    if value is None:
                        break
                    return self._of_loop(value, layer, steps or "final", activation, turned)
                ref = node.inputs[0]
            elif node.op in ADDS and self.graph.is_variable(node.inputs[1]):
                ref = node.inputs[0]
            elif node.op == "Transpose" and (
                (swaps := swapping(self.graph, node)) or order_of(self.graph, node) in ([0, 1], [0, 1, 2])
            ):
                axis, ref = 1 - axis if swaps and axis is not None else axis, node.inputs[0]
            elif node.op == "StridedSlice" and not steps and (axis := last_of(self.graph, node)) is not None:
                steps, ref = "last", node.inputs[0]
            elif node.op in _SUMMARIES and not steps and (axis := over(self.graph, node)) is not None:
                steps, ref = _SUMMARIES[node.op], node.inputs[0]
            elif node.op.startswith("TensorArrayGather") and axis in (None, 0):
                exit = graph.nodes.get(node.inputs[2].node)
                value = carried(self.graph, exit) if exit and exit.op == "Exit" else None
                if value is None:
                    break
                return self._of_loop(value, layer, steps or "all", activation, turned)
            elif node.op.startswith("TensorArrayScatter") or node.op.startswith("TensorArrayRead"):
                ref = node.inputs[2]
            elif (dropped := undropped(self.graph, node)) is not None:
                ref = dropped
            elif node.op in ("ConcatV2", "Concat"):
                parts = node.inputs[1:] if node.op == "Concat" else node.inputs[:-1]
                ways = [self.back(part, layer) for part in parts]
                if (way := self._joined(ways, layer)) is None or (steps and way.steps != "all"):
                    break
                return way._replace(steps=steps or way.steps, activation=activation, turned=turned)
            elif node.op in _REVERSES:
                turned, ref = not turned, node.inputs[0]
            elif not steps and self._is_last(ref, layer):
                return Way(layer, "final", activation, turned=turned)
            else:
                break
        node = graph.nodes.get(ref.node)
        if node is not None and node.op.startswith(_SOURCES):
            return Way("", steps, activation, turned=turned)
        return Way(unknown=f"{ref.node} ({node.op if node else 'missing'}), which cannot be read")

    def _joined(self, ways: Sequence[Way], layer: str) -> Way | None:
        """Both directions, forward first, every step at its own place."""
        if [way.layer for way in ways] != [f"{layer}.forward", f"{layer}.backward"]:
            return None
        forward, backward = ways
        if forward.turned or backward.turned != (backward.steps == "all"):
            return None
        if (*forward[1:4],) != (*backward[1:4],) or forward.activation != "linear":
            return None
        return forward._replace(layer=layer)

    def _of_loop(self, value: Ref, layer: str, steps: str, activation: Activation, turned: bool) -> Way:
        """What a loop gives: every step, or its final state; where that is h, and the loop is of this layer."""
        node = self.graph.nodes.get(value.node)
        if node is None:
            return Way(unknown=f"{value.node}, which is missing")
        if node.op.startswith("TensorArrayWrite"):
            value = node.inputs[2]
        elif self._bare(value) not in (self._written() or self._fed(self._layer_of(self._bare(value)))):
            return Way(unknown=f"{value.node} ({node.op}), a state that is not what the layer gives")
        padded = self._padded(value)
        return Way(self._layer_of(self._bare(value)), steps, activation, padded, turned)

    def _is_last(self, value: Ref, layer: str) -> bool:
        """Whether a value is what the last of several steps gives that are written one after the other: made as h is,
        which the steps before hand on, and read by no step."""
        handed = {self._bare(each) for each in self._beside(layer)}
        made = {self._made(each) for each in handed if self._layer_of(each) == layer}
        return value not in handed and self._layer_of(value) == layer and made == {self._made(value)}

    def _made(self, value: Ref) -> tuple[str, ...]:
        """The operation that makes a value, and those that make what this reads."""
        node = self.graph.nodes.get(value.node)
        return () if node is None else (node.op, *(self.graph.op(ref) for ref in node.inputs))

    def _padded(self, value: Ref) -> bool:
        """Whether what a loop gives is 0 past the length of a row: a choice, that of dropout aside."""
        node = self.graph.nodes.get(value.node)
        while node is not None and (dropped := undropped(self.graph, node)) is not None:
            node = self.graph.nodes.get(dropped.node)
        return node is not None and node.op in ("Select", "SelectV2")

    def _written(self) -> set[Ref]:
        return {
            self._bare(node.inputs[2])
            for node in self.graph.nodes.values()
            if node.op.startswith("TensorArrayWrite") and len(node.inputs) > 2
        }

    def _fed(self, layer: str) -> set[Ref]:
        """What the product of a layer reads beside x in the next step, if that is one value: h."""
        found = set[Ref]()
        for h in self._beside(layer):
            merged = self.graph.nodes.get(self.graph.source(h))
            if merged is not None and merged.op == "Merge" and self.graph.op(merged.inputs[1]) == "NextIteration":
                found.add(self._bare(self.graph.nodes[merged.inputs[1].node].inputs[0]))
        return found if len(found) == 1 else set()

    def _beside(self, layer: str) -> Iterator[Ref]:
        """What the products of a layer read beside x: the last of what is joined."""
        for node in self.graph.nodes.values():
            if node.op == "MatMul" and len(node.inputs) == 2 and self._owner(node.inputs[1]) == layer:
                joined = self.graph.nodes.get(node.inputs[0].node)
                if joined is not None and joined.op in ("Concat", "ConcatV2") and len(joined.inputs) > 2:
                    yield joined.inputs[-1 if joined.op == "Concat" else -2]

    def _bare(self, value: Ref) -> Ref:
        """What is taken at valid steps, without dropout."""
        for _ in range(_MOST):
            node = self.graph.nodes.get(value.node)
            if node is None:
                break
            if (dropped := undropped(self.graph, node)) is not None:
                value = dropped
            elif node.op in ("Select", "SelectV2") and len(node.inputs) == 3:
                value = node.inputs[2]
            elif node.op == "Identity":
                value = node.inputs[0]
            else:
                break
        return value

    def _layer_of(self, value: Ref) -> str:
        """The layer whose products a value in a loop is made of."""
        waiting, seen, found = [value], set[str](), set[str]()
        while waiting:
            name = waiting.pop().node
            node = self.graph.nodes.get(name)
            if node is None or name in seen or node.op in ("Merge", "Enter") or node.op.startswith("TensorArray"):
                continue
            seen.add(name)
            owners = {owner for ref in node.inputs if (owner := self._owner(ref))}
            found |= owners
            waiting += [] if owners and node.op == "MatMul" else node.inputs
        return found.pop() if len(found) == 1 else ""

    def following(self, layer: str) -> set[str]:
        """The operations that read what a dense layer gives."""
        waiting = [
            Ref(name, 0)
            for name, node in self.graph.nodes.items()
            if node.op == "MatMul" and len(node.inputs) == 2 and self._owner(node.inputs[1]) == layer
        ]
        found, seen = set[str](), set[Ref]()
        while waiting:
            ref = waiting.pop()
            for name in self.graph.readers(ref):
                node = self.graph.nodes[name]
                if (
                    node.op in _LAYOUT
                    or node.op == "Transpose"
                    or (node.op in ADDS and self.graph.is_variable(node.inputs[1]))
                ):
                    if Ref(name, 0) not in seen:
                        seen.add(Ref(name, 0))
                        waiting.append(Ref(name, 0))
                elif node.op not in _UNREAD:
                    found.add(node.op)
        return found
