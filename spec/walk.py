"""One walk along a graph: each layer's output, from those before it."""

from typing import Any

from rnnspec.graph import Node
from rnnspec.ops import Array, Ops, States, grouped
from rnnspec.valid import Valid

ByLayer = dict[str, dict[str, Array]]  # layer name → its parameters by their own names
_ALL = Valid()
_NONE: States = {}


class Walk:
    """`values`: what stands at each place so far, final states too; `counts`: which steps of it count, where not all
    do; `new`: final states by name.

    Args:
        x: the inputs by name.
        counts: which steps of them count, where not all do.
        state: the states that are given.
    """

    def __init__(self, ops: Ops, p: ByLayer, x: dict[str, Array], counts: dict[str, Valid], state: States) -> None:
        self.ops = ops
        self.p = p
        self.values = dict(x)
        self.counts = counts
        self.given = grouped(state)
        self.new: States = {}

    def whole(self, *nodes: Node) -> None:
        """Layers on whole sequences, or on vectors."""
        ops, p, values, counts = self.ops, self.p, self.values, self.counts
        for node in nodes:
            name, one, layer = node.name, node.one, node.layer
            state = self.state(node) if node.states else _NONE
            if one is None:
                x: Array = tuple(values[of] for of in node.of)
                valid: Any = tuple(counts.get(of, _ALL) for of in node.of)
                counted = any(of in counts for of in node.of)
            else:
                x, counted = values[one], one in counts
                valid = counts[one] if counted else _ALL
            values[name], final = layer.apply(ops, p[name], x, valid, state)
            if final:
                self._keep(node, final)
            if counted:
                counts[name] = layer.valid(ops, valid)

    def step(self, node: Node) -> None:
        """A layer on one step of what has one, and on all of what is given whole."""
        x: Array
        valid: Any
        if node.one is not None:
            x, valid = self.values[node.one], _ALL
        else:
            x = tuple(self.values[of] for of in node.of)
            valid = tuple(self.counts.get(of, _ALL) for of in node.of)
        state = self.state(node) if node.states else _NONE
        self.values[node.name], final = node.layer.step(self.ops, self.p[node.name], x, valid, state)
        if final:
            self._keep(node, final)

    def again(self, node: Node) -> None:
        """A layer on what is given whole at every step: its states come back as they were (GRAPH-8)."""
        state = self.state(node)
        self.whole(node)
        # In memory of their own (CALL-3).
        self.new |= {f"{node.name}.{name}": value * 1.0 for name, value in state.items()}

    def _keep(self, node: Node, final: States) -> None:
        """Final states, which are places too."""
        for name, value in final.items():
            name = f"{node.name}.{name}"
            self.values[name] = self.new[name] = value

    def state(self, node: Node) -> States:
        """The states of a layer, those that start from another place included (GRAPH-5)."""
        state = self.given.get(node.name, _NONE)
        if node.start is None:
            return state
        return {name: state[name] if name in state else self.values[node.start[name]] for name in node.states}
