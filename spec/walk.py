"""One walk along a graph: each layer's output, from those before it."""

from collections.abc import Container, Iterable
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

    __slots__ = ("counts", "given", "new", "ops", "p", "values")

    def __init__(self, ops: Ops, p: ByLayer, x: dict[str, Array], counts: dict[str, Valid], state: States) -> None:
        self.ops = ops
        self.p = p
        self.values = dict(x)
        self.counts = counts
        self.given = grouped(state)
        self.new: States = {}

    def whole(self, nodes: Iterable[Node]) -> None:
        """Layers on whole sequences, or on vectors."""
        ops, p, values, counts, given = self.ops, self.p, self.values, self.counts, self.given
        for node in nodes:
            name, one, layer = node.name, node.one, node.layer
            state = given.get(name, _NONE) if node.start is None else self.state(node)
            if one is None:
                x, valid = self.several(node)
                counted = any(of in counts for of in node.of)
            else:
                x, counted = values[one], one in counts
                valid = counts[one] if counted else _ALL
            values[name], final = layer.apply(ops, p[name], x, valid, state)
            if final:
                self._keep(name, final)
            if counted:
                counts[name] = layer.valid(ops, valid)

    def step(self, nodes: Iterable[Node], stepped: Container[str]) -> None:
        """Layers on one step of what is `stepped`, and on all of what is given whole: where that is all that a layer
        reads, it says the same at every step, and its states come back as they were (GRAPH-8)."""
        ops, p, values, given = self.ops, self.p, self.values, self.given
        for node in nodes:
            name, one = node.name, node.one
            state = given.get(name, _NONE) if node.start is None else self.state(node)
            if name not in stepped:
                self.whole([node])
                # In memory of their own (CALL-3).
                self.new |= {f"{name}.{state_name}": value * 1.0 for state_name, value in state.items()}
                continue
            x, valid = (values[one], _ALL) if one is not None else self.several(node)
            values[name], final = node.layer.step(ops, p[name], x, valid, state)
            if final:
                self._keep(name, final)

    def several(self, node: Node) -> tuple[tuple[Array, ...], Any]:
        """What a layer reads at its places, and which steps of each count."""
        return tuple(self.values[of] for of in node.of), tuple(self.counts.get(of, _ALL) for of in node.of)

    def _keep(self, layer: str, final: States) -> None:
        """Final states, which are places too."""
        for name, value in final.items():
            name = f"{layer}.{name}"
            self.values[name] = self.new[name] = value

    def state(self, node: Node) -> States:
        """The states of a layer, those that start from another place included (GRAPH-5)."""
        state = self.given.get(node.name, _NONE)
        if node.start is None:
            return state
        return {name: state[name] if name in state else self.values[node.start[name]] for name in node.states}
