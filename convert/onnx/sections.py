"""The recurrent parts of an ONNX graph, wherever they begin and end.

A part begins with what a recurrent node reads where something before it has no equal, an STFT, a convolution over an
image, and else with the graph's own input. It ends with the last value that is still read: so a user keeps the front
end and the head, and moves the recurrence.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import onnx
from onnx import TensorProto, helper

from rnnspec import limits
from rnnspec.convert.onnx import joins, pointwise
from rnnspec.convert.onnx.evaluate import ARITHMETIC, STRUCTURAL
from rnnspec.convert.onnx.graph import INITIAL_H, RECURRENT, SEQUENCE_LENS, Graph, Node, W, X
from rnnspec.convert.parts import Part, Parts, Place
from rnnspec.convert.request import Network
from rnnspec.errors import SpecError, UnsupportedError

_READ = {*RECURRENT, *STRUCTURAL, *ARITHMETIC, *pointwise.KINDS, "Shape", "Size", "Dropout"}
_FILLED = {"Expand", "Tile", "Slice", "Concat", "Reshape", "Transpose", "Identity", "Cast", "Squeeze", "Unsqueeze"}
Read = Callable[[onnx.ModelProto], Network]


@dataclass(frozen=True)
class Section:
    """A part of a graph: what it reads of it, None for the graph's own inputs; the nodes from there on that are
    recurrent; and the values that it may end with, the last one first."""

    reads: str | None
    features: int | None
    nodes: tuple[Node, ...]
    ends: tuple[str, ...]

    @property
    def name(self) -> str:
        """What `--part` calls it."""
        return self.nodes[-1].name or self.nodes[-1].outputs[0]


def section(graph: Graph, name: str) -> Section | None:
    """The part that ends with, or behind, the recurrent node of that name; None where there is no such node."""
    found = next((each for each in _sections(graph) if name in (each.name, *(node.name for node in each.nodes))), None)
    if found is not None:
        return found
    node = next((node for node in graph.nodes if node.kind in RECURRENT and node.name == name), None)
    return _section(graph, node) if node else None


def _sections(graph: Graph) -> Iterator[Section]:
    """From the last recurrent node to the first; those inside of a part that came before have none of their own."""
    inside: set[str] = set()
    for node in reversed([node for node in graph.nodes if node.kind in RECURRENT]):
        if node.outputs[0] not in inside:
            found = _section(graph, node)
            inside |= {name for each in found.nodes for name in each.outputs}
            yield found


def _section(graph: Graph, node: Node) -> Section:
    before, _ = graph.leading_to([node.input(X)])
    reads, first = None, node
    if not all(map(_is_read, before)):
        earlier = [each for each in before if each.kind in RECURRENT]
        first = next(each for each in (*earlier, node) if _reaches(graph, each, node))
        reads = first.input(X)
    chain = [each for each in (*before, node) if each.kind in RECURRENT]
    chain = chain[chain.index(first) :] if reads else chain
    w = graph.constants.get(first.input(W))
    features = int(w.shape[-1]) if reads and w is not None and w.ndim == 3 else None
    return Section(reads, features, tuple(chain), tuple(_ends(graph, node)[::-1]))


def _is_read(node: Node) -> bool:
    return node.kind in _READ and node.proto.domain in ("", "ai.onnx")


def _is_joined(node: Node, graph: Graph) -> bool:
    """Whether it is an operator of graphs, over time alone."""
    kernel = graph.constants.get(node.input(1)) if node.kind == "Conv" else None
    images = kernel is not None and kernel.ndim != 3
    images |= len(node.get("kernel_shape", onnx.AttributeProto.INTS, [0])) != 1
    return node.kind in joins.KINDS and node.proto.domain in ("", "ai.onnx") and not images


def _reaches(graph: Graph, first: Node, last: Node) -> bool:
    """Whether all between two recurrent nodes is read."""
    if first is last:
        return True
    cut = first.input(X)

    def follow(node: Node) -> list[str]:
        return [name for name in (node.inputs[:1] if node.kind in RECURRENT else node.inputs) if name != cut]

    between, wanted = graph.leading_to([last.input(X)], follow)
    return first in between and all(map(_is_read, between)) and not wanted & set(graph.inputs)


def _ends(graph: Graph, node: Node) -> list[str]:
    """The values that a part may end with, the nearest first: as long as one node alone reads it, and what else that
    reads is of the file. What is only turned round behind the last layer belongs to the rest."""
    found: list[tuple[str, bool]] = []
    value = node.outputs[0] or next(filter(None, node.outputs))
    constant = {*graph.constants}
    for each in graph.nodes:
        if each.kind in ("Constant", "Shape") or (each.inputs and all(name in constant for name in each.inputs)):
            constant.update(each.outputs)
    found.append((value, False))
    for _ in range(limits.PART_STEPS):
        readers = [each for each in graph.nodes if value in each.inputs and each.kind != "Shape"]
        if len(readers) != 1 or not _is_read(readers[0]) or readers[0].kind in RECURRENT or value in graph.outputs:
            break
        rest = [name for name in readers[0].inputs if name and name != value]
        if any(name not in constant for name in rest if readers[0].kind not in STRUCTURAL):
            break
        value = readers[0].outputs[0]
        found.append((value, readers[0].kind in pointwise.KINDS))
    last = max((k for k, (_, layer) in enumerate(found) if layer), default=len(found) - 1)
    return [value for value, _ in found[: last + 1]]


def cut(model: onnx.ModelProto, graph: Graph, part: Section, end: str) -> onnx.ModelProto:
    """The model that a part is, with `end` as its output.

    Raises:
        UnsupportedError: an initial state, or the lengths, come from what is left out.
    """
    found = onnx.ModelProto()
    found.CopyFrom(model)
    del found.graph.output[:]
    found.graph.output.append(helper.make_tensor_value_info(end, TensorProto.FLOAT, None))
    if part.reads is None:
        return found
    zeros = _Zeros(graph)
    for proto in found.graph.node:
        if proto.op_type not in RECURRENT:
            continue
        for place, name in enumerate(proto.input):
            if place >= INITIAL_H and zeros.has(name):
                proto.input[place] = ""
    reduced = Graph(found, graph.where, {})
    nodes, wanted = reduced.leading_to([end], lambda node: (name for name in node.inputs if name != part.reads))
    for node in nodes:
        others = [node.input(place) for place in (SEQUENCE_LENS, *node.state_places()) if node.kind in RECURRENT]
        for name in filter(None, others):
            before, inputs = reduced.leading_to([name])
            if any(not _is_read(each) for each in before) or (before and inputs & set(reduced.inputs)):
                raise UnsupportedError(f"{node}: {name!r} comes from what stands before the part; no equal here")
    kept = [node.proto for node in nodes]
    given = [value for value in found.graph.input if value.name in wanted and value.name != part.reads]
    shape = ["steps_or_rows", "rows_or_steps", part.features]
    given.insert(0, helper.make_tensor_value_info(part.reads, TensorProto.FLOAT, shape))
    tensors = [tensor for tensor in found.graph.initializer if tensor.name in wanted]
    fields: dict[str, list[Any]] = {"node": kept, "input": given, "initializer": tensors}
    for field, items in fields.items():
        items = [type(each).FromString(each.SerializeToString()) for each in items]  # which outlive what is cleared
        found.graph.ClearField(field)
        getattr(found.graph, field).extend(items)
    return found


class _Zeros:
    """Which values are zeros, whatever their size."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.givers = {name: node for node in graph.nodes for name in node.outputs}

    def has(self, name: str) -> bool:
        while name not in self.graph.constants:
            node = self.givers.get(name)
            if node is None or node.kind not in (*_FILLED, "ConstantOfShape", "Constant"):
                return False
            if node.kind in ("ConstantOfShape", "Constant"):
                value = node.get("value", onnx.AttributeProto.TENSOR, None)
                filled = node.kind == "ConstantOfShape" and value is None
                return filled or (value is not None and not onnx.numpy_helper.to_array(value).any())
            if node.kind == "Concat" and len(set(node.inputs)) > 1:
                return all(map(self.has, node.inputs))
            name = node.input(0)
        return not self.graph.constants[name].any()


