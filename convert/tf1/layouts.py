"""The layouts of TensorFlow 0.12 to 1.15 → ours, by hand, as in `layouts`.

Written down in tensorflow/python/ops/rnn_cell_impl.py and tensorflow/contrib/rnn/python/ops/rnn_cell.py.
"""

import numpy as np

from rnnspec import GRU, LSTM, NAS, RNN, SRU, UGRNN, IndRNN, Intersection, TimeFreqLSTM
from rnnspec.convert.layouts import Part, by_gate


def rows_x_h(kernel, outputs=None) -> dict[str, np.ndarray]:
    """(gates, units, inputs + outputs), the input first, then h → our two kernels."""
    outputs = outputs or kernel.shape[1]
    return {"kernel": kernel[..., :-outputs], "recurrent_kernel": kernel[..., -outputs:]}


def rnn_from_tf1(kernel, bias, activation="tanh") -> Part:
    """`BasicRNNCell.call`: kernel (inputs + units, units), rows input, h."""
    return RNN(units=bias.size, activation=activation), rows_x_h(by_gate(kernel, (0,))) | {"bias": bias[None]}


def lstm_from_tf1(kernel, bias, forget_bias=1.0, peephole=(), projection=None, coupled=False, **options) -> Part:
    """`LSTMCell.call`: kernel (inputs + outputs, 4·units), rows input, h, columns i, j, f, o; σ(f + forget_bias).

    `peephole`: w_i, w_f, w_o; projection (units, num_proj). `coupled`: `CoupledInputForgetGateLSTMCell.call` has the
    columns j, f, o, and w_f, w_o.
    """
    order = (1, 0, 2) if coupled else (0, 2, 1, 3)
    bias = by_gate(bias, order)
    bias[-3] += forget_bias
    outputs = None if projection is None else projection.shape[1]
    weights = rows_x_h(by_gate(kernel, order), outputs) | {"bias": bias}
    if peephole:
        weights["peephole"] = np.stack(peephole)
    if outputs:
        weights["projection"] = projection.T
    options |= {"peephole": bool(peephole), "projection": outputs, "coupled_input_forget": coupled}
    return LSTM(units=bias.shape[1], **options), weights


def lstm_from_tf1_layer_norm(kernel, norms, cell_norm, forget_bias=1.0, preset="tf1") -> Part:
    """`LayerNormBasicLSTMCell.call`: as `LSTMCell` without a bias; norms i, j, f, o and that of c: (γ, β) each."""
    gamma, beta = (np.stack([norms[k][kind] for k in (0, 2, 1, 3)]) for kind in (0, 1))
    beta[1] += forget_bias
    names = ("gates_gamma", "gates_beta", "cell_gamma", "cell_beta")
    weights = rows_x_h(by_gate(kernel, (0, 2, 1, 3))) | dict(zip(names, (gamma, beta, *cell_norm), strict=True))
    return LSTM.preset(preset, gamma.shape[1]), weights


def gru_from_tf1(gates_kernel, gates_bias, candidate_kernel, candidate_bias) -> Part:
    """`GRUCell.call`: gates (inputs + units, 2·units), columns r, u; candidate on [x, r ⊙ h]; h' = u ⊙ h + (1 − u) ⊙ c.

    `GRUBlockCell` has the same under other names (tensorflow/contrib/rnn/python/ops/gru_ops.py).
    """
    kernel = np.concatenate([by_gate(gates_kernel, (0, 1)), by_gate(candidate_kernel, (0,))])
    bias = np.concatenate([gates_bias, candidate_bias]).reshape(3, -1)
    return GRU(units=bias.shape[1], reset_after=False), rows_x_h(kernel) | {"bias": bias}


def gru_from_cudnn_compatible(gates_kernel, gates_bias, x_kernel, x_bias, h_kernel, h_bias) -> Part:
    """`CudnnCompatibleGRUCell.call` (tensorflow/contrib/cudnn_rnn/python/ops/cudnn_rnn_ops.py).

    As `GRUCell`, but c = tanh(x_kernelᵀ x + x_bias + r ⊙ (h_kernelᵀ h + h_bias)).
    """
    cell, weights = gru_from_tf1(gates_kernel, gates_bias, np.concatenate([x_kernel, h_kernel]), x_bias)
    return GRU(units=cell.units, reset_after=True), weights | {"recurrent_bias": h_bias}


