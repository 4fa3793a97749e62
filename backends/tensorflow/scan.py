"""The loop over time that all cells share."""

from collections.abc import Callable, Sequence

import tensorflow as tf

STEPS_A_ROUND = 4

Tensors = Sequence[tf.Tensor]


def scan(
    step: Callable[[Tensors, Tensors], tuple[Tensors, Tensors]],
    inputs: Tensors,
    states: Tensors,
    zeros: Tensors,
    reverse: bool,
    views: bool = True,
) -> tuple[list[tf.Tensor], tuple[tf.Tensor, ...]]:
    """Run `states, values = step(inputs at t, states)` over time → the values of all steps, the last states.

    inputs and values are (time, …); time and batch may be free; `zeros` are shaped like the values of one step.
    With `views`, inputs are read as x[t], which is a view; without, from a TensorArray, a copy, whose gradient costs no
    more than it does.
    """
    steps = inputs[0].shape[0]
    if steps == 1 or tf.executing_eagerly():  # needs no loop of TensorFlow's, which would slice x step by step
        given = list(zip(*(tf.unstack(x) for x in inputs), strict=True))
        rows = []
        for at_t in reversed(given) if reverse else given:
            states, values = step(at_t, states)
            rows.append(values)
        columns = zip(*(reversed(rows) if reverse else rows), strict=True)
        return [tf.stack(column) for column in columns] or [z[None][:0] for z in zeros], tuple(states)
    if steps is None:
        steps = tf.shape(inputs[0])[0]

    reads = [x.__getitem__ if views else tf.TensorArray(x.dtype, steps).unstack(x).read for x in inputs]

    def rounds(count: int):
        def body(i, states, arrays):
            for _ in range(count):
                t = steps - 1 - i if reverse else i
                new, values = step([read(t) for read in reads], states)
                for before, after in zip(states, new, strict=True):
                    after.set_shape(before.shape)
                arrays = [array.write(t, value) for array, value in zip(arrays, values, strict=True)]
                i, states = i + 1, tuple(new)
            return i, states, arrays

        return body

    # A round of the loop costs about as much as ten small operations, so most rounds take several steps.
    # One element more than there are steps: an array without elements would not know the batch size.
    arrays = [tf.TensorArray(z.dtype, steps + 1, element_shape=z.shape).write(steps, z) for z in zeros]
    carry = (tf.constant(0), tuple(states), arrays)
    carry = tf.while_loop(lambda i, *_: i + STEPS_A_ROUND <= steps, rounds(STEPS_A_ROUND), carry)
    _, states, arrays = tf.while_loop(lambda i, *_: i < steps, rounds(1), carry)
    return [array.stack()[:-1] for array in arrays], tuple(states)


def previous(initial: tf.Tensor, stacked: tf.Tensor, reverse: bool) -> tf.Tensor:
    """The state before each step: `initial` and all but the last of the states after each step (time, …)."""
    if reverse:
        return tf.concat([stacked, initial[None]], 0)[1:]
    return tf.concat([initial[None], stacked], 0)[:-1]
