"""The time loop of LSTMs with peepholes, layer norm or a clipped cell state, with a gradient of its own."""

from typing import Any

import tensorflow as tf

from rnnspec.backends.tensorflow.layout import Layout, keep, masked
from rnnspec.backends.tensorflow.norm import Norm
from rnnspec.backends.tensorflow.scan import previous, scan
from rnnspec.ops import States


def lstm_variant(
    cell, p: dict[str, tf.Tensor], z: tf.Tensor, state: States, mask: tf.Tensor | None, reverse: bool
) -> tuple[tf.Tensor, States]:
    """LSTM-1 to LSTM-5 with LSTM-7, LSTM-9, LSTM-10, NORM-1 and NORM-2, as `lstm`.

    With the recurrent product r, its norm x̂, and everything else as in the specification:

        a = z + r,   a = γ x̂(z + r) + β,   or   a = z + γ x̂(r) + β

    The gradient's loop gives those of a, of r and of the cell norm's result N; everything else follows from them.
    """
    units, norm, limit = cell.units, cell.layer_norm, cell.clip_cell
    layout = Layout(units)
    valid = layout.mask(mask)
    gates_norm = norm and Norm(layout, *((4, units) if norm.over == "gate" else (1, 4 * units)), norm.epsilon)
    cell_norm = norm and norm.cell and Norm(layout, 1, units, norm.epsilon)
    carry = bool(norm and norm.cell == "carry")
    place = "gates" if norm and norm.gates == "joint" else "recurrent"
    names = ["peephole", f"{place}_gamma", f"{place}_beta", "cell_gamma", "cell_beta"]
    names = [name for name in names if name in p]
    sizes = (2 * units, units, units)

    @tf.custom_gradient
    def run(z, recurrent_kernel, h0, c0, *parameters):
        kernel = tf.reshape(recurrent_kernel, (4 * units, units))
        product = layout.product(kernel, h0)
        given: dict[str, Any] = {name: layout.column(v) for name, v in zip(names, parameters, strict=True)}
        gamma: Any
        cell_gamma: Any
        gamma, beta, cell_gamma, cell_beta = (
            given.get(f"{at}_{kind}") for at in (place, "cell") for kind in ("gamma", "beta")
        )
        if "peephole" in given:
            p_if, p_o = layout.split(given["peephole"], (2 * units, units))

        def activated(z, r):
            """a, and what its norm keeps."""
            if not norm:
                return z + r, ()
            x, scale = gates_norm(z + r if place == "gates" else r)
            a = x * gamma if beta is None else x * gamma + beta
            return (a if place == "gates" else a + z), (x, scale)

        def step(inputs, states):
            z, *valid = inputs
            h, c = states
            a, kept = activated(z, product(h))
            a_if, a_g, a_o = layout.split(a, sizes)
            i_f, g = tf.sigmoid(a_if + layout.concat(c, c) * p_if if cell.peephole else a_if), tf.tanh(a_g)
            i, f = layout.split(i_f, 2)
            c_new = f * c + i * g
            if carry:
                n, scale = cell_norm(c_new)
                kept = (*kept, n, scale)
                c_new = n * cell_gamma + cell_beta
            if limit is not None:
                c_new = tf.clip_by_value(c_new, -limit, limit)
            o = tf.sigmoid(a_o + c_new * p_o if cell.peephole else a_o)
            seen = c_new
            if cell_norm and not carry:
                n, scale = cell_norm(c_new)
                kept = (*kept, n, scale)
                seen = n * cell_gamma + cell_beta
            h, c = keep(valid, (o * tf.tanh(seen), c_new), states)
            return (h, c), (h, c, i_f, g, o, *kept)

        kept_sizes = [4 * units, gates_norm.groups] if norm else []
        kept_sizes += [units, 1] if cell_norm else []
        zeros = layout.zeros(h0, units, units, 2 * units, units, units, *kept_sizes)
        (hs, cs, i_f, g, o, *kept), last = scan(step, [z, *valid], (h0, c0), zeros, reverse)

        def gradient(dy, dh, dc):
            h_before, c_before = previous(h0, hs, reverse), previous(c0, cs, reverse)
            i, f = layout.split(i_f, 2)
            n = kept[-2] if cell_norm else None
            tanh_c = tf.tanh(n * cell_gamma + cell_beta if cell_norm and not carry else cs)
            local = layout.concat(g * i * (1 - i), c_before * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o))
            inputs = [dy, masked(valid, local, 0), masked(valid, o * (1 - tanh_c * tanh_c), 0), f, *kept]
            if limit is not None:
                clipped = n * cell_gamma + cell_beta if carry else f * c_before + i * g
                inputs.append(tf.cast(tf.abs(clipped) <= limit, cs.dtype))
            back = layout.product(tf.transpose(kernel), h0)

            def step_back(inputs, states):
                dy, local, h_to_c, f, *rest = inputs
                kept, rest = rest[: len(kept_sizes)], rest[len(kept_sizes) :]
                local, local_o = layout.split(local, (3 * units, units))
                dh = states[0] + dy
                dc = dn = dh * h_to_c
                if cell_norm and not carry:
                    dc = cell_norm.back(dc * cell_gamma, *kept[-2:])
                da_o = dh * local_o
                dc = states[1] + (dc + da_o * p_o if cell.peephole else dc)
                if limit is not None:
                    dc = dc * rest[0]
                if carry:
                    dn = dc
                    dc = cell_norm.back(dc * cell_gamma, *kept[-2:])
                da = layout.concat(layout.concat(dc, dc, dc) * local, da_o)
                dr = gates_norm.back(da * gamma, *kept[:2]) if norm else da
                before = dc * f
                if cell.peephole:
                    da_i, da_f = layout.split(layout.split(da, sizes)[0] * p_if, 2)
                    before = before + da_i + da_f
                new = keep(rest[1:] if limit is not None else rest, (back(dr), before), (dh, states[1]))
                return new, (da, *((dr,) if norm else ()), *((dn,) if cell_norm else ()))

            d_sizes = [4 * units, *([4 * units] if norm else []), *([units] if cell_norm else [])]
            values, (dh, dc) = scan(step_back, [*inputs, *valid], (dh, dc), layout.zeros(h0, *d_sizes), not reverse)
            da, dr, dn = values[0], values[1 if norm else 0], masked(valid, values[-1], 0)
            d = {}
            if norm:
                d = {f"{place}_gamma": layout.bias_gradient(da * kept[0]), f"{place}_beta": layout.bias_gradient(da)}
            if cell_norm:
                d |= {"cell_gamma": layout.bias_gradient(dn * n), "cell_beta": layout.bias_gradient(dn)}
            if cell.peephole:
                da_if, _, da_o = layout.split(da, sizes)
                seen = layout.concat(layout.concat(c_before, c_before) * da_if, cs * da_o)
                d["peephole"] = layout.bias_gradient(seen)
            d_parameters = [tf.reshape(d[name], tf.shape(p[name])) for name in names]
            return dr if place == "gates" else da, layout.kernel_gradient(dr, h_before), dh, dc, *d_parameters

        return (hs, *last), gradient

    enter = layout.enter
    parameters = [p[name] for name in names]
    y, h, c = run(enter(z), p["recurrent_kernel"], enter(state["h"]), enter(state["c"]), *parameters)
    return layout.leave(masked(valid, y, 0)), {"h": layout.leave(h), "c": layout.leave(c)}
