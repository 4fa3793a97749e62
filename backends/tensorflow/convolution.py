"""Windows over the steps of sequences (batch, time, features), time free: what `Convolution` and `Pool` are made of."""

from typing import Any

import tensorflow as tf

from rnnspec.valid import Valid


def taps(x: tf.Tensor, outside: tuple[int, int], width: int, stride: int, dilation: int) -> list[tf.Tensor]:
    """What windows see at each of their `width` places, with zeros before and after x: (batch, windows, features)."""
    x = _padded(x, outside)
    many = _many(x, dilation * (width - 1) + 1, stride)
    return [x[:, k * dilation : k * dilation + many * stride : stride] for k in range(width)]


def windows(valid: Valid, span: int, stride: int) -> Valid:
    """Which windows are valid: those whose `span` steps all are."""
    if valid.lengths is not None:
        return Valid(lengths=tf.maximum(0, (valid.lengths - span) // stride + 1))
    count = tf.pad(tf.cumsum(tf.cast(valid.mask, tf.int32), 1), [[0, 0], [1, 0]])  # valid steps before each
    return Valid(mask=(count[:, span:] - count[:, :-span] == span)[:, ::stride])


def convolve(
    x: tf.Tensor, kernel: tf.Tensor, outside: tuple[int, int], stride: int, dilation: int, groups: int
) -> tf.Tensor:
    """Σ over the taps of x of kernel (units, width, inputs / groups): (batch, windows, units)."""
    units, width, inputs = kernel.shape
    if groups == dilation == 1:
        x = _padded(x, outside)
        many = _many(x, width, stride)
        short = tf.maximum(0, width - tf.shape(x)[1])  # TensorFlow's convolution needs one window
        x = x if isinstance(many, int) and many else tf.pad(x, [[0, 0], [0, short], [0, 0]])
        return tf.nn.conv1d(x, tf.transpose(kernel, (1, 2, 0)), stride, "VALID")[:, :many]
    # Its convolutions with groups or with dilation have no gradient on a CPU.
    seen = tf.stack(taps(x, outside, width, stride, dilation), 2)
    rows = tf.reshape(seen, (-1, width, groups, inputs))
    y = tf.einsum("nkgi,guki->ngu", rows, tf.reshape(kernel, (groups, units // groups, width, inputs)))
    y = tf.reshape(y, tf.concat([tf.shape(seen)[:2], [units]], 0))
    return tf.ensure_shape(y, (*seen.shape[:2], units))


def _padded(x: tf.Tensor, outside: tuple[int, int]) -> tf.Tensor:
    return tf.pad(x, [[0, 0], outside, [0, 0]]) if any(outside) else x


def _many(x: tf.Tensor, span: int, stride: int) -> Any:
    """How many windows of `span` steps fit."""
    time = x.shape[1]
    if time is not None:
        return max(0, (time - span) // stride + 1)
    return tf.maximum(0, (tf.shape(x)[1] - span) // stride + 1)
