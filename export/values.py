"""What cells compute with while they are traced: tensors of a graph, and weights on their way into it."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

Dimension = int | str


class Operators:
    """Arithmetic with values, parameters and floats."""

    graph: Any

    def value(self) -> "Value":
        raise NotImplementedError

    def __add__(self, other: "Operators | float") -> "Value":
        return self._binary("Add", other)

    def __sub__(self, other: "Operators | float") -> "Value":
        return self._binary("Sub", other)

    def __mul__(self, other: "Operators | float") -> "Value":
        return self._binary("Mul", other)

    def __truediv__(self, other: "Operators | float") -> "Value":
        return self._binary("Div", other)

    def __neg__(self) -> "Value":
        x = self.value()
        return self.graph.node("Neg", [x], x.shape)

    def _binary(self, kind: str, other: "Operators | float") -> "Value":
        x = self.value()
        y = other.value() if isinstance(other, Operators) else self.graph.scalar(other)
        shape = broadcast(x.shape, y.shape)
        if kind == "Add":
            # The product goes into a Gemm with what it is added to, if that fits.
            for product, offset in ((y, x), (x, y)):
                if isinstance(product, Product) and product.pending and shape == product.shape:
                    return self.graph.gemm(product.x, product.kernel, offset)
        return self.graph.node(kind, [x, y], shape)


class Value(Operators):
    """A tensor of the graph: its name, and its shape with symbolic dimensions as strings."""

    def __init__(self, graph: Any, name: str, shape: tuple[Dimension, ...]) -> None:
        self.graph = graph
        self.name = name
        self.shape = shape

    def value(self) -> "Value":
        return self


class Later(Value):
    """A value that is written when it is first used, and not at all where it is not."""

    def __init__(self, graph: Any, shape: tuple[Dimension, ...], make: Callable[[], Value]) -> None:
        self.graph = graph
        self.shape = shape
        self._make = make

    @property
    def pending(self) -> bool:
        """Whether no node needed it yet."""
        return "name" not in self.__dict__

    @cached_property
    def name(self) -> str:  # type: ignore[override]
        """The value's name in the graph."""
        return self._make().name


class Product(Later):
    """x · kernel; where it is added to something, both become one Gemm."""

    def __init__(self, graph: Any, x: Value, kernel: Value, shape: tuple[Dimension, ...]) -> None:
        super().__init__(graph, shape, lambda: graph.gemm(x, kernel))
        self.x = x
        self.kernel = kernel


class Parameter(Operators):
    """A weight: an array until a node needs it, so that slicing and transposing happen before the file is written.

    `whole`: the name of the weight of which this is a part.
    """

    def __init__(self, graph: Any, name: str, array: np.ndarray, whole: str | None = None) -> None:
        self.graph = graph
        self.name = name
        self.whole = whole or name
        self._array = array

    @property
    def array(self) -> np.ndarray:
        """The numbers; whoever asks for them writes them into the graph."""
        self.graph.read.add(self.whole)
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    def __getitem__(self, rows: slice) -> "Parameter":
        start, stop, step = rows.indices(len(self._array))
        return Parameter(self.graph, f"{self.name}[{start}:{stop}:{step}]", self._array[rows], self.whole)

    def value(self, form: str = "", change: Callable[[np.ndarray], np.ndarray] = lambda array: array) -> Value:
        """The initializer, in the arrangement that `form` names and `change` makes."""
        return self.graph.constant(change(self.array).astype(self.graph.dtype, copy=False), self.name + form)


def broadcast(a: tuple[Dimension, ...], b: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    """The shape of an elementwise result."""
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    return tuple(n if m == 1 else m for m, n in pairs)
