"""The LSTM's time loop with a gradient of its own."""

import tensorflow as tf

from rnnspec.backends.tensorflow.layout import Layout, keep, masked
from rnnspec.backends.tensorflow.scan import previous, scan
from rnnspec.ops import States


def lstm(
    cell, p: dict[str, tf.Tensor], z: tf.Tensor, state: States, mask: tf.Tensor | None, reverse: bool
) -> tuple[tf.Tensor, States]:
    """LSTM-1 to LSTM-5: projected inputs z (time, batch, 4·units), mask (time, batch) → outputs (time, batch, units).

    The forward loop keeps the gates. The gradient takes the local derivatives of all steps at once, so its loop is one
    product a step and a few pointwise operations, and the kernel's gradient is a single product.
    """
    units = cell.units
    layout = Layout(units)
    valid = layout.mask(mask)

    @tf.custom_gradient
    def run(z, recurrent_kernel, h0, c0):
        kernel = tf.reshape(recurrent_kernel, (4 * units, units))
        sizes = (2 * units, units, units)
        product = layout.products(kernel, h0, sizes)

        def step(inputs, states):
            z, *valid = inputs
            h, c = states
            i_f, g, o = (a + b for a, b in zip(layout.split(z, sizes), product(h), strict=True))
            i_f, g, o = tf.sigmoid(i_f), tf.tanh(g), tf.sigmoid(o)
            i, f = layout.split(i_f, 2)
            c_new = f * c + i * g
            h, c = keep(valid, (o * tf.tanh(c_new), c_new), states)
            return (h, c), (h, c, i_f, g, o)

        zeros = layout.zeros(h0, units, units, 2 * units, units, units)
        (hs, cs, i_f, g, o), last = scan(step, [z, *valid], (h0, c0), zeros, reverse)

        def gradient(dy, dh, dc):
            h_before, c_before = previous(h0, hs, reverse), previous(c0, cs, reverse)
            i, f = layout.split(i_f, 2)
            tanh_c = tf.tanh(cs)
            # ∂loss/∂preactivations = (dc, dc, dc, dh) ⊙ local
            local = layout.concat(g * i * (1 - i), c_before * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o))
            h_to_c = o * (1 - tanh_c * tanh_c)
            inputs = [dy, masked(valid, local, 0), masked(valid, h_to_c, 0), masked(valid, f, 1)]
            back = layout.product(tf.transpose(kernel), h0)

            def step_back(inputs, states):
                dy, local, h_to_c, f, *valid = inputs
                dh, dc = states
                dh = dh + dy
                dc = dc + dh * h_to_c
                da = layout.concat(dc, dc, dc, dh) * local
                (before,) = keep(valid, (back(da),), (dh,))
                return (before, dc * f), (da,)

            (da,), (dh, dc) = scan(step_back, [*inputs, *valid], (dh, dc), layout.zeros(h0, 4 * units), not reverse)
            return da, layout.kernel_gradient(da, h_before), dh, dc

        return (hs, *last), gradient

    enter = layout.enter
    y, h, c = run(enter(z), p["recurrent_kernel"], enter(state["h"]), enter(state["c"]))
    return layout.leave(masked(valid, y, 0)), {"h": layout.leave(h), "c": layout.leave(c)}
