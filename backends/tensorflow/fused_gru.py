"""The GRU's time loop with a gradient of its own, for both of its readings."""

import tensorflow as tf

from rnnspec.backends.tensorflow.layout import Layout, keep, masked
from rnnspec.backends.tensorflow.scan import previous, scan
from rnnspec.ops import States


def gru(
    cell, p: dict[str, tf.Tensor], z: tf.Tensor, state: States, mask: tf.Tensor | None, reverse: bool
) -> tuple[tf.Tensor, States]:
    """GRU-1 to GRU-5: projected inputs z (time, batch, 3·units), mask (time, batch) → outputs (time, batch, units)."""
    layout = Layout(cell.units)
    valid = layout.mask(mask)
    arguments = [layout.enter(z), p["recurrent_kernel"], layout.enter(state["h"])]
    if cell.reset_after:
        bias = p["recurrent_bias"] if cell.bias else tf.zeros((cell.units,), z.dtype)
        y, h = _reset_after(layout, valid, reverse)(*arguments, bias)
    else:
        y, h = _reset_before(layout, valid, reverse)(*arguments)
    return layout.leave(masked(valid, y, 0)), {"h": layout.leave(h)}


def _reset_after(layout: Layout, valid: list[tf.Tensor], reverse: bool):
    """n = tanh(z_n + r ⊙ m) with m = R_n h + d: GRU-3."""
    units = layout.units

    @tf.custom_gradient
    def run(z, recurrent_kernel, h0, bias):
        kernel = tf.reshape(recurrent_kernel, (3 * units, units))
        sizes = (2 * units, units)
        product = layout.products(kernel, h0, sizes, tf.pad(bias, [[2 * units, 0]]))

        def step(inputs, states):
            z, *valid = inputs
            (h,) = states
            z_ru, z_n = layout.split(z, sizes)
            m_ru, m = product(h)
            r_u = tf.sigmoid(z_ru + m_ru)
            r, u = layout.split(r_u, 2)
            n = tf.tanh(z_n + r * m)
            (h,) = keep(valid, (n + u * (h - n),), states)
            return (h,), (h, r_u, m, n)

        (hs, r_u, m, n), last = scan(
            step, [z, *valid], (h0,), layout.zeros(h0, units, 2 * units, units, units), reverse
        )

        def gradient(dy, dh):
            h_before = previous(h0, hs, reverse)
            r, u = layout.split(r_u, 2)
            # Every preactivation's gradient is dh times something known before the loop.
            to_n = masked(valid, (1 - u) * (1 - n * n), 0)
            to_u = masked(valid, (h_before - n) * u * (1 - u), 0)
            to_m = to_n * r
            local = layout.concat(to_m * m * (1 - r), to_u, to_m)
            back = layout.product(tf.transpose(kernel), h0)

            def step_back(inputs, states):
                dy, local, u = inputs
                dh = states[0] + dy
                da = layout.concat(dh, dh, dh) * local
                return (dh * u + back(da),), (dh, da)

            zeros = layout.zeros(h0, units, 3 * units)
            (dhs, da), (dh,) = scan(step_back, [dy, local, masked(valid, u, 1)], (dh,), zeros, not reverse)
            da_ru, dm = layout.split(da, sizes)
            return layout.concat(da_ru, dhs * to_n), layout.kernel_gradient(da, h_before), dh, layout.bias_gradient(dm)

        return (hs, *last), gradient

    return run


def _reset_before(layout: Layout, valid: list[tf.Tensor], reverse: bool):
    """n = tanh(z_n + R_n (r ⊙ h)): GRU-2."""
    units = layout.units

    @tf.custom_gradient
    def run(z, recurrent_kernel, h0):
        kernel_ru, kernel_n = tf.reshape(recurrent_kernel[:2], (2 * units, units)), recurrent_kernel[2]
        product_ru, product_n = layout.product(kernel_ru, h0), layout.product(kernel_n, h0)

        def step(inputs, states):
            z, *valid = inputs
            (h,) = states
            z_ru, z_n = layout.split(z, (2 * units, units))
            r_u = tf.sigmoid(z_ru + product_ru(h))
            r, u = layout.split(r_u, 2)
            n = tf.tanh(z_n + product_n(r * h))
            (h,) = keep(valid, (n + u * (h - n),), states)
            return (h,), (h, r_u, n)

        (hs, r_u, n), last = scan(step, [z, *valid], (h0,), layout.zeros(h0, units, 2 * units, units), reverse)

        def gradient(dy, dh):
            h_before = previous(h0, hs, reverse)
            r, u = layout.split(r_u, 2)
            to_n = masked(valid, (1 - u) * (1 - n * n), 0)
            to_u = masked(valid, (h_before - n) * u * (1 - u), 0)
            to_r = masked(valid, h_before * r * (1 - r), 0)
            back_ru, back_n = layout.product(tf.transpose(kernel_ru), h0), layout.product(tf.transpose(kernel_n), h0)

            def step_back(inputs, states):
                dy, to_n, to_u, to_r, r, u = inputs
                dh = states[0] + dy
                da_n = dh * to_n
                d_rh = back_n(da_n)
                da_ru = layout.concat(d_rh * to_r, dh * to_u)
                return (dh * u + d_rh * r + back_ru(da_ru),), (da_ru, da_n)

            inputs = [dy, to_n, to_u, to_r, r, masked(valid, u, 1)]
            (da_ru, da_n), (dh,) = scan(step_back, inputs, (dh,), layout.zeros(h0, 2 * units, units), not reverse)
            d_kernel = [layout.kernel_gradient(da_ru, h_before), layout.kernel_gradient(da_n, r * h_before)]
            return layout.concat(da_ru, da_n), tf.concat(d_kernel, 0), dh

        return (hs, *last), gradient

    return run
