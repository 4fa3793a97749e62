"""Layer normalisation inside a time loop, and its gradient."""

import tensorflow as tf

from rnnspec.backends.tensorflow.layout import Layout


class Norm:
    """x̂ = (a − mean a) / √(var a + ε) over each of `groups` groups of `size` features, as they lie in `layout`."""

    def __init__(self, layout: Layout, groups: int, size: int, epsilon: float) -> None:
        self.layout, self.groups, self.size, self.epsilon = layout, groups, size, epsilon

    def __call__(self, a: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """a → x̂ like it, and 1 / √(var a + ε) with `groups` features."""
        a = self._grouped(a)
        a = a - self._mean(a)
        scale = tf.math.rsqrt(self._mean(a * a) + self.epsilon)
        return self._flat(a * scale, self.groups * self.size), self._flat(scale, self.groups)

    def back(self, d: tf.Tensor, x: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
        """The gradient of a, from that of x̂ and what the call gave."""
        d, x, scale = self._grouped(d), self._grouped(x), self._grouped(scale, 1)
        return self._flat((d - self._mean(d) - x * self._mean(d * x)) * scale, self.groups * self.size)

    def _grouped(self, a: tf.Tensor, size: int | None = None) -> tf.Tensor:
        if self.groups == 1:
            return a
        inner = (self.groups, size or self.size)
        return tf.reshape(a, (*inner, -1) if self.layout.features_first else (-1, *inner))

    def _flat(self, a: tf.Tensor, features: int) -> tf.Tensor:
        if self.groups == 1:
            return a
        return tf.reshape(a, (features, -1) if self.layout.features_first else (-1, features))

    def _mean(self, a: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(a, self.layout.axis, keepdims=True)
