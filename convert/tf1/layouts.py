"""The layouts of TensorFlow 0.12 to 1.15 → ours, by hand, as in `rnnspec.convert.layouts`.

Written down in tensorflow/python/ops/rnn_cell_impl.py and tensorflow/contrib/rnn/python/ops/rnn_cell.py.
"""

import numpy as np

from rnnspec import GRU, LSTM, NAS, RNN, SRU, UGRNN, IndRNN, Intersection, LayerNorm, TimeFreqLSTM
from rnnspec.convert.layouts import Part, biased, by_gate


def rows_x_h(kernel, outputs=None) -> dict[str, np.ndarray]:
    """(gates, units, inputs + outputs), the input first, then h → our two kernels."""
    outputs = outputs or kernel.shape[1]
    return {"kernel": kernel[..., :-outputs], "recurrent_kernel": kernel[..., -outputs:]}


def rnn_from_tf1(kernel, bias, activation="tanh") -> Part:
    """`BasicRNNCell.call`: kernel (inputs + units, units), rows input, h."""
    return RNN(units=bias.size, activation=activation), rows_x_h(by_gate(kernel, (0,))) | {"bias": bias[None]}


def lstm_from_tf1(
    kernel,
    bias=None,
    forget_bias=1.0,
    peephole=(),
    projection=None,
    coupled=False,
    norms=(),
    carry=True,
    epsilon=None,
    activation="tanh",
    **clips,
) -> Part:
    """`LSTMCell.call`: kernel (inputs + outputs, 4·units), rows input, h, columns i, j, f, o; σ(f + forget_bias).

    `peephole`: w_i, w_f, w_o; projection (units, num_proj). `coupled`: `CoupledInputForgetGateLSTMCell.call` has the
    columns j, f, o, and w_f, w_o. `norms`, in place of a bias: (γ, β) of i, j, f, o, and last of c, which
    `LayerNormBasicLSTMCell` normalises as it carries it on, and the char-rnn tutorial's cell on its way out only.
    """
    order = (1, 0, 2) if coupled else (0, 2, 1, 3)
    outputs = None if projection is None else projection.shape[1]
    columns = by_gate(kernel, order)
    weights = rows_x_h(columns, outputs)
    norm = None
    if norms:
        norm = LayerNorm(gates="joint", over="gate", cell="carry" if carry else "output", epsilon=epsilon)
        gamma, beta = (np.stack([norms[k][kind] for k in order]) for kind in (0, 1))
        weights |= {"gates_gamma": gamma, "gates_beta": beta, "cell_gamma": norms[-1][0], "cell_beta": norms[-1][1]}
    else:
        weights["bias"] = by_gate(bias, order)
    weights["gates_beta" if norms else "bias"][-3] += forget_bias
    if len(peephole):
        weights["peephole"] = np.stack(peephole)
    if outputs:
        weights["projection"] = projection.T
    cell = LSTM(
        units=columns.shape[1],
        bias=not norms,
        peephole=bool(len(peephole)),
        projection=outputs,
        coupled_input_forget=coupled,
        layer_norm=norm,
        cell_activation=activation,
        output_activation=activation,
        **clips,
    )
    return cell, weights


def gru_from_tf1(gates_kernel, gates_bias, candidate_kernel, candidate_bias, **options) -> Part:
    """`GRUCell.call`: gates (inputs + units, 2·units), columns r, u; candidate on [x, r ⊙ h]; h' = u ⊙ h + (1 − u) ⊙ c.

    `GRUBlockCell` has the same under other names (tensorflow/contrib/rnn/python/ops/gru_ops.py).
    """
    kernel = np.concatenate([by_gate(gates_kernel, (0, 1)), by_gate(candidate_kernel, (0,))])
    bias = np.concatenate([gates_bias, candidate_bias]).reshape(3, -1)
    return GRU(units=bias.shape[1], **{"reset_after": False} | options), rows_x_h(kernel) | {"bias": bias}


def gru_from_cudnn_compatible(gates_kernel, gates_bias, x_kernel, x_bias, h_kernel, h_bias, **options) -> Part:
    """`CudnnCompatibleGRUCell.call` (tensorflow/contrib/cudnn_rnn/python/ops/cudnn_rnn_ops.py).

    As `GRUCell`, but c = tanh(x_kernelᵀ x + x_bias + r ⊙ (h_kernelᵀ h + h_bias)).
    """
    candidate = np.concatenate([x_kernel, h_kernel])
    cell, weights = gru_from_tf1(gates_kernel, gates_bias, candidate, x_bias, reset_after=True, **options)
    return cell, weights | {"recurrent_bias": h_bias}


