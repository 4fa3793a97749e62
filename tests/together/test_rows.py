"""The systems that the project must express, at their own sizes, on every runtime: rows A1 to A5, B1, B2, C3, C6, D1,
D3, D4 and D6 to D9. (The trained rows are in test_seeds.py; C5, D7 and the frameworks' own numbers in tests/golden.)"""

from dataclasses import dataclass, field

import numpy as np
import pytest
import tensorflow as tf

from rnnspec import (
    GRU,
    LSTM,
    RNN,
    CellDropout,
    Checkpoint,
    Dense,
    Embedding,
    HardSigmoid,
    Model,
    Recurrent,
    Stack,
    backends,
)
from rnnspec.accuracy import error
from rnnspec.reference import Net

RUNTIMES = ("torch", "tensorflow", "onnxruntime")


def recurrent(cell, name="rnn", **options):
    return Recurrent(name=name, cell=cell, **options)


@dataclass
class Row:
    """A model, the (batch, time) that it is called with, and the shapes that must come out."""

    model: Model
    batch: int
    time: int
    outputs: tuple[int, ...]
    states: dict[str, tuple[int, ...]]
    lengths: bool = False
    given: bool = False
    options: dict = field(default_factory=dict)


def three(cells):
    return tuple(recurrent(cell, f"rnn{k}") for k, cell in enumerate(cells))


DROPPED = CellDropout(cell=LSTM(units=16), input=0.2, output=0.3)
ROWS = {
    "A2": Row(
        Model(inputs=100, layers=(recurrent(Stack(cells=(RNN(units=128),) * 3)),)),
        32, 4, (32, 4, 128), {f"rnn.cells.{k}.h": (32, 128) for k in range(3)},
    ),
    "A3": Row(
        Model(inputs=100, layers=(recurrent(LSTM(units=128)),)),
        32, 10, (32, 10, 128), {"rnn.h": (32, 128), "rnn.c": (32, 128)},
    ),
    "A4": Row(
        Model(inputs=100, layers=(recurrent(LSTM(units=128)),)),
        32, 10, (10, 32, 128), {"rnn.h": (32, 128), "rnn.c": (32, 128)}, True, True, {"time_major": True},
    ),
    "B2": Row(
        Model(inputs=10, layers=three([RNN(units=20)] * 2)),
        3, 5, (5, 3, 20), {"rnn0.h": (3, 20), "rnn1.h": (3, 20)}, options={"time_major": True},
    ),
    "C6": Row(
        Model(layers=(
            Embedding(name="embedding", vocabulary=60, units=16),
            recurrent(CellDropout(cell=Stack(cells=(DROPPED, DROPPED)), output=0.5)),
            Dense(name="softmax", units=60, activation="softmax"),
        )),
        4, 9, (4, 9, 60), {f"rnn.cells.{k}.{s}": (4, 16) for k in range(2) for s in "hc"}, True,
    ),
    "D1": Row(
        Model(inputs=1, layers=(
            recurrent(RNN(units=20), "a"),
            recurrent(RNN(units=20), "b"),
            recurrent(RNN(units=1), "c", return_sequences=False),
        )),
        6, 50, (6, 1), {"a.h": (6, 20), "b.h": (6, 20), "c.h": (6, 1)},
    ),
    "D3": Row(
        Model(inputs=7, layers=(
            recurrent(CellDropout(cell=GRU(units=20, reset_after=True), input=0.2, state=0.2, per="sequence")),
        )),
        5, 6, (5, 6, 20), {"rnn.h": (5, 20)},
    ),
    "D4": Row(
        Model(inputs=7, layers=(
            recurrent(LSTM(
                units=9, cell_activation="elu", output_activation="elu", bias=False,
                gate_activation=HardSigmoid(alpha=1 / 6, beta=0.5),
            )),
        )),
        5, 6, (5, 6, 9), {"rnn.h": (5, 9), "rnn.c": (5, 9)}, True, True,
    ),
    "D6": Row(
        Model(layers=(
            Embedding(name="clicks", vocabulary=300, units=100), recurrent(LSTM(units=32), direction="bidirectional")
        )),
        1, 75, (1, 75, 64), {f"rnn.{d}.{s}": (1, 32) for d in ("forward", "backward") for s in "hc"}, True,
    ),
    "D7": Row(
        Model(inputs=6, layers=(
            recurrent(LSTM(
                units=8, peephole=True, clip_cell=0.5, projection=5, clip_projection=0.4, cell_activation="relu",
            )),
        )),
        4, 7, (4, 7, 5), {"rnn.h": (4, 5), "rnn.c": (4, 8)}, True, True,
    ),
    "D8": Row(
        Model(inputs=6, layers=(
            recurrent(
                Stack(cells=(LSTM(units=8), GRU(units=5, reset_after=True))),
                direction="backward", reverse_output=True, padded_output="hold",
            ),
        )),
        4, 7, (7, 4, 5), {"rnn.cells.0.h": (4, 8), "rnn.cells.0.c": (4, 8), "rnn.cells.1.h": (4, 5)}, True, True,
        {"time_major": True},
    ),
}  # fmt: skip


