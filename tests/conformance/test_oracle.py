"""The oracle: the reference's results in 80 bits, and its gradients against finite differences and closed forms."""

import math
import zlib
from functools import cache

import numpy as np
import pytest

from rnnspec import LSTM, CellDropout, Checkpoint, Dense, Dropout, Embedding, Model, Recurrent, SpecError
from rnnspec.accuracy import error, worst
from rnnspec.activations import HardSigmoid
from rnnspec.conformance import elementary, oracle
from rnnspec.conformance.tape import Tape, Traced
from rnnspec.conformance.vectors import valid
from rnnspec.reference import Net
from rnnspec.reference.ops import NumpyOps
from rnnspec.valid import Valid
from tests.conftest import random_checkpoint


def sample():
    """Each case that has a feature which none before it had, and every fourth of the others."""
    seen = set()
    for k, case in enumerate(valid()):
        if case.id.startswith(("kink-", "reset-nan-")):  # no differences there, on purpose
            continue
        if case.features - seen or k % 4 == 0:
            yield case
        seen |= case.features


@pytest.fixture
def rng():
    return np.random.default_rng(17)


SAMPLE = {case.id: case for case in sample()}
each_case = pytest.mark.parametrize("case", SAMPLE.values(), ids=SAMPLE)


def weighted(case, arguments, cotangents):
    """Σ cotangent ⊙ result of the reference, in 80 bits and on no tape."""
    model, call = case.model, case.call
    fixed = {name: case.weights[name].astype(np.longdouble) for name in model.fixed}
    p = model.by_layer(fixed | arguments)
    x = call["x"] if model.by_name else {"x": call["x"]}
    x = {name: arguments.get(name, value) for name, value in x.items()}
    rows = len(next(iter(x.values())))
    state = {name: arguments[name] for name in call.get("state", {})}
    if not state:
        zeros = {name: np.zeros((rows, size), np.longdouble) for name, size in model.states().items()}
        state = model.start(NumpyOps(), p, zeros)
    marks = [call.get(name) for name in Valid._fields]
    valid = {"x": Valid(*marks)}
    if model.by_name:
        own = [name for name, given in model.given.items() if given.sequence and not given.like]
        valid = {name: Valid(*(mark and mark.get(name) for mark in marks)) for name in own}
    y, new = model.apply(NumpyOps(case.training, case.seed), p, x, valid, state)
    return sum((cotangents[name] * result).sum() for name, result in (model.named(y) | new).items())


@cache
def answers(id):
    """Cotangents, and the results and gradients of the oracle."""
    case = SAMPLE[id]
    rng = np.random.default_rng(zlib.crc32(id.encode()))
    cotangents = {name: rng.standard_normal(array.shape) for name, array in case.expected.items()}
    return cotangents, *oracle.vjp(case.checkpoint, case.call, cotangents, training=case.training, seed=case.seed)


@each_case
def test_gradients_are_those_of_central_differences(case, rng):
    """In a random direction of all arguments together; numbers that mark padding stay, for they are no such numbers
    when they move."""
    cotangents, _, gradients = answers(case.id)
    model = case.model
    weights = {name: array for name, array in case.weights.items() if name not in model.fixed}
    x = {name: case.inputs[name] for name, given in model.given.items() if given.features is not None}
    arguments = {**weights, **case.call.get("state", {}), **x}
    arguments = {name: array.astype(np.longdouble) for name, array in arguments.items()}
    assert {name: g.shape for name, g in gradients.items()} == {name: a.shape for name, a in arguments.items()}
    paddings = {name: given.padding for name, given in model.given.items()}
    moves = {name: rng.standard_normal(a.shape) * (a != paddings.get(name)) for name, a in arguments.items()}

    def difference(h):
        ahead, behind = (
            weighted(case, {name: a + sign * h * moves[name] for name, a in arguments.items()}, cotangents)
            for sign in (1, -1)
        )
        return (ahead - behind) / (2 * h)

    h = np.longdouble(2) ** -22
    found = difference(h)
    if case.id.startswith(("long-", "mean-", "saturated-")):  # strongly curved: without the error in h² (Richardson)
        found = (4 * difference(h / 2) - found) / 3
    slope = sum((gradients[name] * move).sum() for name, move in moves.items())
    assert float(found) == pytest.approx(float(slope), rel=1e-9)


