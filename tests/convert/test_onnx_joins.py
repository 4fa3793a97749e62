"""ONNX graphs that are no chain, against the equations of their nodes: what they join, take and start from."""

import numpy as np
import pytest

from rnnspec.convert.onnx import read_model
from rnnspec.errors import UnsupportedError
from rnnspec.reference import Net

from . import onnx_equations as equations
from .test_onnx_graphs import (
    BATCH,
    FLOAT,
    INPUTS,
    ONE,
    SQUEEZED,
    TIME_FIRST,
    UNITS,
    X,
    cell,
    check,
    heads,
    integers,
    node,
    notes,
    random,
    tensors,
)  # fmt: skip

CONSTANTS = (
    ONE | tensors("GRU") | tensors("GRU", "g", inputs=UNITS, seed=1) | tensors("LSTM", "l", seed=2)
    | {"K": random(UNITS, 2), "K2": random(2, 3), "two": integers(2), "three": integers(3), "half": np.float32(0.5)}
    | {"zero": integers(0), "first": np.int64(0), "each": random(UNITS, seed=3)}
    | {"minus": integers(-1), "far": integers(-(2**31))}
)  # fmt: skip
READ = {
    "a residual": [
        cell("GRU"), SQUEEZED, cell("GRU", x="y", y="Z", place="g"), node("Squeeze", ["Z", "one"], ["r"]),
        node("Add", ["y", "r"], ["z"]),
    ],
    "some features": [
        cell("GRU"), node("Slice", ["Y", "zero", "two", "three"], ["r"]), node("MatMul", ["r", "K2"], ["z"]),
    ],
    "the first step": [cell("GRU"), node("Gather", ["Y", "first"], ["z"], axis=0)],
    "a cell state": [cell("LSTM", place="l"), node("MatMul", ["Y_c", "K"], ["z"])],
    "a factor": [cell("GRU"), node("Mul", ["Y", "half"], ["z"])],
    "factors": [cell("GRU"), node("Mul", ["each", "Y"], ["z"])],
    "one minus": [cell("GRU"), node("Sub", ["half", "Y"], ["z"])],
    "a difference": [cell("GRU"), SQUEEZED, node("Tanh", ["y"], ["t"]), node("Sub", ["t", "y"], ["z"])],
    "two forward": [
        cell("GRU", y="A"), cell("GRU", y="C"), node("Squeeze", ["A", "one"], ["a"]),
        node("Squeeze", ["C", "one"], ["c"]), node("Concat", ["a", "c"], ["z"], axis=2),
    ],
    "the input beside": [cell("GRU"), SQUEEZED, node("Concat", ["x", "y"], ["z"], axis=2)],
    "the maximum over time": [cell("GRU"), SQUEEZED, node("ReduceMax", ["y"], ["z"], axes=[0], keepdims=0)],
    "h of one layer in another": [
        cell("GRU", y="A"), cell("GRU", y="C", states=("A_h",)), node("Squeeze", ["C", "one"], ["z"]),
    ],
    "h behind a factor": [node("Mul", ["x", "half"], ["s"]), cell("GRU", x="s"), node("Identity", ["Y_h"], ["z"])],
    "units of h the other way round": [
        cell("LSTM", place="l"), node("Slice", ["Y_h", "minus", "far", "two", "minus"], ["z"]),
    ],
    "some units of h": [cell("LSTM", place="l"), node("Slice", ["Y_h", "zero", "two", "two"], ["z"])],
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_is_no_chain(name):
    model = equations.build(READ[name], TIME_FIRST, ["z"], CONSTANTS)
    model.opset_import[0].version = 17
    check(model, {"x": X}, "z")


def test_some_units_beside_the_sequence():
    nodes = [cell("LSTM", place="l"), SQUEEZED, node("Slice", ["Y_h", "zero", "two", "two"], ["z"])]
    model = equations.build(nodes, TIME_FIRST, ["y", "z"], CONSTANTS)
    expected = equations.reference(model, {"x": X})
    y, _ = Net(read_model(model), "float64", time_major=True)(X)
    for found, output in zip(y.values(), ("y", "z"), strict=True):
        np.testing.assert_allclose(found.reshape(expected[output].shape), expected[output], rtol=0, atol=1e-6)


def test_several_inputs_and_outputs():
    model = heads()
    feeds = {"x": X, "t": random(4, BATCH, 2)}
    checkpoint = read_model(model)
    expected = equations.reference(model, feeds)
    y, _ = Net(checkpoint, "float64", time_major=True)(feeds)
    for (name, found), output in zip(y.items(), ("one_head", "other"), strict=True):
        np.testing.assert_allclose(found.reshape(expected[output].shape), expected[output], rtol=0, atol=1e-6)
        assert f"{output!r} {name}" in notes(checkpoint)


def test_inputs_of_one_time_share_it():
    nodes = [cell("GRU", x="a", y="A"), cell("GRU", x="b", y="B_"), node("Add", ["A", "B_"], ["z"])]
    inputs = {x: (FLOAT, ["t", "b", INPUTS]) for x in ("a", "b")}
    feeds = {"a": X, "b": X[::-1].copy()}
    model = equations.build(nodes, inputs, ["z"], CONSTANTS)
    checkpoint = read_model(model)
    assert checkpoint.model.given["b"].like == "a"
    y, _ = Net(checkpoint, "float64", time_major=True)(feeds)
    np.testing.assert_allclose(y, equations.reference(model, feeds)["z"][:, 0], rtol=0, atol=1e-6)


def test_what_depends_on_the_number_of_steps_is_refused():
    """The last of 5 steps is the fifth of any number."""
    nodes = [cell("GRU"), node("Gather", ["Y", "fourth"], ["z"], axis=0)]
    model = equations.build(nodes, TIME_FIRST, ["z"], CONSTANTS | {"fourth": np.int64(4)})
    with pytest.raises(UnsupportedError, match="step"):
        read_model(model)


def test_rounded_outputs_are_refused():
    nodes = [cell("GRU"), node("Cast", ["Y"], ["i"], to=7), node("Cast", ["i"], ["z"], to=FLOAT)]
    with pytest.raises(UnsupportedError, match="to int64, which rounds"):
        read_model(equations.build(nodes, TIME_FIRST, ["z"], CONSTANTS))


def test_ids_of_each_row_beside_a_sequence():
    nodes = [
        cell("GRU"), node("Gather", ["E", "who"], ["e"], "voice"), node("Squeeze", ["Y_h", "nought"], ["h"]),
        node("Concat", ["h", "e"], ["z"], axis=1),
    ]  # fmt: skip
    table = random(7, 2)
    model = equations.build(
        nodes, TIME_FIRST | {"who": (7, ["batch"])}, ["z"], CONSTANTS | {"E": table, "nought": integers(0)}
    )
    who = np.arange(BATCH)
    y, _ = Net(read_model(model), "float64", time_major=True)({"x": X, "who": who})
    np.testing.assert_allclose(y, equations.reference(model, {"x": X, "who": who})["z"], rtol=0, atol=1e-6)


def test_steps_beyond_lengths_are_not_summed_up():
    inputs = TIME_FIRST | {"lens": (6, ["batch"])}
    nodes = [
        node("GRU", ["x", "W", "R", "B", "lens"], ["Y"], hidden_size=UNITS), SQUEEZED,
        node("ReduceMax", ["y"], ["z"], axes=[0]),
    ]  # fmt: skip
    model = equations.build(nodes, inputs, ["z"], CONSTANTS)
    model.opset_import[0].version = 17
    with pytest.raises(UnsupportedError, match="beyond the lengths"):
        read_model(model)