def indrnn_from_tf1(kernel_w, kernel_u, bias, activation="tanh") -> Part:
    """`IndRNNCell.call`: kernel_w (inputs, units), kernel_u (1, units) ⊙ h."""
    weights = {"kernel": kernel_w.T[None], "recurrent_kernel": kernel_u, "bias": bias[None]}
    return IndRNN(units=bias.size, activation=activation), weights


def indy_lstm_from_tf1(kernel_w, kernel_u, bias) -> Part:
    """`IndyLSTMCell.call`: as `LSTMCell`, kernel_w (inputs, 4·units), kernel_u (1, 4·units) ⊙ h; σ(f + 1)."""
    kernel, recurrent_kernel, bias = (by_gate(a, (0, 2, 1, 3)) for a in (kernel_w, kernel_u[0], bias))
    bias[1] += 1
    weights = {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": bias}
    return LSTM(units=bias.shape[1], recurrence="diagonal"), weights


def indy_gru_from_tf1(gates_w, gates_u, gates_bias, candidate_w, candidate_u, candidate_bias) -> Part:
    """`IndyGRUCell.call`: as `GRUCell`, every _w (inputs, …), every _u (1, …) ⊙ h, or ⊙ (r ⊙ h) in the candidate."""
    kernel = np.concatenate([by_gate(gates_w, (0, 1)), by_gate(candidate_w, (0,))])
    bias = np.concatenate([gates_bias, candidate_bias]).reshape(kernel.shape[:2])
    recurrent_kernel = np.concatenate([gates_u, candidate_u], axis=1).reshape(kernel.shape[:2])
    cell = GRU(units=bias.shape[1], reset_after=False, recurrence="diagonal")
    return cell, {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": bias}


def ugrnn_from_tf1(kernel, bias) -> Part:
    """`UGRNNCell.call`: kernel (inputs + units, 2·units), columns g, c; σ(g + 1)."""
    bias = by_gate(bias, (0, 1))
    bias[0] += 1
    return UGRNN(units=bias.shape[1]), rows_x_h(by_gate(kernel, (0, 1))) | {"bias": bias}


def nas_from_tf1(kernel, recurrent_kernel, bias) -> Part:
    """`NASCell.call`: kernel (inputs, 8·units), recurrent_kernel (units, 8·units), bias to the product with h."""
    names = ("kernel", "recurrent_kernel", "bias")
    weights = {name: by_gate(a, range(8)) for name, a in zip(names, (kernel, recurrent_kernel, bias), strict=True)}
    return NAS(units=len(recurrent_kernel)), weights


def sru_from_tf1(kernel, bias) -> Part:
    """`SRUCell.call`: kernel (inputs, 4·units), columns x̄, f, r, x; bias (2·units,) for f, r."""
    weights = {"kernel": by_gate(kernel, range(4)), "bias": by_gate(bias, (0, 1))}
    return SRU(units=bias.size // 2), weights


def intersection_from_tf1(kernel, bias, in_kernel=None, in_bias=None) -> Part:
    """`IntersectionRNNCell.call`: kernel (2·units, 4·units), columns gh, h, gy, y; σ(gh + 1), σ(gy + 1)."""
    bias = by_gate(bias, range(4))
    bias[::2] += 1
    weights = rows_x_h(by_gate(kernel, range(4))) | {"bias": bias}
    if in_kernel is not None:
        weights |= {"input_kernel": in_kernel.T[None], "input_bias": in_bias[None]}
    return Intersection(units=bias.shape[1]), weights


def timefreq_from_tf1(kernel, bias, peephole, **options) -> Part:
    """`TimeFreqLSTMCell.call`: rows window, m of the last step, m of the last window; columns i, j, f, o; σ(f + 1)."""
    order = (0, 2, 1, 3)
    bias = by_gate(bias, order)
    bias[1] += 1
    window, time, frequency = np.split(by_gate(kernel, order), [-2 * bias.shape[1], -bias.shape[1]], axis=-1)
    weights = {"kernel": window, "recurrent_kernel": time, "frequency_kernel": frequency}
    cell = TimeFreqLSTM(units=bias.shape[1], peephole=True, **options)
    return cell, weights | {"bias": bias, "peephole": np.stack(peephole)}