def checkpoint_of(model):
    """Random weights and biases, scaled to their widths: unscaled, 128 units are chaotic, and no runtime follows."""
    rng = np.random.default_rng(1)
    return Checkpoint(
        model,
        {
            name: (rng.standard_normal(shape) / (shape[-1] ** 0.5 if len(shape) > 2 else 2)).astype("f4")
            for name, shape in model.parameters().items()
        },
    )


def call(row, seed=0):
    """x, lengths and states of a row's call."""
    rng = np.random.default_rng(seed)
    axes = (row.time, row.batch) if row.options else (row.batch, row.time)
    first = row.model.layers[0]
    x = (
        rng.integers(0, first.vocabulary, axes)
        if isinstance(first, Embedding)
        else rng.standard_normal((*axes, row.model.inputs))
    )
    state = {n: rng.standard_normal((row.batch, s)).astype("f4") for n, s in row.model.states().items()}
    lengths = rng.integers(0, row.time + 1, row.batch) if row.lengths else None
    return x if x.dtype.kind == "i" else x.astype("f4"), {"lengths": lengths, "state": state if row.given else None}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", ROWS)
def test_row(name, runtime):
    row = ROWS[name]
    checkpoint = checkpoint_of(row.model)
    x, more = call(row)
    expected, final = Net(checkpoint, "float64", **row.options)(x, **more)
    y, state = backends.get(runtime).load(checkpoint, **row.options)(x, **more)
    assert np.asarray(y).shape == row.outputs
    assert {n: np.asarray(v).shape for n, v in state.items()} == row.states
    assert error(np.asarray(y), expected) < 1e-5
    for state_name, value in final.items():
        assert error(np.asarray(state[state_name]), value) < 1e-5


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a1_one_call_of_a_cell(runtime):
    """x (32, 100), zeros → h (32, 128)."""
    checkpoint = checkpoint_of(Model(inputs=100, layers=(recurrent(RNN(units=128)),)))
    x = np.random.default_rng(0).standard_normal((32, 100)).astype("f4")
    y, state = backends.get(runtime).load(checkpoint).step(x)
    w = {name.removeprefix("rnn."): value.astype("f8") for name, value in checkpoint.weights.items()}
    expected = np.tanh(x @ w["kernel"][0].T + w["bias"][0])
    assert np.asarray(y).shape == (32, 128)
    assert error(np.asarray(y), expected) < 1e-5
    assert error(np.asarray(state["rnn.h"]), expected) < 1e-5


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("cell", [RNN(units=2), GRU(units=2, reset_after=True), LSTM.preset("char_rnn", 2)])
def test_a5_b1_c3_whole_is_chunks_is_steps(cell, runtime):
    """Batch 1, sequence 3, input 4, hidden 2, carried on: three ways to unroll, the same numbers."""
    net = backends.get(runtime).load(checkpoint_of(Model(inputs=4, layers=(recurrent(cell),))))
    x = np.random.default_rng(0).standard_normal((1, 3, 4)).astype("f4")
    whole, last = net(x)
    first, state = net(x[:, :1])
    rest, state = net(x[:, 1:], state=state)
    np.testing.assert_allclose(np.concatenate([first, rest], 1), whole, atol=1e-6)
    one = None
    for t in range(3):
        y, one = net.step(x[:, t], one)
        np.testing.assert_allclose(y, np.asarray(whole)[:, t], atol=1e-6)
    for name in last:
        np.testing.assert_allclose(state[name], last[name], atol=1e-6)
        np.testing.assert_allclose(one[name], last[name], atol=1e-6)


def test_d9_a_saved_bidirectional_model_is_called_with_other_sizes(tmp_path):
    row = ROWS["D6"]
    checkpoint = checkpoint_of(row.model)
    backends.get("tensorflow").load(checkpoint).export(tmp_path / "saved")
    loaded = tf.saved_model.load(tmp_path / "saved")
    for batch, time in ((1, 75), (3, 20)):
        ids = np.random.default_rng(0).integers(0, 300, (batch, time))
        lengths = np.arange(batch, dtype="i4") + time - batch
        state = {name: np.zeros((batch, size), "f4") for name, size in row.model.states().items()}
        found = loaded.sequence(ids, lengths, state)
        assert error(found["y"].numpy(), Net(checkpoint, "float64")(ids, lengths=lengths)[0]) < 1e-5
