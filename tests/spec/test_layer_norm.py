"""The five layer-norm LSTMs, each written out from its source, and unlike each other (NORM, LSTM-9)."""

import numpy as np
import pytest

from rnnspec import LSTM, Checkpoint, Model, Recurrent, SpecError
from rnnspec.reference import Net

UNITS, INPUTS, BATCH, TIME = 5, 4, 3, 6
RNG = np.random.default_rng(0)


def sigma(a):
    return 1 / (1 + np.exp(-a))


def norm(a, gamma, beta, epsilon):
    """Normalised over the last axis, as tf.nn.moments and torch's layer_norm do it."""
    mean = a.mean(-1, keepdims=True)
    variance = ((a - mean) ** 2).mean(-1, keepdims=True)
    return (a - mean) / np.sqrt(variance + epsilon) * gamma + beta


def per_gate(w, x, h, c, epsilon, forget_bias, carry):
    """tf.contrib.rnn.LayerNormBasicLSTMCell (carry) and the char-rnn tutorial's cell: no bias, forget bias after LN."""
    kernel = np.concatenate([w["kernel"], w["recurrent_kernel"]], -1)  # gates i, f, g, o
    i, f, g, o = (kernel[k] @ np.concatenate([x, h], -1).T for k in range(4))
    i, f, g, o = (norm(a.T, w["gates_gamma"][k], w["gates_beta"][k], epsilon) for k, a in enumerate((i, f, g, o)))
    c = c * sigma(f + forget_bias) + sigma(i) * np.tanh(g)
    normed = norm(c, w["cell_gamma"], w["cell_beta"], epsilon)
    return np.tanh(normed) * sigma(o), normed if carry else c


def fused(w, x, h, c, epsilon, carry, beta=True, bias=False):
    """torch's custom_lstms.LayerNormLSTMCell, haste's layer_norm_lstm and tfa's LayerNormLSTMCell."""
    x_, h_ = x @ w["kernel"].reshape(-1, INPUTS).T, h @ w["recurrent_kernel"].reshape(-1, UNITS).T
    x_ = norm(x_, w["kernel_gamma"].ravel(), w["kernel_beta"].ravel() if beta else 0, epsilon)
    h_ = norm(h_, w["recurrent_gamma"].ravel(), w["recurrent_beta"].ravel() if beta else 0, epsilon)
    i, f, g, o = np.split(x_ + h_ + (w["bias"].ravel() if bias else 0), 4, -1)
    c = sigma(f) * c + sigma(i) * np.tanh(g)
    normed = norm(c, w["cell_gamma"], w["cell_beta"], epsilon)
    return sigma(o) * np.tanh(normed), normed if carry else c


STEPS = {
    "tf1": lambda w, x, h, c: per_gate(w, x, h, c, 1e-12, 1.0, carry=True),
    "char_rnn": lambda w, x, h, c: per_gate(w, x, h, c, 1e-5, 1.0, carry=False),
    "torch": lambda w, x, h, c: fused(w, x, h, c, 1e-5, carry=True),
    "haste": lambda w, x, h, c: fused(w, x, h, c, 1e-5, carry=False, beta=False, bias=True),
    "tfa": lambda w, x, h, c: fused(w, x, h, c, 1e-3, carry=True, bias=True),
}


def weights_of(name):
    model = Model(inputs=INPUTS, layers=(Recurrent(name="r", cell=LSTM.preset(name, UNITS)),))
    rng = np.random.default_rng(7)
    return model, {key: rng.standard_normal(shape) for key, shape in model.parameters().items()}


@pytest.mark.parametrize("name", STEPS)
def test_preset(name):
    model, weights = weights_of(name)
    x = RNG.standard_normal((BATCH, TIME, INPUTS))
    h, c = RNG.standard_normal((2, BATCH, UNITS))
    state = {"r.h": h, "r.c": c}
    ours = {key: value.copy() for key, value in weights.items()}
    if "r.gates_beta" in ours:
        ours["r.gates_beta"][1] += 1.0  # the forget bias that those cells add at run time (LSTM-6)
    y, final = Net(Checkpoint(model, ours), "float64")(x, state=state)
    plain = {key.removeprefix("r."): value for key, value in weights.items()}
    for t in range(TIME):
        h, c = STEPS[name](plain, x[:, t], h, c)
        np.testing.assert_allclose(y[:, t], h, atol=1e-12)
    np.testing.assert_allclose(final["r.c"], c, atol=1e-12)


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(SpecError, match="unknown 'keras'; expected one of tf1, char_rnn, torch, haste, tfa"):
        LSTM.preset("keras", 3)
