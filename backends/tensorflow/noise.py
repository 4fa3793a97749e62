"""Noise of a training call: the specification's own where it was given a seed, else TensorFlow's (DROP-3)."""

from dataclasses import dataclass, replace

import tensorflow as tf

from rnnspec import philox


@dataclass(frozen=True)
class Noise:
    """What a call draws from: `key` (2,) int64 holds its seed and its number; `exact`: whether bits are specified.

    TensorFlow's generator is several times as fast, but has no bits in common with other frameworks.
    """

    key: tf.Tensor
    exact: bool

    def draw(
        self, rows: tf.Tensor, t: tf.Tensor, size: int, rate: float, place: str, dtype: str, loop: bool = False
    ) -> tf.Tensor:
        """Ones, and zeros with probability `rate`: (…, size) for rows and steps (…, 1), int64, that broadcast.

        Inside a loop over time each step must find its own bits again, so there they are always keyed by row and step.
        """
        if self.exact or loop:
            return tf.cast(self._words(rows, t, size, place) >= philox.threshold(rate), dtype)
        shape = tf.broadcast_dynamic_shape(tf.shape(rows), tf.shape(t))
        seed = tf.random.experimental.stateless_fold_in(self.key, tf.constant(philox.place_key(place), tf.int64))
        return tf.cast(tf.random.stateless_uniform(tf.concat([shape[:-1], [size]], 0), seed) >= rate, dtype)

    def _words(self, rows: tf.Tensor, t: tf.Tensor, size: int, place: str) -> tf.Tensor:
        """32 random bits for each element, four elements a block."""
        blocks = tf.range(-(-size // 4), dtype=tf.int64)
        seed, call = tf.unstack(self.key)
        key = seed, tf.constant(philox.place_key(place), tf.int64)
        words = tf.stack(philox.philox((blocks, rows, t, call), key, tf.bitwise.right_shift), -1)
        return tf.reshape(words, tf.concat([tf.shape(words)[:-2], [-1]], 0))[..., :size]


@dataclass(frozen=True)
class Where:
    """Where in the batch and in time noise is drawn: int64 (…, 1) that broadcast; `loop`: inside a loop over time."""

    rows: tf.Tensor
    t: tf.Tensor
    loop: bool = False

    def per(self, per: str) -> "Where":
        """The same, or the same at every step."""
        return self if per == "step" else replace(self, t=tf.zeros_like(self.t[(slice(0, 1),) * self.t.shape.rank]))


def where(x: tf.Tensor, time: int | None, batch: int) -> Where:
    """All steps and rows of x (…, features), whose axes `time` and `batch` are these; step 0 where it has no time."""

    def along(axis: int) -> tf.Tensor:
        shape = [-1 if k == axis else 1 for k in range(x.shape.rank)]
        return tf.reshape(tf.range(tf.shape(x, tf.int64)[axis]), shape)

    rows = along(batch)
    return Where(rows, tf.zeros_like(rows[:1]) if time is None else along(time))
