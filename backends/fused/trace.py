"""A cell's step on symbols: `Cell.prepare`, `project` and `step` run once, over an `Ops` that writes nodes."""

import copy
from typing import Any, NamedTuple, Self

from rnnspec.activations import Array
from rnnspec.backends.fused.node import Node, flat, part, rows
from rnnspec.backends.fused.simplify import simplify
from rnnspec.cells import Cell


class Program(NamedTuple):
    """What one step computes: `results`, and from the states the new ones, name → (old, new).

    Sources, by `op`, with their name in `options`: `parameter`, `start` (where a reset restarts from), `x` and `noise`
    (one a step), `keep` and `begins` (booleans (batch, 1), one a step), `state`.
    """

    states: dict[str, tuple[Node, Node]]
    results: list[Node]

    @classmethod
    def of(cls, old: dict[str, Node], nodes: list[Node]) -> "Program":
        """From the new states, in the order of the old ones, and the results."""
        new: dict[str, tuple[Node, Node]] = {}
        taken: set[Node] = set()
        for (name, source), node in zip(old.items(), nodes, strict=False):
            # A new state is a value of its own: no part of another, no old state, and no other new one.
            own = node if node.shape == source.shape and node.args and node.op != "part" and node not in taken else None
            new[name] = source, own or Node("copy", [node], (), source.shape)
            taken.add(node)
        return cls(new, nodes[len(old) :])


def obstacle(cell: Cell) -> str | None:
    """Why there is no fused loop of the cell; None where there is one."""
    return None if cell.memory is None else "what reads a memory has no fused loop"


def trace(cell: Cell, inputs: int, training: bool = False, mask: bool = False, resets: bool = False) -> Program:
    """The step of a cell for x (batch, inputs) → its program, whose one result is the output.

    With a mask, invalid steps keep the states and give 0 (UNROLL-2); with resets, states begin anew (UNROLL-12).
    """
    ops: Any = Tracer(training)  # `Ops` as far as cells see it
    p = {name: Node("parameter", (), (name,), shape) for name, shape in cell.parameters(inputs).items()}
    sizes = cell.states(inputs)
    old = {name: Node("state", (), (name,), size) for name, size in sizes.items()}
    seen = old
    if resets:
        begins = Node("begins", (), (), 1)
        seen = {name: ops.where(begins, Node("start", (), (name,), size), old[name]) for name, size in sizes.items()}
    prepared = cell.prepare(ops, p)
    projected = cell.project(ops, prepared, Node("x", (), (), inputs))
    y, new = cell.step(ops, prepared, projected, dict(seen))
    new = {name: new[name] for name in sizes}
    if mask:
        keep = Node("keep", (), (), 1)
        kept = {name: ops.where(keep, new[name], seen[name]) for name in sizes}
        # Where the output is a state, it is read from there: what is seen of it at invalid steps is 0 in any case.
        y = next((kept[name] for name in sizes if new[name] is y), y)
        y, new = ops.where(keep, y, ops.zeros(y, y.size)), kept
    return Program.of(old, simplify([*new.values(), y]))


class Tracer:
    """`rnnspec.ops.Ops` for cells, which writes nodes."""

    def __init__(self, training: bool) -> None:
        self.training = training
        self._place = ""

    def linear(self, x: Array, kernel: Array, bias: Array | None = None) -> Node:
        kernel = rows(kernel)
        return Node("linear", [x, kernel, *([] if bias is None else [flat(bias)])], (), kernel.shape[0])

    def flat(self, parameter: Array) -> Node:
        return flat(parameter)

    def split(self, x: Array, parts: int | tuple[int, ...]) -> tuple[Node, ...]:
        sizes = [x.size // parts] * parts if isinstance(parts, int) else parts
        return tuple(part(x, sum(sizes[:k]), sum(sizes[: k + 1])) for k in range(len(sizes)))

    def concat(self, parts: list[Array]) -> Node:
        return Node("concat", parts, (), sum(x.size for x in parts))

    def zeros(self, x: Array, size: int) -> Node:
        return Node("zeros", [], (), size)

    def sigmoid(self, x: Array) -> Node:
        return Node("sigmoid", [x])

    def tanh(self, x: Array) -> Node:
        return Node("tanh", [x])

    def relu(self, x: Array) -> Node:
        return Node("relu", [x])

    def exp(self, x: Array) -> Node:
        return Node("exp", [x])

    def erf(self, x: Array) -> Node:
        return Node("erf", [x])

    def softplus(self, x: Array) -> Node:
        return Node("softplus", [x])

    def clip(self, x: Array, low: float, high: float) -> Node:
        return Node("clip", [x], (float(low), float(high)))

    def greater(self, x: Array, threshold: float) -> Node:
        return Node("greater", [x], (float(threshold),))

    def where(self, condition: Array, x: Array, otherwise: Array) -> Node:
        return Node("where", [condition, x, otherwise])

    def softmax(self, x: Array) -> Node:
        return Node("softmax", [x])

    def log_softmax(self, x: Array) -> Node:
        return Node("log_softmax", [x])

    def layer_norm(self, x: Array, gamma: Array, beta: Array | None, epsilon: float, groups: int) -> Node:
        return Node("layer_norm", [x, flat(gamma), *([] if beta is None else [flat(beta)])], (epsilon, groups))

    def at(self, place: str) -> Self:
        inner = copy.copy(self)
        inner._place = f"{self._place}.{place}" if self._place else place
        return inner

    def noise(self, x: Array, size: int, rate: float, place: str, per: str) -> Node | None:
        """The source of noise: options (place of the cell, place, rate, per)."""
        return Node("noise", (), (self._place, place, rate, per), size) if self.training and rate else None

    def dropout(self, x: Array, rate: float, place: str = "", per: str = "step") -> Node:
        noise = self.noise(x, x.size, rate, place, per)
        return x if noise is None else x * noise * (1 / (1 - rate))