def indrnn_from_tf1(kernel_w, kernel_u, bias, activation="tanh") -> Part:
    """`IndRNNCell.call`: kernel_w (inputs, units), kernel_u (1, units) ⊙ h."""
    weights = {"kernel": kernel_w.T[None], "recurrent_kernel": kernel_u, "bias": bias[None]}
    return IndRNN(units=bias.size, activation=activation), weights


def indy_lstm_from_tf1(kernel_w, kernel_u, bias, forget_bias=1.0, activation="tanh") -> Part:
    """`IndyLSTMCell.call`: as `LSTMCell`, kernel_w (inputs, 4·units), kernel_u (1, 4·units) ⊙ h."""
    kernel, recurrent_kernel, bias = (by_gate(a, (0, 2, 1, 3)) for a in (kernel_w, kernel_u.ravel(), bias))
    bias[1] += forget_bias
    weights = {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": bias}
    options = {"cell_activation": activation, "output_activation": activation}
    return LSTM(units=bias.shape[1], recurrence="diagonal", **options), weights


def indy_gru_from_tf1(gates_w, gates_u, gates_bias, candidate_w, candidate_u, candidate_bias, **options) -> Part:
    """`IndyGRUCell.call`: as `GRUCell`, every _w (inputs, …), every _u (1, …) ⊙ h, or ⊙ (r ⊙ h) in the candidate."""
    kernel = np.concatenate([by_gate(gates_w, (0, 1)), by_gate(candidate_w, (0,))])
    bias = np.concatenate([gates_bias, candidate_bias]).reshape(3, -1)
    recurrent_kernel = np.concatenate([gates_u, candidate_u], axis=1).reshape(3, -1)
    cell = GRU(units=bias.shape[1], reset_after=False, recurrence="diagonal", **options)
    return cell, {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": bias}


def ugrnn_from_tf1(kernel, bias, forget_bias=1.0, activation="tanh") -> Part:
    """`UGRNNCell.call`: kernel (inputs + units, 2·units), columns g, c; σ(g + forget_bias)."""
    bias = by_gate(bias, (0, 1))
    bias[0] += forget_bias
    weights = rows_x_h(by_gate(kernel, (0, 1))) | {"bias": bias}
    return UGRNN(units=bias.shape[1], activation=activation), weights


def nas_from_tf1(kernel, recurrent_kernel, bias=None, projection=None) -> Part:
    """`NASCell.call`: kernel (inputs, 8·units), recurrent_kernel (outputs, 8·units), bias to the product with h,
    projection (units, num_proj)."""
    weights = {"kernel": by_gate(kernel, range(8)), "recurrent_kernel": by_gate(recurrent_kernel, range(8))}
    has_bias, weights = biased(weights, None if bias is None else by_gate(bias, range(8)))
    if projection is not None:
        weights["projection"] = projection.T
    outputs = None if projection is None else projection.shape[1]
    return NAS(units=kernel.shape[1] // 8, bias=has_bias, projection=outputs), weights


def sru_from_tf1(kernel, bias, activation="tanh") -> Part:
    """`SRUCell.call`: kernel (inputs, 4·units), columns x̄, f, r, x; bias (2·units,) for f, r."""
    weights = {"kernel": by_gate(kernel, range(4)), "bias": by_gate(bias, (0, 1))}
    return SRU(units=bias.size // 2, activation=activation), weights


def intersection_from_tf1(kernel, bias, in_kernel=None, in_bias=None, forget_bias=1.0, activation="relu") -> Part:
    """`IntersectionRNNCell.call`: kernel (2·units, 4·units), columns gh, h, gy, y; σ(gh + forget_bias), σ(gy + …)."""
    bias = by_gate(bias, range(4))
    bias[::2] += forget_bias
    weights = rows_x_h(by_gate(kernel, range(4))) | {"bias": bias}
    if in_kernel is not None:
        weights |= {"input_kernel": in_kernel.T[None], "input_bias": in_bias[None]}
    return Intersection(units=bias.shape[1], activation=activation), weights


def timefreq_from_tf1(kernel, bias, peephole=(), forget_bias=1.0, **options) -> Part:
    """`TimeFreqLSTMCell.call`: rows window, m of the last step, m of the last window; columns i, j, f, o."""
    order = (0, 2, 1, 3)
    bias = by_gate(bias, order)
    bias[1] += forget_bias
    window, time, frequency = np.split(by_gate(kernel, order), [-2 * bias.shape[1], -bias.shape[1]], axis=-1)
    weights = {"kernel": window, "recurrent_kernel": time, "frequency_kernel": frequency, "bias": bias}
    if len(peephole):
        weights["peephole"] = np.stack(peephole)
    return TimeFreqLSTM(units=bias.shape[1], peephole=bool(len(peephole)), **options), weights
