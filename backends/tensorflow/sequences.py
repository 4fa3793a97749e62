"""What is done to whole sequences (batch, time, features) with some steps invalid, without a loop over time."""

import tensorflow as tf

from rnnspec.ops import LOW
from rnnspec.valid import Valid


def steps(valid: Valid, time: tf.Tensor) -> tf.Tensor | None:
    """The valid steps as booleans (batch, time); None where all are (UNROLL-3)."""
    return valid.mask if valid.lengths is None else tf.sequence_mask(valid.lengths, time)


def begins(valid: Valid, reverse: bool) -> tf.Tensor | None:
    """The steps (batch, time) at which a sequence begins in the order of visits; None where nothing is reset.

    A reset at step t separates t − 1 from t. Visited backward, it is step t − 1 that begins anew (UNROLL-12).
    """
    if valid.reset is None or not reverse:
        return valid.reset
    return tf.pad(valid.reset, [[0, 0], [0, 1]])[:, 1:]


def unpadded(x: tf.Tensor, padding: float, valid: Valid) -> Valid:
    """Without the steps of x whose features, or id, all equal `padding` (MODEL-5)."""
    given, mask = steps(valid, tf.shape(x)[1]), tf.not_equal(x, tf.cast(padding, x.dtype))
    mask = mask if x.shape.rank == 2 else tf.reduce_any(mask, -1)
    return Valid(mask=mask if given is None else mask & given, reset=valid.reset)


def masked(x: tf.Tensor, valid: Valid) -> tf.Tensor:
    """x, 0 at invalid steps."""
    mask = steps(valid, tf.shape(x)[1])
    return x if mask is None else tf.where(mask[..., None], x, tf.zeros((), x.dtype))


def hold(y: tf.Tensor, valid: Valid, reverse: bool) -> tf.Tensor:
    """At invalid steps the output of the step before them in the order of visits that is valid, or begins a sequence.

    The k-th such step is at k − 1 in a stable sort that puts them first; outputs at invalid steps are 0 (UNROLL-9).
    """
    marks = _marks(y, valid, reverse)
    if marks is None:
        return y
    if reverse:
        y, marks = flip(y), flip(marks)
    order = tf.argsort(tf.cast(marks, tf.int32), 1, "DESCENDING", stable=True)
    count = tf.cumsum(tf.cast(marks, tf.int32), 1)
    held = tf.gather(y, tf.gather(order, tf.maximum(count - 1, 0), batch_dims=1), batch_dims=1)
    held = tf.where((count > 0)[..., None], held, tf.zeros((), y.dtype))
    return flip(held) if reverse else held


def last(y: tf.Tensor, valid: Valid, reverse: bool) -> tf.Tensor:
    """The held output (batch, outputs) of the last step visited, 0 if there is none (UNROLL-7)."""
    marks = _marks(y, valid, reverse)
    if marks is None:
        return tf.reduce_sum(y[:, :1] if reverse else y[:, -1:], 1)  # a sum of at most one
    to_come = tf.cumsum(tf.cast(marks, tf.int32), 1, reverse=not reverse)
    return tf.reduce_sum(tf.where((marks & (to_come == 1))[..., None], y, tf.zeros((), y.dtype)), 1)


def flip(y: tf.Tensor) -> tf.Tensor:
    """The time axis reversed (UNROLL-10)."""
    return tf.reverse(y, [1])


def repeat(x: tf.Tensor, along: int | tf.Tensor) -> tf.Tensor:
    """A vector (batch, features) at so many steps, or at those of a sequence."""
    return tf.repeat(x[:, None], along if isinstance(along, int) else tf.shape(along)[1], 1)


def counted(x: tf.Tensor, valid: Valid) -> tf.Tensor:
    """1 at valid steps of x, else 0: (batch, time, 1)."""
    mask = steps(valid, tf.shape(x)[1])
    return tf.ones_like(x[..., :1]) if mask is None else tf.cast(mask[..., None], x.dtype)


def total(x: tf.Tensor) -> tf.Tensor:
    """The sum over time."""
    return tf.reduce_sum(x, 1)


def largest(x: tf.Tensor, valid: Valid) -> tf.Tensor:
    """The maximum over valid steps, 0 where there is none; equal ones share the gradient."""
    mask = steps(valid, tf.shape(x)[1])
    if mask is None:
        some = tf.shape(x)[1] > 0
    else:
        some = tf.reduce_any(mask, 1)[:, None]
        x = tf.where(mask[..., None], x, tf.cast(LOW, x.dtype))
    return tf.where(some, tf.reduce_max(x, 1), tf.zeros((), x.dtype))


def _marks(y: tf.Tensor, valid: Valid, reverse: bool) -> tf.Tensor | None:
    """The steps (batch, time) whose output counts: valid ones, and beginnings; None where all do."""
    mask, first = steps(valid, tf.shape(y)[1]), begins(valid, reverse)
    return mask if mask is None or first is None else mask | first
