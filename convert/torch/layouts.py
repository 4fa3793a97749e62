"""PyTorch's layout of a cell's weights → ours (torch/nn/modules/rnn.py).

Rows are gates · units; `W x` reads as ours. Two biases are both applied, so they are one of ours: their sum.
"""

import numpy as np

from rnnspec import GRU, LSTM, RNN
from rnnspec.convert.layouts import Part

LEAVES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


def rnn(activation, w_ih, w_hh, b_ih=None, b_hh=None) -> Part:
    """`nn.RNN`: weight_ih (units, inputs), weight_hh (units, units)."""
    cell = RNN(units=len(w_hh), activation=activation, bias=b_ih is not None)
    return cell, _gates(1, w_ih, w_hh, b_ih, b_hh)


def lstm(w_ih, w_hh, b_ih=None, b_hh=None, w_hr=None) -> Part:
    """`nn.LSTM`: rows i, f, g, o; nothing is added to f; weight_hr (proj_size, units)."""
    cell = LSTM(units=len(w_hh) // 4, bias=b_ih is not None, projection=None if w_hr is None else len(w_hr))
    return cell, _gates(4, w_ih, w_hh, b_ih, b_hh) | ({} if w_hr is None else {"projection": w_hr})


def gru(w_ih, w_hh, b_ih=None, b_hh=None) -> Part:
    """`nn.GRU`: rows r, z, n; n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn)); z keeps the old state."""
    units = w_hh.shape[1]
    cell = GRU(units=units, reset_after=True, bias=b_ih is not None)
    if b_ih is None:
        return cell, _gates(3, w_ih, w_hh)
    summed = np.concatenate([b_hh[: 2 * units], np.zeros_like(b_hh[2 * units :])])
    return cell, _gates(3, w_ih, w_hh, b_ih, summed) | {"recurrent_bias": b_hh[2 * units :]}


def _gates(gates: int, w_ih, w_hh, b_ih=None, b_hh=None) -> dict[str, np.ndarray]:
    weights = {
        "kernel": w_ih.reshape(gates, -1, w_ih.shape[1]),
        "recurrent_kernel": w_hh.reshape(gates, -1, w_hh.shape[1]),
    }
    return weights if b_ih is None else weights | {"bias": (b_ih + b_hh).reshape(gates, -1)}


def to_torch(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The way back: our bias is bias_ih; bias_hh is zero but for the GRU's recurrent_bias, in the rows of n."""
    arrays = {"weight_ih": _rows(weights["kernel"]), "weight_hh": _rows(weights["recurrent_kernel"])}
    if "bias" in weights:
        arrays |= {"bias_ih": weights["bias"].ravel(), "bias_hh": np.zeros_like(weights["bias"]).ravel()}
    if "recurrent_bias" in weights:
        arrays["bias_hh"][-len(weights["recurrent_bias"]) :] = weights["recurrent_bias"]
    return arrays | ({"weight_hr": weights["projection"]} if "projection" in weights else {})


def _rows(kernel: np.ndarray) -> np.ndarray:
    return kernel.reshape(-1, kernel.shape[-1])