@each_case
def test_results_are_those_of_the_reference_in_float64(case):
    _, actual, _ = answers(case.id)
    y, state = Net(case.checkpoint, "float64", training=case.training, seed=case.seed)(**case.call)
    expected = case.model.named(y) | state
    assert list(actual) == list(expected)
    for name, array in expected.items():
        assert actual[name].dtype == "float64"
        np.testing.assert_allclose(actual[name], array, rtol=1e-12, atol=1e-12)


def test_steps_one_by_one_are_the_same():
    cases = [case for case in SAMPLE.values() if case.split == "steps"]
    assert cases
    for case in cases:
        _, expected, _ = answers(case.id)
        for steps in ("whole", "steps"):
            actual = oracle.run(case.checkpoint, case.call, steps=steps)
            assert actual.keys() == expected.keys()
            assert all((actual[name] == expected[name]).all() for name in expected)


def test_each_step_in_training_is_a_call(rng):
    layer = Recurrent(name="r", cell=CellDropout(cell=LSTM(units=4), input=0.5, output=0.3))
    checkpoint = random_checkpoint(Model(inputs=3, layers=(layer,)))
    x = rng.standard_normal((2, 5, 3))
    net, state, outputs = Net(checkpoint, "float64", training=True, seed=7), None, []
    for t in range(5):
        y, state = net.step(x[:, t], state)
        outputs.append(y)
    actual = oracle.run(checkpoint, {"x": x}, training=True, seed=7, steps="steps")
    np.testing.assert_allclose(actual["y"], np.stack(outputs, 1), rtol=1e-12)


def test_a_dense_layer_by_hand(rng):
    checkpoint = random_checkpoint(Model(inputs=3, layers=(Dense(name="d", units=2),)))
    x, c = rng.standard_normal((4, 5, 3)), rng.standard_normal((4, 5, 2))
    results, gradients = oracle.vjp(checkpoint, {"x": x}, {"y": c})
    w, b = (checkpoint.weights[f"d.{name}"].astype("float64") for name in ("kernel", "bias"))
    np.testing.assert_allclose(results["y"], x @ w.T + b, rtol=1e-11)
    np.testing.assert_allclose(gradients["d.kernel"], np.einsum("btu,bti->ui", c, x), rtol=1e-11)
    np.testing.assert_allclose(gradients["d.bias"], c.sum((0, 1)), rtol=1e-11)
    np.testing.assert_allclose(gradients["x"], c @ w, rtol=1e-11)


def test_rows_that_are_looked_up_twice_add_up():
    checkpoint = random_checkpoint(Model(layers=(Embedding(name="e", vocabulary=4, units=2),)))
    c = np.array([[[1, 2], [3, 5], [7, 11]]])
    _, gradients = oracle.vjp(checkpoint, {"x": np.array([[3, 1, 3]])}, {"y": c})
    assert gradients["e.embeddings"].tolist() == [[0, 0], [3, 5], [0, 0], [8, 13]]
    assert list(gradients) == ["e.embeddings"]


