"""What is particular to JAX: pure functions under jit, grad and vmap, training, 64 bits, traced values."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnspec.backends.jax as backend
from rnnspec import (
    GRU,
    LSTM,
    CellDropout,
    Checkpoint,
    Dense,
    Dropout,
    Embedding,
    Model,
    Recurrent,
    SpecError,
    Stack,
    Zoneout,
    philox,
)
from rnnspec.backends.jax.noise import words32
from rnnspec.reference import Net

from ...conftest import random_checkpoint

RNG = np.random.default_rng(9)
X = RNG.standard_normal((4, 6, 3)).astype("float32")
LENGTHS = np.array([6, 0, 3, 5])
STATE = {"r.h": RNG.standard_normal((4, 5)).astype("f4"), "r.c": RNG.standard_normal((4, 7)).astype("f4")}
MODEL = Model(
    inputs=3,
    layers=(Recurrent(name="r", cell=LSTM(units=7, projection=5, peephole=True)), Dense(name="d", units=2)),
)
NOISY = Model(
    inputs=3,
    layers=(
        Recurrent(
            name="lower",
            cell=Stack(
                cells=(
                    CellDropout(cell=LSTM(units=6), input=0.2, state=0.3, per="sequence"),
                    CellDropout(cell=GRU(units=5, reset_after=True), output=0.25),
                )
            ),
        ),
        Dropout(name="between", rate=0.3),
        Recurrent(name="upper", cell=Zoneout(cell=LSTM(units=7), h=0.1, c=0.2), learned_state=True),
    ),
)


def test_apply_is_a_pure_function_of_the_parameters():
    checkpoint, other = random_checkpoint(MODEL), random_checkpoint(MODEL, seed=1)
    net = backend.load(checkpoint)
    assert {name: value.shape for name, value in net.parameters.items()} == MODEL.parameters()
    parameters = {name: jnp.asarray(value) for name, value in other.weights.items()}
    y, state = jax.jit(net.apply)(parameters, X, LENGTHS, None, STATE)
    expected, final = Net(other, "float64")(X, LENGTHS, None, STATE)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(state["r.c"], final["r.c"], atol=1e-5)
    np.testing.assert_allclose(net(X)[0], Net(checkpoint, "float64")(X)[0], atol=1e-5)
    net.parameters = parameters
    assert all(np.array_equal(value, other.weights[name]) for name, value in backend.checkpoint(net).weights.items())
    np.testing.assert_allclose(net(X, LENGTHS, None, STATE)[0], expected, atol=1e-5)


def test_grad_is_the_slope_of_the_reference():
    checkpoint = random_checkpoint(MODEL, dtype="float64")
    direction = {name: RNG.standard_normal(shape) for name, shape in MODEL.parameters().items()}

    def reference(step):
        weights = {name: value + step * direction[name] for name, value in checkpoint.weights.items()}
        return (Net(Checkpoint(MODEL, weights), "float64")(X, LENGTHS)[0] ** 2).sum()

    net = backend.load(checkpoint, dtype="float64", return_state=False)
    with jax.enable_x64(True):
        loss = jax.jit(jax.grad(lambda parameters, lengths: (net.apply(parameters, X, lengths) ** 2).sum()))
        gradients = loss(net.parameters, LENGTHS)
    assert all(value.dtype == "float64" for value in gradients.values())
    slope = sum((np.asarray(gradients[name]) * value).sum() for name, value in direction.items())
    np.testing.assert_allclose(slope, (reference(1e-6) - reference(-1e-6)) / 2e-6, rtol=1e-7)


def test_vmap_over_parameters_and_over_inputs():
    net = backend.load(random_checkpoint(MODEL), return_state=False)
    three = [random_checkpoint(MODEL, seed=k) for k in range(3)]
    stacked = {name: jnp.stack([c.weights[name] for c in three]) for name in MODEL.parameters()}
    y = jax.vmap(net.apply, (0, None, None))(stacked, X, LENGTHS)
    np.testing.assert_allclose(y, [Net(c, "float64")(X, LENGTHS)[0] for c in three], atol=1e-5)
    y = jax.vmap(net.apply, (None, 0))(net.parameters, jnp.stack([X, 2 * X]))
    np.testing.assert_allclose(y[1], Net(three[0], "float64")(2 * X)[0], atol=1e-5)


def test_words_are_philoxs():
    counter = tuple(RNG.integers(0, 2**32, (4, 1000)))
    for key in ((0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (20240229, philox.place_key(".r.input"))):
        expected = philox.philox(counter, key)
        actual = jax.jit(lambda *words, key=key: words32(words, key))(*(jnp.asarray(c, "uint32") for c in counter))
        assert all(np.array_equal(a, e) for a, e in zip(actual, expected, strict=True))


def test_noise_in_training_is_the_references_under_jit():
    checkpoint = random_checkpoint(NOISY)
    reference = Net(checkpoint, "float64", training=True, seed=11)
    net = backend.load(checkpoint, seed=11)
    call = jax.jit(lambda noise: net.apply(net.parameters, X, LENGTHS, noise=noise)[0])
    drawn = [reference(X, LENGTHS)[0] for _ in range(3)]
    assert np.abs(drawn[0] - drawn[1]).max() > 0.01
    for expected in drawn:
        np.testing.assert_allclose(call(net.noise()), expected, atol=1e-5)
    np.testing.assert_allclose(call(1), drawn[1], atol=1e-5)
    np.testing.assert_allclose(net(X, LENGTHS)[0], Net(checkpoint, "float64")(X, LENGTHS)[0], atol=1e-5)


@pytest.mark.parametrize("per", ["step", "sequence"])
def test_without_a_seed_a_key_draws(per):
    cell = CellDropout(cell=GRU(units=5, reset_after=False), output=0.25, per=per)
    net = backend.load(random_checkpoint(Model(inputs=3, layers=(Recurrent(name="r", cell=cell),))))
    x = RNG.standard_normal((300, 6, 3)).astype("f4")
    plain, y, other = (
        np.asarray(net.apply(net.parameters, x, noise=k)[0]) for k in (None, *map(jax.random.key, (0, 1)))
    )
    kept = y != 0
    np.testing.assert_allclose(y[kept], plain[kept] / 0.75, rtol=1e-5)
    assert abs(kept.mean() - 0.75) < 0.03
    assert 0.2 < (kept != (other != 0)).mean() < 0.55  # 2 · 0.75 · 0.25
    assert (kept == kept[:, :1]).all() == (per == "sequence")
    assert not np.array_equal(*(jax.random.key_data(net.noise()) for _ in range(2)))


def test_float64_lasts_for_the_call_alone():
    checkpoint = random_checkpoint(MODEL, dtype="float64")
    net = backend.load(checkpoint, dtype="float64")
    y, state = net(X, LENGTHS)
    expected, final = Net(checkpoint, "float64")(X, LENGTHS)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(state["r.c"], final["r.c"], rtol=0, atol=1e-13)
    y_t, _ = net.step(X[:, 0], state)
    assert {y.dtype, y_t.dtype} == {np.dtype("float64")}
    assert jnp.ones(1).dtype == "float32"
    assert all(value.dtype == "float64" for value in backend.checkpoint(net).weights.values())
    with pytest.raises(SpecError, match=r"dtype: float64 would become float32 here; .*jax.enable_x64\(True\)"):
        net.apply(net.parameters, X)
    with jax.enable_x64(True):  # as where a process has switched it on
        assert backend.load(random_checkpoint(NOISY), seed=1)(X)[0].dtype == "float32"


def test_time_major():
    model = Model(
        inputs=3,
        layers=(Recurrent(name="r", cell=LSTM(units=5), direction="bidirectional", merge="none"),),
    )
    checkpoint = random_checkpoint(model)
    expected, _ = Net(checkpoint, "float64")(X, LENGTHS)
    y, _ = backend.load(checkpoint, time_major=True)(X.swapaxes(0, 1), LENGTHS)
    for ours, theirs in zip(y, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.swapaxes(0, 1), atol=1e-5)


def test_what_is_wrong_is_refused_traced_or_not():
    net = backend.load(random_checkpoint(MODEL))
    run = jax.jit(net.apply)
    with pytest.raises(SpecError, match="lengths: row 2 is 7, beyond the 6 steps of x"):
        net(X, lengths=[1, 2, 7, 3])
    with pytest.raises(SpecError, match="lengths: expected integers, found float32"):
        run(net.parameters, X, jnp.ones(4))
    with pytest.raises(SpecError, match=r"lengths: expected shape \(4,\), one per row of x, found \(3,\)"):
        run(net.parameters, X, LENGTHS[:3])
    with pytest.raises(SpecError, match=r"mask: expected shape \(4, 6\), found \(4, 5\)"):
        run(net.parameters, X, None, np.ones((4, 5), bool))
    with pytest.raises(SpecError, match=r"x: expected shape \(batch, time, 3\), found \(4, 6, 2\)"):
        run(net.parameters, X[..., :2])
    with pytest.raises(SpecError, match="x: expected float32, found bfloat16; convert it with astype"):
        net(jnp.asarray(X, "bfloat16"))
    with pytest.raises(SpecError, match=r"state: 'r\.c' is missing"):
        run(net.parameters, X, None, None, {"r.h": STATE["r.h"]})
    with pytest.raises(SpecError, match=r"parameters: tensor 'd\.bias': expected shape \(2,\), found \(1, 2\)"):
        run(net.parameters | {"d.bias": jnp.ones((1, 2))}, X)
    with pytest.raises(SpecError, match=r"parameters: tensor 'd\.kernel' is missing"):
        net.apply({name: value for name, value in net.parameters.items() if name != "d.kernel"}, X)


def test_an_id_beyond_the_vocabulary_neither_wraps_nor_clamps():
    model = Model(layers=(Embedding(name="e", vocabulary=5, units=3), Dense(name="d", units=2)))
    checkpoint = random_checkpoint(model)
    net = backend.load(checkpoint, return_state=False)
    ids = np.array([[0, 4, 2], [1, 3, 0]])
    with pytest.raises(SpecError, match="ids: found -1, expected 0 to 4"):
        net(ids - 1)
    with pytest.raises(SpecError, match="ids: expected integers, found float32"):
        jax.jit(net.apply)(net.parameters, ids.astype("f4"))
    np.testing.assert_allclose(jax.jit(net.apply)(net.parameters, ids), Net(checkpoint)(ids)[0], atol=1e-6)
    y = np.asarray(jax.jit(net.apply)(net.parameters, np.array([[0, 5, -1]])))
    assert np.isfinite(y[0, 0]).all()
    assert np.isnan(y[0, 1:]).all()


def test_streaming_inside_a_compiled_loop():
    checkpoint = random_checkpoint(MODEL)
    net = backend.load(checkpoint)

    @jax.jit
    def stream(x, state):
        def one(state, x_t):
            y, state = net.step(x_t, state)
            return state, y

        return jax.lax.scan(one, state, x.swapaxes(0, 1))

    state, y = stream(jnp.asarray(X), STATE)
    expected, final = Net(checkpoint, "float64")(X, state=STATE)
    np.testing.assert_allclose(y.swapaxes(0, 1), expected, atol=1e-5)
    np.testing.assert_allclose(state["r.c"], final["r.c"], atol=1e-5)


def test_a_cell_of_ones_own():
    path = Path(__file__).parents[3] / "examples" / "own_cell.py"
    spec = importlib.util.spec_from_file_location("own_cell", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = Model(inputs=3, layers=(Recurrent(name="r", cell=module.Leaky(units=5, rate=0.4), direction="backward"),))
    checkpoint = random_checkpoint(model)
    y, state = backend.load(checkpoint)(X, LENGTHS)
    expected, final = Net(checkpoint, "float64")(X, LENGTHS)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(state["r.h"], final["r.h"], atol=1e-5)
