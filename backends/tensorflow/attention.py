"""One sequence read through another: queries (batch, [time,] features), a memory (batch, steps, features)."""

import tensorflow as tf

from rnnspec.backends.tensorflow.sequences import steps
from rnnspec.ops import LOW
from rnnspec.valid import Valid


def products(query: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
    """Σ query ⊙ key: (batch, [time,] steps)."""
    return tf.matmul(query, keys, transpose_b=True) if query.shape.rank == 3 else tf.linalg.matvec(keys, query)


def additive(query: tf.Tensor, keys: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Σ scale ⊙ tanh(query + key): (batch, [time,] steps)."""
    keys = keys if query.shape.rank == 2 else keys[:, None]
    return tf.reduce_sum(tf.tanh(query[..., None, :] + keys) * scale, -1)


def attend(scores: tf.Tensor, values: tf.Tensor, valid: Valid) -> tf.Tensor:
    """Σ softmax(scores) ⊙ value over the valid steps, 0 where there is none: (batch, [time,] features)."""
    mask = steps(valid, tf.shape(values)[1])
    if mask is None:
        weights = tf.nn.softmax(scores)
    else:
        mask = mask if scores.shape.rank == 2 else mask[:, None]
        weights = tf.nn.softmax(tf.where(mask, scores, tf.cast(LOW, scores.dtype))) * tf.cast(mask, scores.dtype)
    if scores.shape.rank == 2:
        return tf.linalg.matvec(values, weights, transpose_a=True)
    return tf.matmul(weights, values)
