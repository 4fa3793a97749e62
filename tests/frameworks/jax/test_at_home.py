"""What people do with a model of JAX's own libraries, done with ours."""

import os
import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnspec.backends.jax as backend
from rnnspec import GRU, LSTM, Dense, LayerNorm, Model, Norm, Recurrent, SpecError, Stack
from rnnspec.reference import Net

from ...conftest import random_checkpoint

RNG = np.random.default_rng(11)
X = RNG.standard_normal((4, 6, 3)).astype("float32")
LENGTHS = np.array([6, 0, 3, 5])
MODEL = Model(
    inputs=3,
    layers=[
        Recurrent(
            name="rnn",
            cell=Stack(
                cells=[
                    LSTM(units=7, layer_norm=LayerNorm(gates="split", over="gate", epsilon=1e-3)),
                    GRU(units=5, reset_after=True),
                ]
            ),
            learned_state=True,
        ),
        Norm(name="norm", kind="layer", epsilon=1e-3),
        Dense(name="out", units=2),
    ],
)
SHARDED = """
import numpy as np, jax
from jax.sharding import Mesh, PartitionSpec as P
import rnnspec.backends.jax as backend
from rnnspec import GRU, LSTM, Dense, LayerNorm, Model, Recurrent
from tests.conftest import random_checkpoint

model = Model(
    inputs=3,
    layers=[
        Recurrent(name="rnn", cell=LSTM(units=5), direction="bidirectional"),
        Recurrent(name="on", cell=GRU(units=4, reset_after=False), learned_state=True),
        Dense(name="out", units=2),
    ],
)
net = backend.load(random_checkpoint(model))
rng = np.random.default_rng(2)
x, lengths = rng.standard_normal((6, 5, 3)).astype("float32"), np.array([5, 0, 3, 1, 4, 2])
loss = lambda p, x, n: (net.apply(p, x, n)[0] ** 2).sum()
mesh = Mesh(np.array(jax.devices()), ("rows",))
assert len(jax.devices()) == 2

y, state = jax.shard_map(
    lambda p, x, n: net.apply(p, x, n),
    mesh=mesh, in_specs=(P(), P("rows"), P("rows")), out_specs=P("rows"),
)(net.parameters, x, lengths)
expected_y, expected = net(x, lengths)
np.testing.assert_allclose(y, expected_y, atol=2e-6)
for name, value in expected.items():
    np.testing.assert_allclose(state[name], value, atol=2e-6, err_msg=name)

gradients = jax.shard_map(
    jax.grad(loss), mesh=mesh, in_specs=(P(), P("rows"), P("rows")), out_specs=P()
)(net.parameters, x, lengths)
for name, value in jax.grad(loss)(net.parameters, x, lengths).items():
    assert np.abs(value).max() > 1e-3, name
    np.testing.assert_allclose(gradients[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
"""


def test_rows_are_spread_over_devices():
    env = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SHARDED], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_network_is_pickled_with_what_it_has_become():
    net = backend.load(random_checkpoint(MODEL), seed=5, time_major=True)
    net.parameters = jax.tree.map(lambda value: value + 0.25, net.parameters)
    net.noise()
    again = pickle.loads(pickle.dumps(net))
    assert (again.model, again.seed, again.time_major) == (net.model, 5, True)
    assert again.noise() == net.noise() == 1
    x = X.swapaxes(0, 1)
    (y, state), (expected_y, expected) = again(x, LENGTHS), net(x, LENGTHS)
    np.testing.assert_array_equal(y, expected_y)
    for name, value in expected.items():
        np.testing.assert_array_equal(state[name], value)


def test_a_network_is_a_tree_of_its_parameters():
    net = backend.load(random_checkpoint(MODEL))
    assert len(jax.tree.leaves(net)) == len(MODEL.parameters())

    @jax.jit
    @jax.grad
    def gradient(net, x, lengths):
        return (net.apply(net.parameters, x, lengths)[0] ** 2).sum()

    found = gradient(net, X, LENGTHS)
    expected = jax.grad(lambda p: (net.apply(p, X, LENGTHS)[0] ** 2).sum())(net.parameters)
    for name, value in expected.items():
        assert np.abs(value).max() > 1e-3, name
        np.testing.assert_allclose(found.parameters[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
    stepped = jax.tree.map(lambda value, slope: value - 0.1 * slope, net, found)
    kernel = "out.kernel"
    np.testing.assert_array_equal(stepped.parameters[kernel], net.parameters[kernel] - 0.1 * found.parameters[kernel])
    assert stepped(X)[0].shape == (4, 6, 2)
    other = backend.load(random_checkpoint(MODEL), return_state=False)
    assert jax.tree.structure(net) == jax.tree.structure(backend.load(random_checkpoint(MODEL, seed=3)))
    assert jax.tree.structure(net) != jax.tree.structure(other)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_computes_in_half_precision(dtype):
    checkpoint = random_checkpoint(MODEL)
    net = backend.load(checkpoint)
    half = jax.tree.map(lambda value: value.astype(dtype), net.parameters)
    given = {name: np.full((4, size), 0.3, "float32") for name, size in MODEL.states().items()}
    y, state = net.apply(half, jnp.asarray(X, dtype), LENGTHS, state=given)
    expected_y, expected = Net(checkpoint)(X, LENGTHS, state=given)
    close = {"bfloat16": 0.06, "float16": 0.008}[dtype]
    for name, value in {"y": expected_y, **expected}.items():
        result = y if name == "y" else state[name]
        assert result.dtype == dtype
        np.testing.assert_allclose(np.asarray(result, "float32"), value, atol=close, err_msg=name)
    net.parameters = half
    y_t, stepped = net.step(X[:, 0], given)
    assert {value.dtype.name for value in (y_t, *stepped.values())} == {dtype}
    expected_t, _ = Net(checkpoint).step(X[:, 0], given)
    np.testing.assert_allclose(np.asarray(y_t, "float32"), expected_t, atol=close)


def test_two_precisions_at_once_are_refused():
    net = backend.load(random_checkpoint(MODEL))
    mixed = dict(net.parameters)
    mixed["out.bias"] = mixed["out.bias"].astype("bfloat16")
    with pytest.raises(SpecError, match=r"parameters: 'out.bias': expected float32, found bfloat16; convert it"):
        net.apply(mixed, X)
