"""Cells that no framework has, or not with these options, against their equations written out once more."""

import numpy as np
import pytest

from rnnspec import MGU, NAS, CausalConvolution, Checkpoint, Model, Recurrent, WaveNet
from rnnspec.ops import scope
from rnnspec.reference import Net

BATCH, TIME, INPUTS = 3, 9, 4


def run(cell):
    """x (time, batch, inputs), the weights, and what the reference makes of them, from random states."""
    rng = np.random.default_rng(0)
    model = Model(inputs=INPUTS, layers=[Recurrent(name="rnn", cell=cell)])
    weights = {name: rng.standard_normal(shape) / 2 for name, shape in model.parameters().items()}
    x = rng.standard_normal((TIME, BATCH, INPUTS))
    state = {name: rng.standard_normal((BATCH, size)) for name, size in model.states().items()}
    y, _ = Net(Checkpoint(model, weights), "float64", time_major=True)(x, state=state)
    return x, scope(weights, "rnn"), scope(state, "rnn"), y


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def convolved(x, queue, kernel, bias, width, dilation):
    """Each tap's product with x shifted to it, the queue in front: (time, batch, channels)."""
    past = dilation * (width - 1)
    channels = x.shape[-1]
    x = np.concatenate([queue.reshape(BATCH, past, channels).swapaxes(0, 1), x])
    taps = kernel.reshape(-1, width, channels)
    return bias.reshape(-1) + sum(x[k * dilation :][:TIME] @ taps[:, k].T for k in range(width))


@pytest.mark.parametrize(("width", "dilation"), [(2, 1), (3, 1), (2, 3), (3, 2)])
def test_causal_convolution(width, dilation):
    cell = CausalConvolution(units=5, width=width, dilation=dilation, activation="linear")
    x, p, state, y = run(cell)
    np.testing.assert_allclose(y, convolved(x, state["queue"], p["kernel"], p["bias"], width, dilation), atol=1e-12)


@pytest.mark.parametrize("residual", [INPUTS, 5])
def test_wavenet(residual):
    dilations = (1, 2, 4)
    x, p, state, y = run(WaveNet(residual=residual, skip=3, width=2, dilations=dilations))
    expected = 0
    if residual != INPUTS:
        x = x @ p["input_kernel"][0].T + p["input_bias"]
    for k, dilation in enumerate(dilations):
        q = scope(p, f"cells.{k}")
        a = convolved(x, state[f"cells.{k}.queue"], q["kernel"], q["bias"], 2, dilation)
        z = np.tanh(a[..., :residual]) * sigmoid(a[..., residual:])
        expected = expected + z @ q["skip_kernel"][0].T + q["skip_bias"]
        if k < 2:
            x = x + z @ q["residual_kernel"][0].T + q["residual_bias"]
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_mgu():
    x, p, state, y = run(MGU(units=5))
    (w_f, w_n), (r_f, r_n), (b_f, b_n), h = p["kernel"], p["recurrent_kernel"], p["bias"], state["h"]
    for t in range(TIME):
        f = sigmoid(x[t] @ w_f.T + h @ r_f.T + b_f)
        h = (1 - f) * h + f * np.tanh(x[t] @ w_n.T + (f * h) @ r_n.T + b_n)
        np.testing.assert_allclose(y[t], h, atol=1e-12)


def test_nas_projection():
    x, p, state, y = run(NAS(units=5, projection=3, bias=False))
    h, c = state["h"], state["c"]
    for t in range(TIME):
        a = np.einsum("bi,gui->gbu", x[t], p["kernel"])
        m = np.einsum("bo,guo->gbu", h, p["recurrent_kernel"])
        add, relu = a + m, lambda v: np.maximum(v, 0)
        s = np.tanh(sigmoid(add[0]) * relu(add[1]))
        c = np.tanh(s + c) * np.tanh(sigmoid(add[2]) + relu(a[3] * m[3]))
        u = np.tanh(np.tanh(add[4]) * sigmoid(add[5]))
        h = np.tanh(c * np.tanh(u + sigmoid(np.tanh(add[6]) + sigmoid(add[7])))) @ p["projection"].T
        np.testing.assert_allclose(y[t], h, atol=1e-12)
