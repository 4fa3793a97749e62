"""The values of a traced step, and what computes them."""

from collections.abc import Callable, Collection, Iterable
from math import prod
from typing import Any, Self

import numpy as np

from rnnspec.errors import UnsupportedError


class Node:
    """One value: an operation on others, which are nodes or plain numbers. An array to whoever writes a cell.

    `shape` is that of one step: (None, size), where None stands for the rows of the batch; of a parameter, and of what
    is computed from parameters alone, its own. Two nodes are the same only if they are one object.
    """

    __slots__ = ("args", "op", "options", "shape")

    def __init__(self, op: str, args: Iterable[Any] = (), options: tuple = (), size: int | tuple | None = None) -> None:
        self.op = op
        self.args = tuple(args)
        self.options = options
        self.shape: tuple = _broadcast(self.nodes) if size is None else (None, size) if isinstance(size, int) else size

    @property
    def nodes(self) -> list["Node"]:
        """The arguments that are no plain numbers."""
        return [arg for arg in self.args if isinstance(arg, Node)]

    @property
    def size(self) -> int:
        """Features."""
        return self.shape[-1] if self.shape else 1

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def key(self) -> tuple:
        """Equal for nodes that compute the same."""
        return self.op, tuple(id(arg) if isinstance(arg, Node) else arg for arg in self.args), self.options, self.shape

    def __repr__(self) -> str:
        return f"{self.op}{list(self.options) or ''} {self.shape}"

    def __add__(self, other: Any) -> Self:
        return _arithmetic("add", self, other)

    def __radd__(self, other: Any) -> Self:
        return _arithmetic("add", self, other)

    def __sub__(self, other: Any) -> Self:
        return _arithmetic("sub", self, other)

    def __rsub__(self, other: Any) -> Self:
        return _arithmetic("add", -self, other)

    def __mul__(self, other: Any) -> Self:
        return _arithmetic("mul", self, other)

    def __rmul__(self, other: Any) -> Self:
        return _arithmetic("mul", self, other)

    def __truediv__(self, other: Any) -> Self:
        return _arithmetic("div", self, other)

    def __neg__(self) -> Self:
        return _arithmetic("mul", self, -1.0)

    def __getitem__(self, index: Any) -> Self:
        """A parameter sliced along its first axis.

        Raises:
            UnsupportedError: anything but parts along the first axis.
        """
        if None in self.shape or not isinstance(index, (int, slice)):
            raise UnsupportedError(f"step: {self.op}[{index!r}]: parameters alone are sliced; use ops.split")
        where = range(self.shape[0])[index]
        first = () if isinstance(where, int) else (len(where),)
        bounds = (where, None) if isinstance(where, int) else (where.start, where.stop, where.step)
        return type(self)("index", [self], bounds, (*first, *self.shape[1:]))


def _arithmetic(op: str, x: Node, other: Any) -> Any:
    if isinstance(other, (int, float, np.number)):
        return Node(op, [x, float(other)])
    return Node(op, [x, other]) if isinstance(other, Node) else NotImplemented


def _broadcast(nodes: list[Node]) -> tuple:
    if any(None in node.shape for node in nodes):
        return None, max(node.size for node in nodes)
    return np.broadcast_shapes(*(node.shape for node in nodes))


def flat(parameter: Node) -> Node:
    """A parameter as one axis."""
    return parameter if parameter.ndim == 1 else Node("flat", [parameter], (), (prod(parameter.shape),))


def rows(kernel: Node) -> Node:
    """A kernel (…, inputs) as a matrix (rows, inputs)."""
    shape = prod(kernel.shape[:-1]), kernel.shape[-1]
    return kernel if kernel.ndim == 2 else Node("rows", [kernel], (), shape)


def part(x: Node, start: int, stop: int) -> Node:
    """Features start to stop."""
    if (start, stop) == (0, x.size):
        return x
    if x.op == "part":
        return part(x.args[0], x.options[0] + start, x.options[0] + stop)
    return Node("part", [x], (start, stop), (*x.shape[:-1], stop - start))


def ordered(results: Iterable[Node], known: Collection[Node] = ()) -> list[Node]:
    """All that the results are computed from, each after its arguments; `known` nodes are given, and left out."""
    found: dict[Node, None] = {}
    stack = [(node, False) for node in reversed(list(results))]
    while stack:
        node, ready = stack.pop()
        if node in found or node in known:
            continue
        if ready:
            found[node] = None
        else:
            stack.append((node, True))
            stack.extend((arg, False) for arg in reversed(node.nodes))
    return list(found)


def evaluate(nodes: Iterable[Node], values: dict[Node, Any], compute: Callable[[Node, list], Any]) -> None:
    """Add the values of the nodes, in order, to those of what they are computed from."""
    for node in nodes:
        values[node] = compute(node, [values[arg] if isinstance(arg, Node) else arg for arg in node.args])
