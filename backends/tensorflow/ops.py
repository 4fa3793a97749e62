"""`rnnspec.ops.Ops` in TensorFlow."""

import tensorflow as tf

from rnnspec.backends.tensorflow import kernels
from rnnspec.backends.tensorflow.unroll import unroll
from rnnspec.ops import Parameters, States
from rnnspec.valid import Valid


class TensorFlowOps:
    """One call's operations.

    `stock` holds Keras's layers for those on the native path; `fused` lets cells run their fused loops; `seed` (2,) is
    for training.
    """

    def __init__(self, stock: dict[str, kernels.Stock], fused: bool, seed: tf.Tensor | None = None) -> None:
        self.stock = stock
        self.fused = fused
        self.seed = seed
        self._draws = 0
        self._transposed: dict = {}

    def looped(self, kernels_: list[tf.Tensor]) -> "TensorFlowOps":
        """Operations for inside a loop: these kernels are transposed before it."""
        inside = TensorFlowOps(self.stock, self.fused, self.seed)
        inside._transposed = {k.ref(): tf.transpose(tf.reshape(k, (-1, k.shape[-1]))) for k in kernels_}
        return inside

    sigmoid = staticmethod(tf.sigmoid)
    tanh = staticmethod(tf.tanh)
    relu = staticmethod(tf.nn.relu)

    def linear(self, x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor | None = None) -> tf.Tensor:
        # As one product of two matrices: a product with more axes runs batch by batch.
        rows = tf.reshape(x, (-1, kernel.shape[-1]))
        transposed = self._transposed.get(kernel.ref())
        if transposed is None:
            y = tf.matmul(rows, tf.reshape(kernel, (-1, kernel.shape[-1])), transpose_b=True)
        else:
            y = tf.matmul(rows, transposed)
        if bias is not None:
            y = tf.nn.bias_add(y, tf.reshape(bias, [-1]))
        return y if x.shape.rank == 2 else _like(x, y)

    def split(self, x: tf.Tensor, parts: int | tuple[int, ...]) -> tuple[tf.Tensor, ...]:
        return tuple(tf.split(x, parts, -1))

    def concat(self, parts: list[tf.Tensor]) -> tf.Tensor:
        return tf.concat(parts, -1)

    def take(self, table: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        return tf.gather(table, ids)

    def dropout(self, x: tf.Tensor, rate: float) -> tf.Tensor:
        if self.seed is None or rate == 0:
            return x
        self._draws += 1  # each place of the model draws a mask of its own
        seed = tf.random.experimental.stateless_fold_in(self.seed, self._draws)
        return tf.nn.experimental.stateless_dropout(x, rate, seed)

    def recurrent(self, layer, p: dict[str, tf.Tensor], x: tf.Tensor, valid: Valid, state: States):
        if layer.name in self.stock:
            return kernels.run(layer, self.stock[layer.name], p, x, valid, state)
        return layer.unroll(self, p, x, valid, state)

    def recurrent_step(self, layer, p: dict[str, tf.Tensor], x: tf.Tensor, state: States):
        return layer.cell_step(self, p, x, state)

    def unroll(
        self, cell, p: Parameters, x: tf.Tensor, valid: Valid, state: States, *, reverse: bool, sequences: bool
    ) -> tuple[tf.Tensor, States]:
        return unroll(self, cell, p, x, valid, state, reverse=reverse, sequences=sequences)


def _like(x: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """rows (n, features) → (…, features), with the leading axes of x."""
    y = tf.reshape(rows, tf.concat([tf.shape(x)[:-1], tf.shape(rows)[-1:]], 0))
    return tf.ensure_shape(y, [*x.shape[:-1], rows.shape[-1]])
