"""How states lie in memory inside a time loop."""

import tensorflow as tf

FEATURES_FIRST_FROM = 256  # units; where kernel · state overtakes state · kernelᵀ on a CPU


class Layout:
    """Rows first, (batch, units), or for many units features first, (units, batch).

    TensorFlow's product of matrices on a CPU is 1.3 to 1.6 times as fast features first once the kernel is large, and
    gates that are split along the first axis are views. Below that, rows first wins.
    """

    def __init__(self, units: int) -> None:
        self.units = units
        self.features_first = units >= FEATURES_FIRST_FROM
        self.axis = -2 if self.features_first else -1

    def enter(self, x: tf.Tensor) -> tf.Tensor:
        """(…, batch, n) from outside into this layout; `leave` is its inverse."""
        return tf.linalg.matrix_transpose(x) if self.features_first else x

    leave = enter

    def column(self, parameter: tf.Tensor) -> tf.Tensor:
        """A parameter (…) as one axis that broadcasts over the batch."""
        return tf.reshape(parameter, (-1, 1) if self.features_first else (1, -1))

    def mask(self, mask: tf.Tensor | None) -> list[tf.Tensor]:
        """(time, batch) → at most one mask that broadcasts over features."""
        return [] if mask is None else [tf.expand_dims(mask, 1 if self.features_first else 2)]

    def zeros(self, state: tf.Tensor, *sizes: int) -> list[tf.Tensor]:
        """Zeros with these numbers of features, in the batch of `state`."""
        if self.features_first:
            return [tf.zeros((n, state.shape[1] or tf.shape(state)[1]), state.dtype) for n in sizes]
        return [tf.zeros((state.shape[0] or tf.shape(state)[0], n), state.dtype) for n in sizes]

    def split(self, x: tf.Tensor, sizes: int | tuple[int, ...]) -> list[tf.Tensor]:
        return tf.split(x, sizes, self.axis)

    def concat(self, *parts: tf.Tensor) -> tf.Tensor:
        return tf.concat(parts, self.axis)

    def product(self, kernel: tf.Tensor, state: tf.Tensor, bias: tf.Tensor | None = None):
        """A function h → kernel h + bias, for a kernel (rows, units) and states shaped like `state`.

        A bias of zeros is no waste: with it grappler emits a fused product, twice as fast for one row.
        """
        if self.features_first:
            zeros = tf.zeros(tf.shape(state)[1:], kernel.dtype)
            column = None if bias is None else bias[:, None]

            def product(h: tf.Tensor) -> tf.Tensor:
                y = tf.nn.bias_add(tf.matmul(kernel, h), zeros)
                return y if column is None else y + column

            return product
        bias = tf.zeros(kernel.shape[:1], kernel.dtype) if bias is None else bias
        transposed = tf.transpose(kernel)  # once: transposing inside the loop costs 2 to 5 times a plain product
        return lambda h: tf.nn.bias_add(tf.matmul(h, transposed), bias)

    def products(self, kernel: tf.Tensor, state: tf.Tensor, sizes: tuple[int, ...], bias: tf.Tensor | None = None):
        """A function h → the parts of kernel h + bias that have `sizes` rows.

        Features first they are views of one product. Rows first they are products of their own: small products side by
        side use the cores better than one and a copy that splits it.
        """
        if self.features_first:
            whole = self.product(kernel, state, bias)
            return lambda h: tf.split(whole(h), sizes)
        biases = [None] * len(sizes) if bias is None else tf.split(bias, sizes)
        parts = [self.product(k, state, b) for k, b in zip(tf.split(kernel, sizes), biases, strict=True)]
        return lambda h: [part(h) for part in parts]

    def kernel_gradient(self, da: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
        """Σ da hᵀ over time and batch in one product, as a recurrent kernel (gates, units, units)."""
        product = tf.matmul(self._rows(da), self._rows(h), transpose_a=True)
        return tf.reshape(product, (-1, self.units, self.units))

    def bias_gradient(self, da: tf.Tensor) -> tf.Tensor:
        """Σ da over time and batch (n,)."""
        return tf.reduce_sum(da, (0, 2) if self.features_first else (0, 1))

    def _rows(self, x: tf.Tensor) -> tf.Tensor:
        x = self.leave(x)
        return tf.reshape(x, (-1, x.shape[-1]))


def masked(mask: list[tf.Tensor], x: tf.Tensor, otherwise: float) -> tf.Tensor:
    """x at valid steps, a constant at the others."""
    return tf.where(mask[0], x, tf.cast(otherwise, x.dtype)) if mask else x


def keep(valid: list[tf.Tensor], new, old) -> tuple[tf.Tensor, ...]:
    """The new states where the step is valid, else the old ones (UNROLL-2)."""
    return tuple(tf.where(valid[0], n, o) for n, o in zip(new, old, strict=True)) if valid else tuple(new)
