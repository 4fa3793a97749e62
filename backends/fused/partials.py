"""The derivatives of the operations that a loop may have, apart from those that only move values.

`ELEMENTWISE[op](node)` gives for each argument how the factor of its cotangent follows from that of the node's; None
where nothing comes of it.
`MEASURED[op](node, d)` gives the arguments' cotangents where a feature depends on others.
"""

from collections.abc import Callable
from typing import Any

from rnnspec.backends.fused.node import Node, part

Factor = Node | float | None  # None is 1
Change = Callable[[Factor, int, int], Factor]  # the factor of features start to stop → what it becomes


def product(base: Any, factor: Factor) -> Any:
    """base ⊙ factor."""
    if factor is None or base is None:
        return base if factor is None else factor
    return Node("mul", [factor, base] if isinstance(factor, Node) and not isinstance(base, Node) else [base, factor])


def _times(value: Node | float | None) -> Change:
    """The factor times a value."""

    def change(factor: Factor, start: int, stop: int) -> Factor:
        cut = part(value, start, stop) if isinstance(value, Node) and value.size > 1 else value
        if isinstance(factor, float) and isinstance(cut, float):
            return factor * cut
        return product(factor, cut)

    return change


def _slope(op: str, y: Node) -> Change:
    """The factor times the slope of σ or tanh at the result y: one operation, `σ_back(factor, y)`, or `σ_slope(y)`."""

    def change(factor: Factor, start: int, stop: int) -> Factor:
        cut = part(y, start, stop)
        if isinstance(factor, Node) and factor.size == cut.size and factor.ndim == cut.ndim:
            return Node(f"{op}_back", [factor, cut], (), cut.size)
        return product(Node(f"{op}_slope", [cut], (), cut.size), factor)

    return change


def _chosen(condition: Node, negative: bool) -> Change:
    """The factor where the condition holds, or where it does not, and 0 elsewhere, whatever it is there."""

    def change(factor: Factor, start: int, stop: int) -> Factor:
        cut = part(condition, start, stop) if condition.size > 1 else condition
        if isinstance(factor, Node):
            return Node("unless" if negative else "only", [cut, factor])
        return product(Node("not" if negative else "number", [cut]), factor)

    return change


def _add(node: Node) -> list:
    return [_times(None)] * 2


def _sub(node: Node) -> list:
    return [_times(None), _times(-1.0)]


def _mul(node: Node) -> list:
    return [_times(node.args[1]), _times(node.args[0])]


def _div(node: Node) -> list:
    y = node.args[1]
    if not isinstance(y, Node):
        return [_times(1 / y), None]
    inverse = Node("reciprocal", [y])
    return [_times(inverse), _times(Node("mul", [Node("mul", [node, inverse]), -1.0]))]


ELEMENTWISE: dict[str, Callable[[Node], list]] = {
    "copy": lambda node: [_times(None)],
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "fma": lambda node: [_times(None), _times(node.args[2]), _times(node.args[1])],
    "sigmoid": lambda node: [_slope("sigmoid", node)],
    "tanh": lambda node: [_slope("tanh", node)],
    "relu": lambda node: [_times(Node("number", [Node("greater", node.args, (0.0,))]))],  # relu'(0) = 0
    "exp": lambda node: [_times(node)],
    "erf": lambda node: [_times(Node("erf_slope", node.args))],
    "softplus": lambda node: [_times(Node("sigmoid", node.args))],
    "clip": lambda node: [_times(Node("inside", node.args, node.options))],  # 1 on the border
    "greater": lambda node: [None],
    "where": lambda node: [None, _chosen(node.args[0], False), _chosen(node.args[0], True)],
}


def _layer_norm(node: Node, d: Node) -> list[Node]:
    """x, γ and β. `moments` of x are what the framework needs to normalise x, or to go back: its own kind of value."""
    x, gamma, *beta = node.args
    moments = Node("moments", [x], node.options, x.size)
    normalized = Node("normalized", [x, moments], node.options, x.size)
    return [
        Node("layer_norm_back", [d, x, moments, gamma], node.options, x.size),
        Node("mul", [d, normalized]),
        *([d] if beta else []),
    ]


MEASURED: dict[str, Callable[[Node, Node], list[Node]]] = {
    "layer_norm": _layer_norm,
    "softmax": lambda node, d: [Node("softmax_back", [d, node], (), d.size)],
    "log_softmax": lambda node, d: [Node("log_softmax_back", [d, node], (), d.size)],
}
