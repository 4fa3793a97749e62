"""The generic time loop."""

import tensorflow as tf
from rnnspec.ops import Parameters, States
from rnnspec.valid import Valid


def unroll(
    ops, cell, p: Parameters, x: tf.Tensor, valid: Valid, state: States, *, reverse: bool, sequences: bool
) -> tuple[tf.Tensor, States]:
    """One cell in one direction: UNROLL-1 to UNROLL-7.

    x (batch, time, inputs), with both leading axes free → outputs (batch, time, outputs), or (batch, outputs) without
    `sequences`; states (batch, size).
    """
    x = tf.transpose(x, (1, 0, 2))
    time, batch = tf.unstack(tf.shape(x)[:2])
    p = cell.prepare(ops, p)
    projected = _elements(cell.project(ops, p, x))
    mask = steps(valid, time)
    keeps = None if mask is None else _elements(tf.transpose(mask)[:, :, None])
    zero = tf.zeros((batch, cell.outputs), x.dtype)
    # One element more than there are steps: a list without elements would not know the batch size.
    outputs = tf.TensorArray(x.dtype, time + 1, element_shape=zero.shape).write(time, zero)

    def body(count, outputs, last, state):
        t = time - 1 - count if reverse else count
        y, new = cell.step(ops, p, projected.read(t), state)
        if keeps is None:
            last = y
        else:
            keep = keeps.read(t)
            last = tf.where(keep, y, last)
            y = tf.where(keep, y, zero)
            new = {name: tf.where(keep, new[name], state[name]) for name in state}
        for name in state:
            new[name].set_shape(state[name].shape)
        return count + 1, outputs.write(t, y) if sequences else outputs, last, new

    _, outputs, last, state = tf.while_loop(
        lambda count, *_: count < time, body, (tf.constant(0), outputs, zero, state), maximum_iterations=time
    )
    if not sequences:
        return last, state
    return tf.transpose(outputs.stack()[:-1], (1, 0, 2)), state


def steps(valid: Valid, time: tf.Tensor) -> tf.Tensor | None:
    """The valid steps as booleans (batch, time); None where all are (UNROLL-3)."""
    return valid.mask if valid.lengths is None else tf.sequence_mask(valid.lengths, time)


def _elements(x: tf.Tensor) -> tf.TensorArray:
    """The steps of x (time, …), taken apart once."""
    return tf.TensorArray(x.dtype, tf.shape(x)[0], element_shape=x.shape[1:], clear_after_read=False).unstack(x)
