"""The time loop of any cell, with one gradient that works for every cell's `step`."""

import tensorflow as tf

from rnnspec.backends.tensorflow.layout import keep, masked
from rnnspec.backends.tensorflow.scan import previous, scan
from rnnspec.ops import Parameters, States

ZERO = tf.UnconnectedGradients.ZERO


def rematerialize(
    ops, cell, p: Parameters, z: tf.Tensor, state: States, mask: tf.Tensor | None, reverse: bool
) -> tuple[tf.Tensor, States]:
    """Projected inputs z (time, batch, n), prepared parameters, mask (time, batch) → outputs (time, batch, outputs).

    The forward loop keeps the states only. The backward loop runs each step again and asks for the gradient from state
    to state alone. What it leaves, the gradient of each step's result, then gives the gradients of z and the parameters
    in a single pass over all time · batch rows at once, because a step does not care how many rows it gets.
    """
    names = list(state)
    valid = [] if mask is None else [mask[..., None]]

    @tf.custom_gradient
    def run(z, initial, *parameters):
        p_ = tf.nest.pack_sequence_as(p, parameters)
        inside = ops.looped([k for k in parameters if k.shape.rank > 1])

        def step(ops, p, z, valid, states):
            y, new = cell.step(ops, p, z, dict(zip(names, states, strict=True)))
            return y, keep(valid, [new[name] for name in names], states)

        def forward(inputs, states):
            y, new = step(inside, p_, inputs[0], inputs[1:], states)
            return new, (y, *new)

        batch = z.shape[1] or tf.shape(z)[1]
        zeros = [tf.zeros((batch, cell.outputs), z.dtype), *map(tf.zeros_like, initial)]
        (ys, *stacked), last = scan(forward, [z, *valid], initial, zeros, reverse)
        before = [previous(first, s, reverse) for first, s in zip(initial, stacked, strict=True)]

        def gradient(dy, *d_last):
            def back(inputs, d_states):
                z, dy, *rest = inputs
                states, valid = rest[: len(names)], rest[len(names) :]
                with tf.GradientTape() as tape:
                    tape.watch(states)
                    y, new = step(inside, p_, z, valid, states)
                return tape.gradient([y, *new], states, [dy, *d_states], ZERO), d_states

            d_new, d_initial = scan(back, [z, dy, *before, *valid], d_last, zeros[1:], not reverse)
            with tf.GradientTape() as tape:
                tape.watch([z, *parameters])
                y, new = step(ops, p_, _rows(z), [_rows(m) for m in valid], [_rows(s) for s in before])
            results, targets = [y, *new], [_rows(d) for d in (dy, *d_new)]
            dz, *d_parameters = tape.gradient(results, [z, *parameters], targets, ZERO)
            return dz, list(d_initial), *d_parameters

        return (ys, list(last)), gradient

    ys, last = run(z, [state[name] for name in names], *tf.nest.flatten(p))
    return masked(valid, ys, 0), dict(zip(names, last, strict=True))


def _rows(x: tf.Tensor) -> tf.Tensor:
    """(time, batch, n) → (time · batch, n)."""
    return tf.reshape(x, (-1, x.shape[-1]))
