"""Philox, and the masks of dropout and zoneout in training (DROP, CELLDROP, ZONEOUT)."""

import numpy as np
import pytest

from rnnspec import GRU, LSTM, SRU, CellDropout, Checkpoint, Dropout, Model, Recurrent, SpecError, Zoneout
from rnnspec.philox import philox
from rnnspec.reference import Net
from rnnspec.reference.ops import NumpyOps

# Known answers published with the generator (Random123, kat_vectors: philox4x32, 10 rounds).
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter, key, words):
    assert tuple(int(w[0]) for w in philox(tuple(np.array([c]) for c in counter), key)) == words


def random_weights(model, seed=0):
    rng = np.random.default_rng(seed)
    return Checkpoint(model, {name: rng.standard_normal(shape) / 2 for name, shape in model.parameters().items()})


def test_a_mask_has_its_rate_and_depends_on_everything():
    ops = NumpyOps(training=True, seed=3, call=1).at("layer")
    x = np.zeros((50, 40, 7))  # time, batch, inputs
    mask = ops.noise(x, 30, 0.3, "input", "step")
    assert mask.shape == (50, 40, 30)
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert abs(mask.mean() - 0.7) < 0.005
    others = {
        "seed": NumpyOps(True, 4, 1).at("layer").noise(x, 30, 0.3, "input", "step"),
        "call": NumpyOps(True, 3, 2).at("layer").noise(x, 30, 0.3, "input", "step"),
        "layer": NumpyOps(True, 3, 1).at("other").noise(x, 30, 0.3, "input", "step"),
        "kind": ops.noise(x, 30, 0.3, "output", "step"),
        "step": mask[::-1],
        "row": mask[:, ::-1],
    }
    for name, other in others.items():
        assert abs((other == mask).mean() - 0.58) < 0.02, name
    whole = ops.noise(x, 30, 0.3, "input", "sequence")
    assert (whole == whole[:1]).all()
    assert (whole[0] == mask[0]).all()


def test_dropout_scales_and_is_the_identity_outside_training():
    model = Model(inputs=6, layers=(Dropout(name="d", rate=0.25),))
    x = np.random.default_rng(0).standard_normal((3, 5, 6))
    checkpoint = Checkpoint(model, {})
    assert (Net(checkpoint, "float64")(x)[0] == x).all()
    y = Net(checkpoint, "float64", training=True, seed=1)(x)[0]
    assert ((y == 0) | np.isclose(y, x / 0.75)).all()
    assert 0 < (y == 0).sum() < y.size


@pytest.mark.parametrize("reset_after", [False, True])
def test_cell_dropout_by_hand(reset_after):
    """R sees the dropped state; what the update gate carries on is not dropped."""
    cell = CellDropout(cell=GRU(units=4, reset_after=reset_after), input=0.4, state=0.3, output=0.2)
    checkpoint = random_weights(Model(inputs=3, layers=(Recurrent(name="r", cell=cell),)))
    x = np.random.default_rng(1).standard_normal((2, 5, 3))
    y, final = Net(checkpoint, "float64", training=True, seed=5)(x)
    ops = NumpyOps(True, 5, 0).at("r")
    rates = {"input": (3, 0.4), "state": (4, 0.3), "output": (4, 0.2)}
    masks = {k: ops.noise(x.swapaxes(0, 1), n, rate, k, "step") / (1 - rate) for k, (n, rate) in rates.items()}
    w = {name.removeprefix("r."): value for name, value in checkpoint.weights.items()}
    h = np.zeros((2, 4))
    for t in range(5):
        seen = h * masks["state"][t]
        z = [x[:, t] * masks["input"][t] @ k.T + b for k, b in zip(w["kernel"], w["bias"], strict=True)]
        r, u = (1 / (1 + np.exp(-z[k] - seen @ w["recurrent_kernel"][k].T)) for k in (0, 1))
        if reset_after:
            n = np.tanh(z[2] + r * (seen @ w["recurrent_kernel"][2].T + w["recurrent_bias"]))
        else:
            n = np.tanh(z[2] + (r * seen) @ w["recurrent_kernel"][2].T)
        h = u * h + (1 - u) * n
        np.testing.assert_allclose(y[:, t], h * masks["output"][t], atol=1e-14)
    np.testing.assert_allclose(final["r.h"], h, atol=1e-14)


@pytest.mark.parametrize("training", [False, True])
def test_zoneout_by_hand(training):
    cell = Zoneout(cell=LSTM(units=4), h=0.3, c=0.2)
    model = Model(inputs=3, layers=(Recurrent(name="r", cell=cell),))
    checkpoint = random_weights(model)
    x = np.random.default_rng(1).standard_normal((2, 5, 3))
    y, final = Net(checkpoint, "float64", training=training, seed=5)(x)
    ops = NumpyOps(training, 5, 0).at("r")
    net = Net(Checkpoint(Model(inputs=3, layers=(Recurrent(name="r", cell=cell.cell),)), checkpoint.weights), "float64")
    state = {"r.h": np.zeros((2, 4)), "r.c": np.zeros((2, 4))}
    for t in range(5):
        _, new = net.step(x[:, t], state)
        for name, rate in (("h", 0.3), ("c", 0.2)):
            z = 1 - ops.noise(x.swapaxes(0, 1), 4, rate, name, "step")[t] if training else rate
            state[f"r.{name}"] = z * state[f"r.{name}"] + (1 - z) * new[f"r.{name}"]
        np.testing.assert_allclose(y[:, t], state["r.h"], atol=1e-14)
    np.testing.assert_allclose(final["r.c"], state["r.c"], atol=1e-14)


def test_what_has_no_state_of_its_own_is_refused():
    with pytest.raises(SpecError, match=r"Zoneout\.c: GRU has no such state"):
        Zoneout(cell=GRU(units=3, reset_after=True), c=0.1)
    with pytest.raises(SpecError, match=r"CellDropout\.state: SRU has no recurrent kernel"):
        CellDropout(cell=SRU(units=3), state=0.1)
