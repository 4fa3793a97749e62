"""The operations of `rnnspec.backends.fused` on tensors, rows first or features first."""

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import tensorflow as tf

from rnnspec.backends.fused.node import Node

FEATURES_FIRST_FROM = 256  # features; where kernel · state overtakes state · kernelᵀ on a CPU


class Compute:
    """How values lie, and what each operation is on them: (…, batch, features), or features first (…, features, batch).

    TensorFlow's product of matrices on a CPU is 1.3 to 1.6 times as fast features first once the kernel is large, and
    parts along the first axis are views. Below that, rows first wins. A leading axis, if there is one, is time.
    """

    def __init__(self, dtype: tf.DType, features_first: bool = False) -> None:
        self.dtype = dtype
        self.features_first = features_first
        self.axis = -2 if features_first else -1
        self._kernels: dict[tuple[Node, bool], tf.Tensor] = {}

    def __call__(self, node: Node, args: list) -> Any:
        return OPERATIONS[node.op](self, node, *args)

    def evaluate(self, nodes: Iterable[Node], values: dict[Node, Any]) -> None:
        """Add the values of the nodes, in order; parts of one value come of one split, whose gradient is one join."""
        nodes = list(nodes)
        parts: dict[Node, list[Node]] = {}
        for node in nodes:
            if node.op == "part":
                parts.setdefault(node.args[0], []).append(node)
        for node in nodes:
            if node in values:
                continue
            if node.op != "part":
                values[node] = self(node, [values[arg] if isinstance(arg, Node) else arg for arg in node.args])
                continue
            borders = sorted({0, node.args[0].size, *(at for part in parts[node.args[0]] for at in part.options)})
            whole = list(pairwise(borders))
            if any(part.options not in whole for part in parts[node.args[0]]):  # they overlap
                values[node] = self(node, [values[node.args[0]]])
                continue
            pieces = tf.split(values[node.args[0]], [j - i for i, j in whole], self.axis)
            values |= {part: pieces[whole.index(part.options)] for part in parts[node.args[0]]}

    def enter(self, x: tf.Tensor) -> tf.Tensor:
        """(…, batch, n) from outside into this layout; `leave` is its inverse."""
        return tf.linalg.matrix_transpose(x) if self.features_first else x

    leave = enter

    def fixed(self, values: dict[Node, tf.Tensor], nodes: Iterable[Node]) -> dict[Node, tf.Tensor]:
        """Constants as these nodes read them; kernels are transposed now, and not where they are read."""
        for node in nodes:
            if node.op in ("linear", "product") and node.args[1] in values:
                transposed = (node.op == "linear") != self.features_first
                kernel = values[node.args[1]]
                self._kernels[node.args[1], transposed] = tf.transpose(kernel) if transposed else kernel
        return {node: value if None in node.shape else self.vector(value) for node, value in values.items()}

    def vector(self, parameter: tf.Tensor) -> tf.Tensor:
        """A parameter that broadcasts over the batch; kernels stay what they are."""
        if parameter.shape.rank > 1 and parameter.shape[0] != 1:
            return parameter
        return tf.reshape(parameter, (-1, 1)) if self.features_first else tf.reshape(parameter, [-1])

    def product(self, node: Node, x: tf.Tensor, kernel: tf.Tensor, addend: tf.Tensor | None = None) -> tf.Tensor:
        """`linear`: x Kᵀ, `product`: x K, and the addend; features first K x and Kᵀ x."""
        transposed = (node.op == "linear") != self.features_first
        ready = self._kernels.get((node.args[1], transposed))
        if ready is None:
            ready = tf.transpose(kernel) if transposed else kernel
        bias = None
        if addend is not None and None not in node.args[2].shape and not self.features_first:
            bias, addend = tf.reshape(addend, [-1]), None
        if self.features_first:
            y = tf.matmul(ready, x)
        elif x.shape.rank == 2:
            y = tf.matmul(x, ready)
        else:  # as one product of two matrices: a product with more axes runs batch by batch
            y = tf.reshape(tf.matmul(tf.reshape(x, (-1, x.shape[-1])), ready), self.shape(x, node.size))
        y = y if bias is None else tf.nn.bias_add(y, bias)
        return y if addend is None else y + addend

    def shape(self, x: tf.Tensor, size: int) -> Any:
        """That of x with another number of features."""
        known = [tf.shape(x)[k] if n is None else n for k, n in enumerate(x.shape)]
        known[self.axis] = size
        return known

    def zeros(self, like: tf.Tensor, size: int) -> tf.Tensor:
        return tf.zeros(self.shape(like, size), like.dtype)

    def rows(self, x: tf.Tensor) -> tf.Tensor:
        """(time, …) → (time · batch, features)."""
        x = self.leave(x)
        return tf.reshape(x, (-1, x.shape[-1]))

    def mean(self, x: tf.Tensor) -> tf.Tensor:
        """Over the features, whose axis stays."""
        return tf.reduce_mean(x, self.axis, keepdims=True)

    def grouped(self, x: tf.Tensor, groups: int) -> tf.Tensor:
        """The features in two axes, where there are several groups."""
        if groups == 1:
            return x
        at = x.shape.rank + self.axis
        known = [tf.shape(x)[k] if n is None else n for k, n in enumerate(x.shape)]
        return tf.reshape(x, [*known[:at], groups, x.shape[at] // groups, *known[at + 1 :]])

    def normalized(self, node: Node, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """x̂ = (x − mean) / √(variance + ε) group by group, and 1 / √(variance + ε) with one feature a group."""
        epsilon, groups = node.options
        a = self.grouped(x, groups)
        a = a - self.mean(a)
        scale = tf.math.rsqrt(self.mean(a * a) + epsilon)
        return self.flat(a * scale, x, groups), tf.squeeze(scale, self.axis) if groups > 1 else scale

    def flat(self, a: tf.Tensor, x: tf.Tensor, groups: int) -> tf.Tensor:
        """The inverse of `grouped`."""
        return a if groups == 1 else tf.reshape(a, self.shape(x, x.shape[self.axis]))


def _layer_norm(at: Compute, node: Node, x, gamma, beta=None) -> tf.Tensor:
    y = at.normalized(node, x)[0] * gamma
    return y if beta is None else y + beta


def _moments(at: Compute, node: Node, x) -> tf.Tensor:
    """x̂ and the scales, joined: all that the way back needs."""
    return tf.concat(at.normalized(node, x), at.axis)


def _parts_of_moments(at: Compute, node: Node, moments) -> list[tf.Tensor]:
    groups = node.options[1]
    return tf.split(moments, (moments.shape[at.axis] - groups, groups), at.axis)


def _layer_norm_back(at: Compute, node: Node, d, _, moments, gamma) -> tf.Tensor:
    groups = node.options[1]
    x, scale = _parts_of_moments(at, node, moments)
    scale = tf.expand_dims(scale, at.axis) if groups > 1 else scale
    x_, d_ = at.grouped(x, groups), at.grouped(d * gamma, groups)
    return at.flat((d_ - at.mean(d_) - x_ * at.mean(d_ * x_)) * scale, x, groups)


def _over_features(at: Compute, d: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(d, at.axis, keepdims=True)


def _part(at: Compute, node: Node, x) -> tf.Tensor:
    start, stop = node.options
    return x[..., start:stop, :] if at.features_first else x[..., start:stop]


def _nothing(x: tf.Tensor) -> tf.Tensor:
    return tf.zeros((), x.dtype)


OPERATIONS: dict[str, Callable] = {
    "flat": lambda at, node, p: tf.reshape(p, [-1]),
    "rows": lambda at, node, p: tf.reshape(p, node.shape),
    "index": lambda at, node, p: p[node.options[0]] if node.options[1] is None else p[slice(*node.options)],
    "part": _part,
    "concat": lambda at, node, *xs: tf.concat(xs, at.axis),
    "copy": lambda at, node, x: tf.identity(x),
    "add": lambda at, node, a, b: a + b,
    "sub": lambda at, node, a, b: a - b,
    "mul": lambda at, node, a, b: a * b,
    "div": lambda at, node, a, b: a / b,
    "fma": lambda at, node, a, b, c: a + b * c,
    "sigmoid": lambda at, node, x: tf.sigmoid(x),
    "tanh": lambda at, node, x: tf.tanh(x),
    "relu": lambda at, node, x: tf.nn.relu(x),
    "exp": lambda at, node, x: tf.exp(x),
    "erf": lambda at, node, x: tf.math.erf(x),
    "softplus": lambda at, node, x: tf.nn.softplus(x),
    "clip": lambda at, node, x: tf.clip_by_value(x, *node.options),
    "greater": lambda at, node, x: x > node.options[0],
    "where": lambda at, node, condition, x, otherwise: tf.where(condition, x, otherwise),
    "softmax": lambda at, node, x: tf.nn.softmax(x, at.axis),
    "log_softmax": lambda at, node, x: tf.nn.log_softmax(x, at.axis),
    "layer_norm": _layer_norm,
    "linear": Compute.product,
    # Of gradients alone.
    "product": Compute.product,
    "repeat": lambda at, node, x: tf.repeat(x, node.size, at.axis),
    "repeated": lambda at, node, x, factors: tf.concat([x] * (node.size // x.shape[at.axis]), at.axis) * factors,
    "reciprocal": lambda at, node, x: 1 / x,
    "number": lambda at, node, condition: tf.cast(condition, at.dtype),
    "not": lambda at, node, condition: tf.cast(~condition, at.dtype),
    "only": lambda at, node, condition, x: tf.where(condition, x, _nothing(x)),
    "unless": lambda at, node, condition, x: tf.where(condition, _nothing(x), x),
    "sigmoid_slope": lambda at, node, y: y * (1 - y),
    "sigmoid_back": lambda at, node, d, y: d * y * (1 - y),
    "tanh_slope": lambda at, node, y: 1 - y * y,
    "tanh_back": lambda at, node, d, y: d * (1 - y * y),
    "erf_slope": lambda at, node, x: tf.exp(-x * x) * (2 / math.sqrt(math.pi)),
    "inside": lambda at, node, x: tf.cast((x >= node.options[0]) & (x <= node.options[1]), x.dtype),
    "softmax_back": lambda at, node, d, y: y * (d - _over_features(at, d * y)),
    "log_softmax_back": lambda at, node, d, y: d - tf.exp(y) * _over_features(at, d),
    "moments": _moments,
    "normalized": lambda at, node, x, moments: _parts_of_moments(at, node, moments)[0],
    "layer_norm_back": _layer_norm_back,
    "over_features": lambda at, node, d: _over_features(at, d),
    "outer": lambda at, node, d, x: tf.matmul(at.rows(d), at.rows(x), transpose_a=True),
    "over_rows": lambda at, node, d: tf.reshape(tf.reduce_sum(at.rows(d), 0), node.shape),
    "over_steps": lambda at, node, d: tf.reduce_sum(d, 0),
}
