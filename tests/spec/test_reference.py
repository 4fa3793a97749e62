"""Properties of the reference that do not need another framework (UNROLL, STEP, STACK, LAYOUT)."""

import numpy as np
import pytest

from rnnspec import (
    GRU,
    LSTM,
    RNN,
    CellDropout,
    Checkpoint,
    Embedding,
    Model,
    Recurrent,
    Residual,
    SpecError,
    Stack,
    UnsupportedError,
)
from rnnspec.ops import scope
from rnnspec.reference import Net
from rnnspec.reference.ops import NumpyOps
from rnnspec.valid import Valid
from tests.conftest import random_checkpoint

CELLS = [RNN(units=4), LSTM(units=4), GRU(units=4, reset_after=False), GRU(units=4, reset_after=True)]
RNG = np.random.default_rng(5)
X = RNG.standard_normal((3, 7, 2))


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def one_layer(cell, **options):
    return random_checkpoint(Model(inputs=2, layers=(Recurrent(name="r", cell=cell, **options),)), dtype="float64")


def states(checkpoint):
    return {name: RNG.standard_normal((3, size)) for name, size in checkpoint.model.states().items()}


def test_the_lstm_by_its_equations():
    checkpoint = one_layer(LSTM(units=4))
    w, r, b = (checkpoint.weights[f"r.{name}"] for name in ("kernel", "recurrent_kernel", "bias"))
    state = states(checkpoint)
    h, c = state["r.h"].copy(), state["r.c"].copy()
    for t in range(7):
        i, f, g, o = (X[:, t] @ w[k].T + h @ r[k].T + b[k] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    y, final = Net(checkpoint, "float64")(X, state=state)
    np.testing.assert_allclose(y[:, -1], h, atol=1e-14)
    np.testing.assert_allclose(final["r.h"], h, atol=1e-14)
    np.testing.assert_allclose(final["r.c"], c, atol=1e-14)


@pytest.mark.parametrize("reset_after", [False, True])
def test_the_gru_by_its_equations(reset_after):
    checkpoint = one_layer(GRU(units=4, reset_after=reset_after))
    w, k, b = (checkpoint.weights[f"r.{name}"] for name in ("kernel", "recurrent_kernel", "bias"))
    state = states(checkpoint)
    h = state["r.h"]
    for t in range(7):
        x = X[:, t]
        r = sigmoid(x @ w[0].T + h @ k[0].T + b[0])
        u = sigmoid(x @ w[1].T + h @ k[1].T + b[1])
        inner = r * (h @ k[2].T + checkpoint.weights["r.recurrent_bias"]) if reset_after else (r * h) @ k[2].T
        n = np.tanh(x @ w[2].T + b[2] + inner)
        h = u * h + (1 - u) * n
    np.testing.assert_allclose(Net(checkpoint, "float64")(X, state=state)[1]["r.h"], h, atol=1e-14)


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_bidirectional_is_two_directions(cell):
    both = one_layer(cell, direction="bidirectional")
    state = states(both)
    lengths = [7, 0, 4]
    y, final = Net(both, "float64")(X, lengths=lengths, state=state)
    for half, direction in enumerate(("forward", "backward")):
        model = Model(inputs=2, layers=(Recurrent(name="r", cell=cell, direction=direction),))
        weights = {k.replace(f"{direction}.", ""): v for k, v in both.weights.items() if direction in k}
        given = {k.replace(f"{direction}.", ""): v for k, v in state.items() if direction in k}
        y_one, one = Net(Checkpoint(model, weights), "float64")(X, lengths=lengths, state=given)
        np.testing.assert_array_equal(y[..., half * 4 : half * 4 + 4], y_one)
        for name, value in one.items():
            np.testing.assert_array_equal(final[name.replace("r.", f"r.{direction}.")], value)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_stack_in_one_direction_is_a_chain_of_layers(direction):
    cells = (GRU(units=3, reset_after=False), LSTM(units=5), RNN(units=4))
    inside = one_layer(Stack(cells=cells), direction=direction)
    chain = Model(
        inputs=2, layers=tuple(Recurrent(name=f"r{k}", cell=cell, direction=direction) for k, cell in enumerate(cells))
    )
    renamed = {name.replace("r.cells.", "r"): value for name, value in inside.weights.items()}
    state = states(inside)
    y, final = Net(inside, "float64")(X, lengths=[7, 0, 4], state=state)
    given = {name.replace("r.cells.", "r"): value for name, value in state.items()}
    y_chain, final_chain = Net(Checkpoint(chain, renamed), "float64")(X, lengths=[7, 0, 4], state=given)
    np.testing.assert_allclose(y, y_chain, atol=1e-15)
    for name, value in final.items():
        np.testing.assert_allclose(final_chain[name.replace("r.cells.", "r")], value, atol=1e-15)


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_backward_is_forward_on_each_row_turned_round(cell):
    checkpoint = one_layer(cell, direction="backward")
    forward = Checkpoint(one_layer(cell).model, checkpoint.weights)
    state = states(checkpoint)
    y, final = Net(checkpoint, "float64")(X, lengths=[7, 2, 4], state=state)
    for row, length in enumerate((7, 2, 4)):
        one = {name: value[row : row + 1] for name, value in state.items()}
        y_row, last = Net(forward, "float64")(X[row : row + 1, :length][:, ::-1], state=one)
        np.testing.assert_allclose(y[row, :length], y_row[0, ::-1], atol=1e-15)
        assert (y[row, length:] == 0).all()
        for name, value in last.items():
            np.testing.assert_allclose(final[name][row], value[0], atol=1e-15)


@pytest.mark.parametrize("direction", ["forward", "backward", "bidirectional"])
@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_invalid_steps_change_nothing(cell, direction):
    checkpoint = one_layer(cell, direction=direction)
    net = Net(checkpoint, "float64")
    state = states(checkpoint)
    mask = np.array([[1, 0, 1, 1, 0, 0, 1], [0, 0, 1, 1, 1, 1, 0], [0] * 7], bool)
    y, final = net(X, mask=mask, state=state)
    y_other, final_other = net(np.where(mask[..., None], X, 1e3), mask=mask, state=state)
    np.testing.assert_array_equal(y, y_other)
    assert (y[~mask] == 0).all()
    for name in final:
        np.testing.assert_array_equal(final[name], final_other[name])
        np.testing.assert_array_equal(final[name][2], state[name][2])
    for row in (0, 1):  # the valid steps alone
        one = {name: value[row : row + 1] for name, value in state.items()}
        y_row, last = net(X[row : row + 1, mask[row]], state=one)
        np.testing.assert_allclose(y[row, mask[row]], y_row[0], atol=1e-15)
        for name, value in last.items():
            np.testing.assert_allclose(final[name][row], value[0], atol=1e-15)


def test_lengths_are_sugar_for_a_mask():
    net = Net(one_layer(LSTM(units=4), direction="bidirectional"), "float64")
    y, final = net(X, lengths=[7, 0, 4])
    y_mask, final_mask = net(X, mask=np.arange(7) < np.array([[7], [0], [4]]))
    np.testing.assert_array_equal(y, y_mask)
    for name in final:
        np.testing.assert_array_equal(final[name], final_mask[name])


@pytest.mark.parametrize("direction", ["forward", "backward", "bidirectional"])
def test_the_last_output(direction):
    whole = one_layer(GRU(units=4, reset_after=True), direction=direction)
    last = Checkpoint(
        one_layer(GRU(units=4, reset_after=True), direction=direction, return_sequences=False).model, whole.weights
    )
    y, _ = Net(whole, "float64")(X, lengths=[7, 0, 4])
    y_last, final = Net(last, "float64")(X, lengths=[7, 0, 4])
    forward = np.stack([y[0, 6, :4], np.zeros(4), y[2, 3, :4]])
    backward = y[:, 0, -4:]
    expected = {"forward": [forward], "backward": [backward], "bidirectional": [forward, backward]}[direction]
    np.testing.assert_array_equal(y_last, np.concatenate(expected, -1))
    assert y_last.shape == (3, sum(value.shape[1] for value in final.values()))


@pytest.mark.parametrize("cell", [*CELLS, Stack(cells=tuple(CELLS))], ids=repr)
def test_whole_is_chunks_is_steps(cell):
    checkpoint = one_layer(cell)
    net, state = Net(checkpoint, "float64"), states(checkpoint)
    y, final = net(X, state=state)
    for cut in range(8):
        first, carried = net(X[:, :cut], state=state)
        second, end = net(X[:, cut:], state=carried)
        np.testing.assert_allclose(np.concatenate([first, second], 1), y, atol=1e-15)
        for name in final:
            np.testing.assert_allclose(end[name], final[name], atol=1e-15)
    carried = state
    for t in range(7):
        y_t, carried = net.step(X[:, t], carried)
        np.testing.assert_allclose(y_t, y[:, t], atol=1e-15)


def test_time_major_only_turns_the_boundary():
    checkpoint = one_layer(LSTM(units=4), direction="bidirectional")
    y, final = Net(checkpoint, "float64")(X, lengths=[7, 0, 4])
    y_turned, final_turned = Net(checkpoint, "float64", time_major=True)(X.swapaxes(0, 1), lengths=[7, 0, 4])
    np.testing.assert_array_equal(y, y_turned.swapaxes(0, 1))
    for name in final:
        np.testing.assert_array_equal(final[name], final_turned[name])


def test_a_backward_layer_has_no_step():
    with pytest.raises(UnsupportedError, match="layer 'r' is bidirectional"):
        Net(one_layer(LSTM(units=4), direction="bidirectional")).step(X[:, 0])


def test_results_have_the_dtype_of_the_network():
    for dtype in ("float32", "float64"):
        y, final = Net(one_layer(LSTM(units=4)), dtype)(X)
        assert {str(array.dtype) for array in (y, *final.values())} == {dtype}


def test_saturated_gates_neither_overflow_nor_warn():
    y, _ = Net(one_layer(LSTM(units=4)))(X * 1e4)
    assert np.isfinite(y).all()


def test_the_caller_keeps_its_states():
    checkpoint = one_layer(LSTM(units=4))
    state = states(checkpoint)
    before = {name: value.copy() for name, value in state.items()}
    Net(checkpoint, "float64")(X, lengths=[7, 0, 4], state=state)
    for name in state:
        np.testing.assert_array_equal(state[name], before[name])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": X[0]}, r"x: expected shape \(batch, time, 2\), found \(7, 2\): 3 axes needed, not 2"),
        ({"x": X[..., :1]}, r"found \(3, 7, 1\): the model takes 2 features"),
        ({"x": X.astype(str)}, "x: expected numbers"),
        ({"state": (np.zeros((3, 4)), np.zeros((3, 4)))}, "state: expected a mapping, name → array"),
        ({"lengths": [8, 1, 1]}, "lengths: row 0 is 8, beyond the 7 steps of x; shorten it or pad x"),
        ({"lengths": [1, -1, 1]}, "lengths: row 1 is -1, expected 0 to 7"),
        ({"lengths": [1, 1]}, r"lengths: expected shape \(3,\), one per row of x, found \(2,\)"),
        ({"lengths": [1.0, 2.0, 3.0]}, "lengths: expected integers, found float64"),
        ({"mask": np.ones((3, 7))}, "mask: expected booleans"),
        ({"mask": np.ones((7, 3), bool)}, r"mask: expected shape \(3, 7\), found \(7, 3\)"),
        ({"mask": np.ones((3, 7), bool), "lengths": [1, 1, 1]}, "mask: given together with lengths"),
        ({"state": {"r.h": np.zeros((3, 4))}}, "state: 'r.c' is missing"),
        ({"state": {"h": np.zeros((3, 4))}}, "state: unknown 'h'; expected r.h, r.c"),
        (
            {"state": {"r.h": np.zeros((3, 4)), "r.c": np.zeros((1, 4))}},
            r"'r.c': expected shape \(3, 4\), found \(1, 4\)",
        ),
    ],
)
def test_wrong_inputs_are_refused(arguments, message):
    with pytest.raises(SpecError, match=message):
        Net(one_layer(LSTM(units=4)))(**{"x": X, **arguments})


