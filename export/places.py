"""Nodes of the graph bear the names of the layers that they come of: `lstm/concat_2`."""

from collections.abc import Iterable
from copy import copy
from typing import Any

from rnnspec.export.graph import Graph
from rnnspec.export.values import Value
from rnnspec.graph import Node
from rnnspec.layers import Layer
from rnnspec.ops import Ops, States


class Placed:
    """A layer in a walk along the model, which says where it is."""

    def __init__(self, graph: Graph, layer: Layer) -> None:
        self.graph = graph
        self.layer = layer
        self.valid = layer.valid

    def apply(self, ops: Ops, p: Any, x: Any, valid: Any, state: States) -> tuple[Value, States]:
        """As the layer's own."""
        self.graph.place = f"{self.layer.name}/"
        found = self.layer.apply(ops, p, x, valid, state)
        self.graph.place = ""
        return found

    def step(self, ops: Ops, p: Any, x: Any, valid: Any, state: States) -> tuple[Value, States]:
        """As the layer's own."""
        self.graph.place = f"{self.layer.name}/"
        found = self.layer.step(ops, p, x, valid, state)
        self.graph.place = ""
        return found


def placed(graph: Graph, nodes: Iterable[Node]) -> list[Node]:
    """The same nodes, in which each layer says where it is."""
    found = [copy(node) for node in nodes]
    for node in found:
        node.layer = Placed(graph, node.layer)  # type: ignore[assignment]
    return found
