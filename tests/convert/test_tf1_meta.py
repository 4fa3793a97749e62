"""The graph beside a checkpoint says what else is assumed or set."""

import shutil

import numpy as np
import pytest

from rnnspec import RNN, Dense, Recurrent
from rnnspec.convert import convert
from rnnspec.convert.request import Request
from rnnspec.convert.tf1 import wired
from rnnspec.convert.tf1.graph import Node, Ref
from rnnspec.convert.tf1.meta import Meta
from rnnspec.errors import SpecError, UnsupportedError

from ..golden.case import DATA

METAS = DATA.parent / "meta"
SET = {  # what the checkpoint alone needs to be told
    "lstm_peephole_proj": {"forget_bias": 0.7},
    "lstm_proj_clip": {"cell_clip": 0.5, "proj_clip": 0.3},
    "lstm_block_peephole_clip": {"forget_bias": 0.3, "clip_cell": 0.6},
    "layernorm_basic_lstm_off": {"forget_bias": 0},
    "indrnn_relu2": {"activation": "relu"},
    "static_gru_lengths": {},
    "ugrnn": {},
    "cifg_lstm": {},
}


@pytest.fixture
def copied(tmp_path):
    """A checkpoint with its graph beside it."""

    def copy(name):
        for path in (DATA / "tf1" / name).glob("model.ckpt*"):
            shutil.copy(path, tmp_path)
        shutil.copy(METAS / f"{name}.meta", tmp_path / "model.ckpt.meta")
        return tmp_path / "model.ckpt"

    return copy


@pytest.mark.parametrize("name", SET)
def test_nothing_needs_to_be_set(copied, name):
    found = convert(copied(name))
    expected = convert(DATA / "tf1" / name / "model.ckpt", settings=SET[name])
    assert found.model == expected.model
    for key, array in expected.weights.items():
        np.testing.assert_array_equal(found.weights[key], array, err_msg=key)
    assert not any("no checkpoint holds" in note for note in found.metadata["conversion"]["notes"])
    assert any("no checkpoint holds" in note for note in expected.metadata["conversion"]["notes"])


def test_what_is_set_wins(copied):
    path = copied("lstm_peephole_proj")
    expected = convert(DATA / "tf1" / "lstm_peephole_proj" / "model.ckpt", settings={"forget_bias": 0.25})
    found = convert(path, settings={"forget_bias": 0.25})
    np.testing.assert_array_equal(found.weights["rnn.bias"], expected.weights["rnn.bias"])


def test_a_damaged_graph_is_an_error(copied):
    path = copied("ugrnn")
    meta = path.with_name("model.ckpt.meta")
    meta.write_bytes(meta.read_bytes()[:-100])
    with pytest.raises(SpecError, match=r"model\.ckpt\.meta"):
        convert(path)


def graph(**nodes):
    """A Meta of nodes by name: (operation, inputs…)."""
    return Meta(
        {name: Node(op, tuple(Ref(each, 0) for each in inputs), {}) for name, (op, *inputs) in nodes.items()}, ""
    )


def rnn(**more):
    cell = {
        "x": ("Placeholder",), "h": ("Placeholder",), "w": ("VariableV2",), "axis": ("Const",), "b": ("VariableV2",),
        "xh": ("ConcatV2", "x", "h", "axis"), "read": ("Identity", "w"), "product": ("MatMul", "xh", "read"),
        "sum": ("BiasAdd", "product", "b"), "new": ("Relu", "sum"),
    }  # fmt: skip
    return graph(**cell, **more).cell("rnn", ["w"])


def test_a_residual_connection_adds_what_the_cell_reads_to_what_it_gives():
    assert rnn() == {"activation": "relu", "residual": False}
    assert rnn(out=("AddV2", "new", "x")) == {"activation": "relu", "residual": True}
    assert rnn(other=("AddV2", "x", "b")) == {"activation": "relu", "residual": False}
    later = {"left": ("Exit", "new"), "far": ("AddV2", "left", "x")}
    assert rnn(**later) == {"activation": "relu", "residual": False}


def test_where_copies_of_a_cell_differ_nothing_is_known():
    other = {"product2": ("MatMul", "xh", "read"), "new2": ("Tanh", "product2")}
    assert "activation" not in rnn(**other)


@pytest.mark.parametrize("name", ["last_step", "every_step", "written_out"])
def test_a_damaged_frozen_graph_is_an_error_or_is_refused(name, tmp_path):
    data = (DATA / "own/tf1_graph" / name / "frozen.pb").read_bytes()
    for k, cut in enumerate(np.linspace(1, len(data) - 1, 12).astype(int)):
        path = tmp_path / f"{k}.pb"
        path.write_bytes(data[:cut])
        with pytest.raises((SpecError, UnsupportedError), match=rf"{k}\.pb"):
            convert(path)


def test_values_that_wait_for_themselves_are_an_error():
    nodes = {
        "k": ("VariableV2",), "a": ("ConcatV2", "b", "b", "x"), "b": ("ConcatV2", "a", "a", "x"),
        "x": ("Const",), "product": ("MatMul", "a", "k"),
    }  # fmt: skip
    layers = [(Recurrent(name="rnn", cell=RNN(units=2)), {}), (Dense(name="head", units=2), {})]
    with pytest.raises(SpecError, match="damaged"):
        wired(graph(**nodes), layers, {"k": "head"}, Request())
