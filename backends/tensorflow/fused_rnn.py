"""The simple RNN's time loop with a gradient of its own."""

import tensorflow as tf

from rnnspec.backends.tensorflow.layout import Layout, keep, masked
from rnnspec.backends.tensorflow.scan import previous, scan
from rnnspec.ops import States

# Activation → itself, and its derivative in terms of its output.
ACTIVATIONS = {
    "linear": (tf.identity, tf.ones_like),
    "tanh": (tf.tanh, lambda h: 1 - h * h),
    "sigmoid": (tf.sigmoid, lambda h: h * (1 - h)),
    "relu": (tf.nn.relu, lambda h: tf.cast(h > 0, h.dtype)),
}


def rnn(
    cell, p: dict[str, tf.Tensor], z: tf.Tensor, state: States, mask: tf.Tensor | None, reverse: bool
) -> tuple[tf.Tensor, States]:
    """RNN-1 and RNN-2: projected inputs z (time, batch, units), mask (time, batch) → outputs (time, batch, units)."""
    layout = Layout(cell.units)
    valid = layout.mask(mask)
    activation, derivative = ACTIVATIONS[cell.activation]

    @tf.custom_gradient
    def run(z, recurrent_kernel, h0):
        product = layout.product(recurrent_kernel[0], h0)

        def step(inputs, states):
            z, *valid = inputs
            h = keep(valid, (activation(z + product(states[0])),), states)
            return h, h

        (hs,), last = scan(step, [z, *valid], (h0,), layout.zeros(h0, cell.units), reverse)

        def gradient(dy, dh):
            back = layout.product(tf.transpose(recurrent_kernel[0]), h0)

            def step_back(inputs, states):
                dy, local, *valid = inputs
                dh = states[0] + dy
                da = dh * local
                return keep(valid, (back(da),), (dh,)), (da,)

            inputs = [dy, masked(valid, derivative(hs), 0), *valid]
            (da,), (dh,) = scan(step_back, inputs, (dh,), layout.zeros(h0, cell.units), not reverse)
            return da, layout.kernel_gradient(da, previous(h0, hs, reverse)), dh

        return (hs, *last), gradient

    y, h = run(layout.enter(z), p["recurrent_kernel"], layout.enter(state["h"]))
    return layout.leave(masked(valid, y, 0)), {"h": layout.leave(h)}
