"""Products, elementwise functions and what acts over features, as nodes: the part of `rnnspec.export.ops` that knows
no time."""

import numpy as np

from rnnspec.export.graph import Graph
from rnnspec.export.values import Operators, Parameter, Product, Value, broadcast

_NEWEST_ELEMENTARY = 16  # the last opset without LayerNormalization


class Elementary:
    """Operations that append to `graph`."""

    graph: Graph

    # Products and shapes

    def linear(self, x: Value, kernel: Parameter, bias: Parameter | None = None) -> Value:
        transposed = kernel.value(".transposed", lambda k: k.reshape(-1, k.shape[-1]).T)
        offset = None if bias is None else self.flat(bias)
        shape = (*x.shape[:-1], transposed.shape[1])
        if len(x.shape) == 2:
            product = Product(self.graph, x, transposed, shape)
            return product if offset is None else self.graph.gemm(x, transposed, offset)
        y = self.graph.node("MatMul", [x, transposed], shape)
        return y if offset is None else y + offset

    def flat(self, parameter: Parameter) -> Value:
        return parameter.value(".flat", lambda array: array.reshape(-1))

    def split(self, x: Value, parts: int | tuple[int, ...]) -> tuple[Value, ...]:
        sizes = (int(x.shape[-1]) // parts,) * parts if isinstance(parts, int) else tuple(parts)
        if len(sizes) == 1:
            return (x,)
        shapes = [(*x.shape[:-1], size) for size in sizes]
        return tuple(self.graph.node("Split", [x, self.graph.integers(*sizes)], *shapes, axis=-1))

    def concat(self, parts: list[Operators]) -> Value:
        return self.graph.join([part.value() for part in parts])

    def take(self, table: Parameter, ids: Value) -> Value:
        return self.graph.node("Gather", [table.value(), ids], (*ids.shape, table.shape[1]), axis=0)

    def zeros(self, x: Value, size: int) -> Value:
        shape = self.graph.node("Shape", [x], (len(x.shape),))
        shape = self.graph.slice(shape, 0, -1, len(x.shape) - 1)
        return self.graph.node(
            "Expand",
            [self.graph.scalar(0), self.graph.join([shape, self.graph.integers(size)])],
            (*x.shape[:-1], size),
        )

    # Elementwise

    def sigmoid(self, x: Value) -> Value:
        return self._unary("Sigmoid", x)

    def tanh(self, x: Value) -> Value:
        return self._unary("Tanh", x)

    def relu(self, x: Value) -> Value:
        return self._unary("Relu", x)

    def exp(self, x: Value) -> Value:
        return self._unary("Exp", x)

    def sqrt(self, x: Value) -> Value:
        return self._unary("Sqrt", x)

    def erf(self, x: Value) -> Value:
        return self._unary("Erf", x)

    def softplus(self, x: Value) -> Value:
        return self._unary("Softplus", x)

    def clip(self, x: Value, low: float, high: float) -> Value:
        return self.graph.node("Clip", [x.value(), self.graph.scalar(low), self.graph.scalar(high)], x.shape)

    def greater(self, x: Value, threshold: float) -> Value:
        return self.graph.node("Greater", [x.value(), self.graph.scalar(threshold)], x.shape)

    def where(self, condition: Value, x: Value, otherwise: Value) -> Value:
        shape = broadcast(broadcast(condition.shape, x.shape), otherwise.shape)
        return self.graph.node("Where", [condition, x.value(), otherwise.value()], shape)

    # Over features

    def softmax(self, x: Value) -> Value:
        return self.graph.node("Softmax", [x], x.shape, axis=-1)

    def log_softmax(self, x: Value) -> Value:
        return self.graph.node("LogSoftmax", [x], x.shape, axis=-1)

    def layer_norm(self, x: Value, gamma: Parameter, beta: Parameter | None, epsilon: float, groups: int) -> Value:
        scale, offset = self.flat(gamma), None if beta is None else self.flat(beta)
        if groups == 1:
            return self._normalised(x, scale, offset, epsilon)
        size = int(x.shape[-1]) // groups
        kept = len(x.shape) - 1
        a = self.graph.reshape(x, (*[0] * kept, groups, size), (*x.shape[:-1], groups, size))
        ones = self.graph.constant(np.ones(size, self.graph.dtype), f"ones {size}")
        y = self.graph.reshape(self._normalised(a, ones, None, epsilon), (*[0] * kept, groups * size), x.shape) * scale
        return y if offset is None else y + offset

    def _normalised(self, x: Value, scale: Value, offset: Value | None, epsilon: float) -> Value:
        # ONNX Runtime's LayerNormalization, up to 1.18 at least, has the variance as E[a²] − E[a]² (NORM-4): the mean
        # goes before.
        a = x - self._mean(x)
        if self.graph.opset > _NEWEST_ELEMENTARY:
            if offset is None:  # which ONNX Runtime 1.18 reads all the same while it optimises, and ends the process
                size = int(x.shape[-1])
                offset = self.graph.constant(np.zeros(size, self.graph.dtype), f"zeros {size}")
            return self.graph.node("LayerNormalization", [a, scale, offset], x.shape, axis=-1, epsilon=epsilon)
        y = a / self._unary("Sqrt", self._mean(a * a) + epsilon) * scale
        return y if offset is None else y + offset

    def _mean(self, x: Operators) -> Value:
        """Over features, which stay as one."""
        return self.graph.reduce("ReduceMean", x.value(), -1, keep=True)

    def _unary(self, kind: str, x: Operators) -> Value:
        value = x.value()
        return self.graph.node(kind, [value], value.shape)