def taken(model: onnx.ModelProto, graph: Graph, part: Section, read: Read) -> tuple[Network, str]:
    """The chain that a part is, up to the farthest value at which it is one, and that value.

    Raises:
        SpecError, UnsupportedError: it is none up to any of them: what the nearest says.
    """
    for end in part.ends[:-1]:
        try:
            return read(cut(model, graph, part, end)), end
        except (SpecError, UnsupportedError):
            continue  # the one before may be one
    return read(cut(model, graph, part, part.ends[-1])), part.ends[-1]


def listed(model: onnx.ModelProto, graph: Graph, read: Read, why: str) -> Parts:
    """All parts that are chains, with what stands around them. `why`: why the whole is not converted, "" if it is."""
    parts = []
    for each in islice(_sections(graph), limits.CHAIN):
        try:
            network, end = taken(model, graph, each, read)
        except (SpecError, UnsupportedError):
            continue  # and so no part
        reads = each.reads or next(iter(graph.inputs), "x")
        features = network.inputs if isinstance(network.inputs, int) else None
        layers = tuple(layer.name for layer, _ in network.layers)
        parts.append(Part(each.name, layers, (Place(reads, features),), (Place(end, _width(network)),)))
    unknown: dict[str, list[str]] = {}
    for node in graph.nodes:
        if not _is_read(node) and not _is_joined(node, graph):
            unknown.setdefault(node.kind, []).append(node.label)
    rest = [
        (names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more", kind)
        for kind, names in unknown.items()
    ]
    return Parts(tuple(reversed(parts)), tuple(rest) if why else (), not why, why)


def _width(network: Network) -> int:
    """The features of the last layer's output."""
    features = network.inputs if isinstance(network.inputs, int) else None
    for layer, _ in network.layers:
        features = layer.outputs(features)
    return int(features or 0)
