"""`rnnspec.ops.Ops` in TensorFlow."""

import copy
from typing import Self

import keras
import tensorflow as tf

from rnnspec import scores
from rnnspec.backends.tensorflow import attention, convolution, sequences
from rnnspec.backends.tensorflow.noise import Noise, Where, where
from rnnspec.backends.tensorflow.unroll import unroll
from rnnspec.cells import Cell
from rnnspec.layers import Recurrent
from rnnspec.ops import Parameters, States
from rnnspec.valid import Valid


class TensorFlowOps:
    """One call's operations.

    `stock` holds Keras's layers by place; `fused` lets cells run their fused loops; `noise` is for training.
    """

    def __init__(
        self, stock: dict[str, keras.layers.RNN], fused: bool, noise: Noise | None = None, keeps: bool = False
    ) -> None:
        self.stock = stock
        self.fused = fused
        self.keeps = keeps
        self.training = noise is not None
        self.place = ""
        self._noise = noise
        self._where: Where | None = None

    def at(self, place: str) -> Self:
        inner = copy.copy(self)
        inner.place = f"{self.place}.{place}" if place else self.place
        return inner

    def when(self, where: Where) -> Self:
        """Operations for a step at these rows and times."""
        inner = copy.copy(self)
        inner._where = where
        return inner

    def linear(self, x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor | None = None) -> tf.Tensor:
        # As one product of two matrices: a product with more axes runs batch by batch.
        y = tf.matmul(_rows(x), _rows(kernel), transpose_b=True)
        if bias is not None:
            y = tf.nn.bias_add(y, self.flat(bias))
        return y if x.shape.rank == 2 else _like(x, y)

    def flat(self, parameter: tf.Tensor) -> tf.Tensor:
        return tf.reshape(parameter, [-1])

    def split(self, x: tf.Tensor, parts: int | tuple[int, ...]) -> tuple[tf.Tensor, ...]:
        return tuple(tf.split(x, parts, -1))

    def concat(self, parts: list[tf.Tensor]) -> tf.Tensor:
        return tf.concat(parts, -1)

    def take(self, table: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        return tf.gather(table, ids)

    def zeros(self, x: tf.Tensor, size: int) -> tf.Tensor:
        return tf.zeros([*(x.shape[k] or tf.shape(x)[k] for k in range(x.shape.rank - 1)), size], x.dtype)

    sigmoid = staticmethod(tf.sigmoid)
    tanh = staticmethod(tf.tanh)
    relu = staticmethod(tf.nn.relu)
    exp = staticmethod(tf.exp)
    sqrt = staticmethod(tf.sqrt)
    erf = staticmethod(tf.math.erf)
    softplus = staticmethod(tf.nn.softplus)
    clip = staticmethod(tf.clip_by_value)
    greater = staticmethod(tf.greater)
    where = staticmethod(tf.where)
    softmax = staticmethod(tf.nn.softmax)
    log_softmax = staticmethod(tf.nn.log_softmax)

    def layer_norm(
        self, x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor | None, epsilon: float, groups: int
    ) -> tf.Tensor:
        a = x
        if groups > 1:
            a = _like(x, tf.reshape(x, (-1, groups, x.shape[-1] // groups)))
        a = a - tf.reduce_mean(a, -1, keepdims=True)
        a = a * tf.math.rsqrt(tf.reduce_mean(a * a, -1, keepdims=True) + epsilon)
        y = (_like(x, tf.reshape(a, (-1, x.shape[-1]))) if groups > 1 else a) * self.flat(gamma)
        return y if beta is None else y + self.flat(beta)

    def noise(self, x: tf.Tensor, size: int, rate: float, place: str, per: str) -> tf.Tensor | None:
        if self._noise is None or not rate:
            return None
        if x.shape.rank == 2:
            return self._draw(self._where or where(x, None, 0), size, rate, place, per, x.dtype)
        noise = self._draw(where(x, 0, 1), size, rate, place, per, x.dtype)
        return tf.broadcast_to(noise, tf.concat([tf.shape(x)[:-1], [size]], 0))

    def dropout(self, x: tf.Tensor, rate: float, place: str = "", per: str = "step") -> tf.Tensor:
        if self._noise is None or not rate:
            return x
        at = where(x, 1 if x.shape.rank == 3 else None, 0)
        return x * self._draw(at, x.shape[-1], rate, place, per, x.dtype) * (1 / (1 - rate))

    def _draw(self, at: Where, size: int, rate: float, place: str, per: str, dtype) -> tf.Tensor:
        assert self._noise is not None
        at = at.per(per)
        return self._noise.draw(at.rows, at.t, size, rate, f"{self.place}.{place}", dtype, at.loop)

    def recurrent(
        self, layer: Recurrent, p: dict[str, tf.Tensor], x: tf.Tensor, valid: Valid, state: States
    ) -> tuple[list[tf.Tensor], States]:
        return layer.unroll(self, p, sequences.masked(x, valid), valid, state)

    def recurrent_step(
        self, layer: Recurrent, p: dict[str, tf.Tensor], x: tf.Tensor, state: States
    ) -> tuple[tf.Tensor, States]:
        return layer.cell_step(self, p, x, state)

    def unroll(
        self, cell: Cell, p: Parameters, x: tf.Tensor, valid: Valid, state: States, start: States, reverse: bool
    ) -> tuple[tf.Tensor, States]:
        return unroll(self, cell, p, x, valid, state, start, reverse)

    unpadded = staticmethod(sequences.unpadded)
    masked = staticmethod(sequences.masked)
    hold = staticmethod(sequences.hold)
    last = staticmethod(sequences.last)
    flip = staticmethod(sequences.flip)
    repeat = staticmethod(sequences.repeat)
    counted = staticmethod(sequences.counted)
    total = staticmethod(sequences.total)
    largest = staticmethod(sequences.largest)
    taps = staticmethod(convolution.taps)
    windows = staticmethod(convolution.windows)
    convolve = staticmethod(convolution.convolve)
    products = staticmethod(attention.products)
    additive = staticmethod(attention.additive)
    attend = staticmethod(attention.attend)

    def heads(
        self, query: tf.Tensor, keys: tf.Tensor, values: tf.Tensor, valid: Valid, count: int, scale: float
    ) -> tf.Tensor:
        return scores.heads(self, query, keys, values, valid, count, scale)


def _rows(x: tf.Tensor) -> tf.Tensor:
    """(…, features) → (rows, features)."""
    return x if x.shape.rank == 2 else tf.reshape(x, (-1, x.shape[-1]))


def _like(x: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """rows (n, …) → the leading axes of x (…, features), and the axes of rows after the first."""
    if x.shape.rank == 2:
        return rows
    y = tf.reshape(rows, tf.concat([tf.shape(x)[:-1], tf.shape(rows)[1:]], 0))
    return tf.ensure_shape(y, [*x.shape[:-1], *rows.shape[1:]])