def test_ids_neither_wrap_nor_clamp():
    net = Net(random_checkpoint(Model(layers=(Embedding(name="e", vocabulary=5, units=2),))))
    for ids, message in ([[0, -1]], "found -1"), ([[0, 5]], "found 5, expected 0 to 4"), ([[0.5]], "expected integers"):
        with pytest.raises(SpecError, match=message):
            net(np.array(ids))


@pytest.mark.parametrize("base", [Stack, Residual, CellDropout])
@pytest.mark.parametrize("apart", [False, True])
def test_a_derived_step_is_what_runs(base, apart):
    """A class below a cell of cells that changes `step` changes sequences too, also where such cells run apart."""

    class Doubled(base, tag=f"doubled-{base.__name__}-{apart}", frozen=True, kw_only=True):
        def step(self, ops, p, projected, state):
            y, new = super().step(ops, p, projected, state)
            return y * 2.0, new

    fields = {"cells": (RNN(units=2),)} if base is Stack else {"cell": RNN(units=2)}
    y, twice = (
        checkpoint.model.layers[0].unroll(
            NumpyOps(), scope(checkpoint.weights, "r"), X, Valid(), zeros(checkpoint), apart=apart
        )[0][0]
        for checkpoint in (one_layer(base(**fields)), one_layer(Doubled(**fields)))
    )
    np.testing.assert_allclose(twice, 2 * y, atol=1e-15)


def zeros(checkpoint):
    return {name.removeprefix("r."): np.zeros((3, size)) for name, size in checkpoint.model.states().items()}


def test_noise_is_the_same_apart():
    """A stack with dropout at every place, run step by step and cell by cell."""
    inner = CellDropout(cell=RNN(units=2), input=0.3, output=0.4)
    checkpoint = one_layer(Stack(cells=(inner, Residual(cell=inner), CellDropout(cell=LSTM(units=2), state=0.5))))
    whole, apart = (
        checkpoint.model.layers[0].unroll(
            NumpyOps(True, 3, 1), scope(checkpoint.weights, "r"), X, Valid(), zeros(checkpoint), apart=apart
        )[0][0]
        for apart in (False, True)
    )
    assert (whole == 0).sum() == 0
    np.testing.assert_allclose(apart, whole, atol=1e-14)
