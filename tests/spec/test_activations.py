"""Activations against their definitions, one value at a time (ACT-1, ACT-2)."""

import math

import numpy as np
import pytest

from rnnspec import RNN, Dense, HardSigmoid, LeakyRelu, Model, SpecError
from rnnspec.activations import activate
from rnnspec.conformance.configurations import FUNCTIONS
from rnnspec.reference.ops import NumpyOps


def phi(a):
    return (1 + math.erf(a / math.sqrt(2))) / 2


def sigma(a):
    return 1 / (1 + math.exp(-a))


EXPECTED = {
    "linear": lambda a: a,
    "tanh": math.tanh,
    "sigmoid": sigma,
    "relu": lambda a: max(a, 0),
    "relu6": lambda a: min(max(a, 0), 6),
    "softplus": lambda a: math.log(1 + math.exp(a)),
    "softsign": lambda a: a / (1 + abs(a)),
    "exponential": math.exp,
    "elu": lambda a: a if a >= 0 else math.exp(a) - 1,
    "selu": lambda a: 1.0507009873554805 * (a if a >= 0 else 1.6732632423543772 * (math.exp(a) - 1)),
    "gelu": lambda a: a * phi(a),
    "gelu_tanh": lambda a: a / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))),
    "silu": lambda a: a * sigma(a),
    "hard_silu": lambda a: 0 if a < -3 else a if a > 3 else a * (a / 6 + 0.5),
    "mish": lambda a: a * math.tanh(math.log(1 + math.exp(a))),
    "hard_tanh": lambda a: max(-1, min(1, a)),
    "tanh_shrink": lambda a: a - math.tanh(a),
    "log_sigmoid": lambda a: math.log(sigma(a)),
    "sparse_plus": lambda a: 0 if a <= -1 else a if a >= 1 else (a + 1) ** 2 / 4,
    "sparse_sigmoid": lambda a: 0 if a <= -1 else 1 if a >= 1 else (a + 1) / 2,
    "hard_sigmoid": lambda a: max(0, min(1, a / 6 + 0.5)),
    "leaky_relu": lambda a: a if a >= 0 else 0.2 * a,
    "elu-alpha": lambda a: a if a >= 0 else 0.7 * (math.exp(a) - 1),
    "celu": lambda a: a if a >= 0 else 0.6 * (math.exp(a / 0.6) - 1),
    "scaled_tanh": lambda a: 1.7159 * math.tanh(2 / 3 * a),
    "affine": lambda a: 0.8 * a - 0.3,
    "thresholded_relu": lambda a: a if a > 0.4 else 0,
    "hard_shrink": lambda a: a if abs(a) > 0.5 else 0,
    "soft_shrink": lambda a: a - 0.3 if a > 0.3 else a + 0.3 if a < -0.3 else 0,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_value(name):
    x = np.array([[-7.3, -3.1, -1.2, -0.45, -0.2, 0.0, 0.35, 0.45, 0.9, 1.4, 3.2, 6.8]])
    actual = activate(NumpyOps(), FUNCTIONS[name], x)
    if name in ("softmax", "log_softmax"):
        total = sum(math.exp(a) for a in x[0])
        expected = [math.exp(a) / total if name == "softmax" else a - math.log(total) for a in x[0]]
    else:
        expected = [EXPECTED[name](a) for a in x[0]]
    np.testing.assert_allclose(actual[0], expected, rtol=1e-13, atol=1e-14)


def test_json_and_back():
    model = Model(inputs=3, layers=(Dense(name="d", units=2, activation=HardSigmoid(alpha=0.2, beta=0.5)),))
    assert model.to_builtins()["layers"][0]["activation"] == {"type": "hard_sigmoid", "alpha": 0.2, "beta": 0.5}
    assert Model.from_json(model.to_json()) == model
    assert RNN(units=2, activation=LeakyRelu(alpha=0.1)) != RNN(units=2, activation=LeakyRelu(alpha=0.2))


def test_mistakes_say_the_fix():
    with pytest.raises(SpecError, match="'hard_sigmoid' needs alpha, beta; give HardSigmoid"):
        RNN(units=2, activation="hard_sigmoid")
    with pytest.raises(SpecError, match=r"expected one of .*'softsign'"):
        RNN(units=2, activation="swoosh")
    with pytest.raises(SpecError, match="unknown key 'gamma'"):
        Model.from_builtins(
            {"inputs": 1, "layers": [{"type": "dense", "name": "d", "units": 1, "activation": {
                "type": "affine", "alpha": 1.0, "beta": 0.0, "gamma": 1.0}}]}
        )  # fmt: skip