@pytest.mark.parametrize(
    ("activation", "x", "slopes"),
    [
        ("sigmoid", (0, -0.0, 2, -2), (1 / 4, 1 / 4, *[1 / (2 + 2 * math.cosh(2))] * 2)),
        ("relu", (0, -0.0, 3, -3), (0, 0, 1, 0)),
        ("hard_tanh", (-1.5, -1, 1, 1.5), (0, 1, 1, 0)),
        (HardSigmoid(alpha=0.25, beta=0.5), (-2, 0, 2, 2.5), (0.25, 0.25, 0.25, 0)),
        ("tanh", (0, 1, -1, 2), (1, *[math.cosh(1) ** -2] * 2, math.cosh(2) ** -2)),
        ("softplus", (0, 50, -1, 1), (1 / 2, 1, 1 / (1 + math.e), 1 / (1 + 1 / math.e))),
        ("exponential", (0, 1, -1, 2), (1, math.e, 1 / math.e, math.e**2)),
        ("gelu", (0, 9, -9, 0), (1 / 2, 1, 0, 1 / 2)),
        ("softsign", (0, 1, -1, 3), (1, 1 / 4, 1 / 4, 1 / 16)),
    ],
)
def test_slopes(activation, x, slopes):
    """Closed forms, at kinks and on borders too."""
    model = Model(inputs=4, layers=(Dense(name="d", units=4, activation=activation, bias=False),))
    checkpoint = Checkpoint(model, {"d.kernel": np.eye(4, dtype="float32")})
    _, gradients = oracle.vjp(checkpoint, {"x": np.array([[x]], "float64")}, {"y": np.ones((1, 1, 4))})
    np.testing.assert_allclose(gradients["x"][0, 0], slopes, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("x", [(0.5, -1, 2), (2, 2, -1), (3, 3, 3)])
def test_log_softmax_by_hand(x):
    """Among them equal maxima."""
    model = Model(inputs=3, layers=(Dense(name="d", units=3, activation="log_softmax", bias=False),))
    checkpoint = Checkpoint(model, {"d.kernel": np.eye(3, dtype="float32")})
    c = np.array([1.0, -2.0, 4.0])
    _, gradients = oracle.vjp(checkpoint, {"x": np.array([[x]], "float64")}, {"y": c[None, None]})
    share = np.exp(x) / np.exp(x).sum()
    np.testing.assert_allclose(gradients["x"][0, 0], c - share * c.sum(), rtol=1e-11)


def test_dropout_by_hand(rng):
    model = Model(inputs=30, layers=(Dropout(name="drop", rate=0.25),))
    x, c = rng.standard_normal((2, 3, 30)), rng.standard_normal((2, 3, 30))
    results, gradients = oracle.vjp(Checkpoint(model, {}), {"x": x}, {"y": c}, training=True, seed=5)
    scale = NumpyOps(True, 5).at("drop").dropout(np.ones_like(x), 0.25)
    assert set(scale.ravel()) == {0, 1 / 0.75}
    np.testing.assert_allclose(results["y"], x * scale, rtol=1e-11)
    np.testing.assert_allclose(gradients["x"], c * scale, rtol=1e-11)


def test_a_learned_state_is_a_given_one_for_all_rows(rng):
    cell = LSTM(units=4, peephole=True)
    learned = random_checkpoint(Model(inputs=3, layers=(Recurrent(name="r", cell=cell, learned_state=True),)))
    x, lengths = rng.standard_normal((5, 6, 3)), np.array([6, 0, 2, 3, 1])
    state = {name: np.tile(learned.weights[f"r.initial.{name[2:]}"], (5, 1)) for name in ("r.h", "r.c")}
    cotangents = {name: rng.standard_normal((5, 6, 4) if name == "y" else (5, 4)) for name in ("y", *state)}
    _, alone = oracle.vjp(learned, {"x": x, "lengths": lengths}, cotangents)
    _, given = oracle.vjp(learned, {"x": x, "lengths": lengths, "state": state}, cotangents)
    for name in ("h", "c"):
        assert not given[f"r.initial.{name}"].any()
        assert np.abs(given[f"r.{name}"][1] - cotangents[f"r.{name}"][1]).max() < 1e-11  # a row without steps
        np.testing.assert_allclose(alone[f"r.initial.{name}"], given[f"r.{name}"].sum(0), rtol=1e-10)
    np.testing.assert_allclose(alone["x"], given["x"], rtol=1e-11)
    assert not alone["x"][np.arange(6) >= lengths[:, None]].any()


def test_no_time_steps(checkpoint):
    call = {"x": np.zeros((2, 0, 3), "float32")}
    cotangents = {name: np.full((2, size), 0.5) for name, size in checkpoint.model.states().items()}
    results, gradients = oracle.vjp(checkpoint, call, {"y": np.zeros((2, 0, 2))} | cotangents)
    assert results["y"].shape == (2, 0, 2)
    assert {name: g.shape for name, g in gradients.items() if name != "x"} == checkpoint.model.parameters()
    assert not any(g.any() for g in gradients.values())


def test_mistakes_are_refused(checkpoint, rng):
    call = {"x": rng.standard_normal((2, 4, 3))}
    results = oracle.run(checkpoint, call)
    with pytest.raises(SpecError, match=r"cotangents: expected those of results, .*'gru.h': \(2, 4\).*'gru.c'"):
        oracle.vjp(checkpoint, call, results | {"gru.c": results["gru.h"]})
    with pytest.raises(SpecError, match=r"'y': \(2, 4, 2\).*found .*'y': \(4, 2\)"):
        oracle.vjp(checkpoint, call, results | {"y": results["y"][0]})
    with pytest.raises(SpecError, match=r"'lstm\.c' is missing"):
        oracle.run(checkpoint, call | {"state": {"lstm.h": np.zeros((2, 5)), "gru.h": np.zeros((2, 4))}})
    with pytest.raises(SpecError, match="beyond the 4 steps"):
        oracle.run(checkpoint, call | {"lengths": np.array([5, 1])})
    with pytest.raises(SpecError, match="found 'steps'"):
        oracle.run(checkpoint, call | {"lengths": np.array([4, 1])}, steps="steps")
    with pytest.raises(TypeError, match="masks"):
        oracle.run(checkpoint, call | {"masks": np.ones((2, 4), bool)})


@pytest.mark.parametrize(
    ("operation", "named"),
    [
        (np.sin, "np.sin"),
        (np.cumsum, "np.cumsum"),
        (np.asarray, "leaves its tape"),
        (lambda x: np.zeros((2, 3)).__setitem__(0, x[0]), "leaves its tape"),
        (np.add.reduce, "np.add, reduce"),
        (lambda x: np.add(x, x, out=np.zeros((2, 3))), "np.add, __call__"),
        (lambda x: np.clip(x, 0, 1, dtype="float64"), "np.clip"),
        (lambda x: x.sum(0, keepdims=True), "axis=0"),
        (lambda x: x.mean(-1, keepdims=False), "keepdims=False"),
        (lambda x: x.max(0, keepdims=True), "axis=0"),
        (lambda x: x.astype("float64"), "astype"),
        (lambda x: x @ np.ones(3), "matrix"),
        (lambda x: np.split(x, 2, axis=0), "np.split"),
    ],
)
def test_what_a_tape_has_no_rule_for_is_refused(operation, named):
    with pytest.raises(NotImplementedError, match=named):
        operation(Traced(Tape(), np.ones((2, 3))))


def test_elementary_functions(rng):
    """Against the C library, in 80 bits where it has them and digits from tables (DLMF 7.23) where it has not."""
    x = np.append(rng.uniform(-40, 40, 500), [0, 1e-9, -1e-3]).astype(np.longdouble)
    np.testing.assert_allclose(elementary.exp(x), np.exp(x), rtol=4e-18)
    np.testing.assert_allclose(elementary.tanh(x), np.tanh(x), rtol=0, atol=2e-19)
    np.testing.assert_allclose(elementary.log(np.exp(x)), x, rtol=0, atol=4e-18)
    np.testing.assert_allclose(elementary.log(np.exp(x / 100)), x / 100, rtol=0, atol=2e-19)
    np.testing.assert_allclose(elementary.logaddexp(x, x[::-1]), np.logaddexp(x, x[::-1]), rtol=0, atol=8e-18)
    np.testing.assert_allclose(elementary.erf(x / 5), [math.erf(a) for a in x / 5], rtol=0, atol=2e-16)
    for a, digits in (("0.5", "0.52049987781304653768"), ("1", "0.84270079294971486934"), ("9", "1")):
        a, digits = np.longdouble(a), np.longdouble(digits)
        assert abs(elementary.erf(a) - digits) < 3e-18
        assert elementary.erf(-a) == -elementary.erf(a)


def test_forty_bits_are_kept(rng):
    third = np.longdouble(1) / 3
    assert oracle.rounded(third) == round(2**41 / 3) / 2**41
    exact = np.array([1 + 2.0**-39, -(2.0**-52), 3e5, 0])
    assert (oracle.rounded(exact) == exact).all()
    assert (oracle.rounded([1 + 2.0**-41, 2.0**-54, 1e-20]) == [1, 0, 0]).all()
    assert not np.signbit(oracle.rounded([-0.0, -1e-20])).any()
    noisy = rng.standard_normal(1000).astype(np.longdouble)
    assert (oracle.rounded(noisy) == oracle.rounded(noisy * (1 + np.finfo(np.longdouble).eps))).all()
    assert np.abs(oracle.rounded(noisy) / noisy - 1).max() < 2.0**-39


def test_equal_maxima_have_a_share_each():
    tape = Tape()
    x = Traced(tape, [[2.0, 5.0, 5.0], [7.0, 1.0, 3.0]])
    y = x.max(-1, keepdims=True)
    tape.backward([(y, np.array([[5.0], [4.0]])), (y, np.array([[1.0], [0.0]]))])
    assert y.value.tolist() == [[5], [7]]
    assert x.gradient.tolist() == [[0, 3, 3], [4, 0, 0]]


def test_every_operation_is_rounded(rng):
    """Constants, products and partial sums among them, as in a loop in float32."""
    x, w = (rng.standard_normal(shape).astype("float32") for shape in ((50, 7), (7, 40)))
    tape = Tape(np.float32)
    y = Traced(tape, x) @ Traced(tape, w)
    expected = np.zeros((50, 40), "float32")
    for k in range(7):
        expected = expected + x[:, k : k + 1] * w[k]
    assert (y.value == expected).all()
    assert ((Traced(tape, x) * 0.1).value == x * np.float32(0.1)).all()
    assert (Traced(tape, x.astype("float64") / 3).value == (x.astype("float64") / 3).astype("float32")).all()


def test_float32_is_emulated_to_the_bit(rng):
    """One product, one sum and one maximum, each of which float32 rounds correctly."""
    checkpoint = random_checkpoint(Model(inputs=1, layers=(Dense(name="d", units=300, activation="relu"),)))
    call = {"x": rng.standard_normal((4, 9, 1)).astype("float32")}
    y, _ = Net(checkpoint)(**call)
    spread = oracle.spread(checkpoint, call)
    assert spread == error(y, oracle.run(checkpoint, call)["y"])
    assert 3e-8 < spread < 2e-7


def test_the_spread_is_that_of_float32():
    """Within a factor: the C library rounds otherwise, and BLAS sums otherwise."""
    cases = [case for case in list(SAMPLE.values())[::4] if not case.training]
    emulated = [oracle.spread(case.checkpoint, case.call) for case in cases]
    real = []
    for case in cases:
        y, state = Net(case.checkpoint)(**case.call)
        real.append(worst(case.model.named(y) | state, answers(case.id)[1])[1])
    exact = [k for k, error in enumerate(emulated) if not error]  # no results, or multiples of 1/4
    assert [k for k, error in enumerate(real) if not error] == exact
    ratios = np.delete(emulated, exact) / np.delete(real, exact)
    assert 0.8 < np.median(ratios) < 1.25
    assert ratios.min() > 0.2
    assert ratios.max() < 5
