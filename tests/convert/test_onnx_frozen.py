"""Graphs that are written for one step or one row: what they would do with more is read, or refused."""

import numpy as np
import pytest
from onnx import helper

from rnnspec.convert.onnx import read_model
from rnnspec.errors import UnsupportedError
from rnnspec.reference import Net

from . import onnx_equations as equations
from .test_onnx_graphs import FLOAT, INPUTS, UNITS, cell, integers, notes, random, tensors

node = helper.make_node
CONSTANTS = {"one": integers(1), "zero": integers(0), "two": integers(2), "minus": np.int64(-1), "K": random(UNITS, 1)}
CONSTANTS |= {"first": np.int64(0), "last": integers(-1), "far": integers(2**31), "J": random(UNITS, 3)}
CONSTANTS |= {"one_row": integers(1, -1), "rows": integers(-1, UNITS), "steps": integers(1, -1, UNITS)}
CONSTANTS |= tensors("LSTM") | tensors("GRU", "b", directions=2, seed=2)
Y = [node("Transpose", ["x"], ["t"], perm=[1, 0, 2]), cell("LSTM", x="t"), node("Squeeze", ["Y", "one"], ["s"]),
     node("Transpose", ["s"], ["y"], perm=[1, 0, 2])]  # fmt: skip
BOTH = [node("Transpose", ["x"], ["t"], perm=[1, 0, 2]), cell("GRU", x="t", place="b", direction="bidirectional")]


def build(nodes, batch, time):
    inputs = {"x": (FLOAT, [batch, time, INPUTS])}
    return equations.build([*nodes[0], *nodes[1:]], inputs, [nodes[-1].output[0]], CONSTANTS)


READ = {
    "the sequence": ([Y, node("Tanh", ["y"], ["z"])], lambda y: np.tanh(y)),
    "softmax over features": ([Y, node("Softmax", ["y"], ["z"], axis=2)], None),
    "the last step": ([Y, node("Gather", ["y", "minus"], ["z"], axis=1)], None),
    "the state": ([Y, node("Squeeze", ["Y_h", "zero"], ["z"])], None),
    "flattened rows": ([Y, node("Reshape", ["y", "rows"], ["z"])], None),
    "rows squeezed and softmax": ([Y, node("Squeeze", ["Y_h", "zero"], ["h"]), node("Softmax", ["h"], ["z"], axis=-1)],
                                  None),
    "steps in a Reshape": (
        [Y[:2], node("Reshape", ["Y", "steps"], ["s"]), node("MatMul", ["s", "J"], ["a"]),
         node("Softmax", ["a"], ["z"], axis=-1)], None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("sizes", [("b", 1), (1, 1)], ids=str)
@pytest.mark.parametrize("name", READ)
def test_what_acts_along_no_axis_of_one_place_is_read(name, sizes):
    """At the size of the graph; and at others, as the same graph with free sizes gives."""
    nodes, _ = READ[name]
    checkpoint = read_model(build(nodes, *sizes))
    assert "the graph is written for 1 step" in notes(checkpoint)
    net = Net(checkpoint, "float64")
    x = random(*(size if isinstance(size, int) else 3 for size in sizes), INPUTS)
    expected = equations.reference(build(nodes, *sizes), {"x": x})["z"]
    np.testing.assert_allclose(net(x)[0].reshape(expected.shape), expected, rtol=0, atol=1e-6)
    if name != "steps in a Reshape":
        x = random(4, 6, INPUTS)
        expected = equations.reference(build(nodes, "b", "t"), {"x": x})["z"]
        np.testing.assert_allclose(net(x)[0].reshape(expected.shape), expected, rtol=0, atol=1e-6)


UNKNOWABLE = {
    "softmax over time": ([Y, node("Softmax", ["y"], ["z"], axis=1)], "over axis 1 of 3"),
    "softmax over time, turned": (
        [Y, node("Transpose", ["y"], ["u"], perm=[0, 2, 1]), node("Softmax", ["u"], ["v"], axis=2),
         node("Transpose", ["v"], ["z"], perm=[0, 2, 1])], "does not read all features|one place|over an axis",
    ),
    "softmax over time, squeezed": (
        [Y, node("MatMul", ["y", "K"], ["a"]), node("Squeeze", ["a", "two"], ["c"]), node("LogSoftmax", ["c"], ["z"])],
        r"\(time\)",
    ),
    "softmax after the step is squeezed": (
        [Y, node("Squeeze", ["y", "one"], ["c"]), node("Softmax", ["c"], ["z"], axis=1)], r"\(time\)",
    ),
    "every axis squeezed": ([Y, node("Squeeze", ["y"], ["z"])], r"\(time\)"),
    "the first step": ([Y, node("Gather", ["y", "first"], ["z"], axis=1)], "neither the sequence|one place"),
    "some steps": ([Y, node("Slice", ["y", "zero", "one", "one"], ["z"])], "neither the sequence|one place"),
    "a step in a Reshape": (
        [Y[:2], node("Reshape", ["Y", "steps"], ["s"]), node("Gather", ["s", "first"], ["z"], axis=0)], "one place",
    ),
    "steps flattened": ([Y, node("Flatten", ["y"], ["z"])], r"\(time\)"),
    "steps joined": ([Y, node("Concat", ["y", "y"], ["z"], axis=1)], "one place|neither"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWABLE)
def test_what_acts_along_the_only_step_is_refused(name):
    nodes, reason = UNKNOWABLE[name]
    with pytest.raises(UnsupportedError, match=reason):
        read_model(build(nodes, "b", 1))


def test_directions_across_the_only_row_are_refused():
    """(directions, 1, units) as (1, directions · units) mixes rows as soon as there are two."""
    with pytest.raises(UnsupportedError, match=r"\(batch\)"):
        read_model(build([BOTH, node("Reshape", ["Y_h", "one_row"], ["z"])], 1, "t"))


def test_directions_before_the_only_row_are_read():
    nodes = [BOTH, node("Transpose", ["Y_h"], ["h"], perm=[1, 0, 2]), node("Reshape", ["h", "one_row"], ["z"])]
    checkpoint = read_model(build(nodes, 1, "t"))
    x = random(1, 6, INPUTS)
    expected = equations.reference(build(nodes, 1, "t"), {"x": x})["z"]
    np.testing.assert_allclose(Net(checkpoint, "float64")(x)[0], expected, rtol=0, atol=1e-6)
    assert "the graph is written for 1 row; " in notes(checkpoint)


def test_a_frozen_size_that_is_the_one_tried_is_said():
    assert "written for 5 steps and 3 rows" in notes(read_model(build([Y, node("Identity", ["y"], ["z"])], 3, 5)))
