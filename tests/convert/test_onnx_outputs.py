"""Which output of a graph is y: what it reads decides, and final states in another arrangement are none."""

import numpy as np
import pytest
from onnx import helper

from rnnspec.convert.onnx import read_model
from rnnspec.errors import UnsupportedError
from rnnspec.reference import Net

from . import onnx_equations as equations
from .test_onnx_graphs import BATCH_FIRST, INPUTS, ONE, TIME_FIRST, UNITS, cell, check, integers, notes, random, tensors

node = helper.make_node
X = random(6, 5, INPUTS)
CONSTANTS = ONE | {"zero": integers(0), "K": random(UNITS, 2), "minus": integers(-1), "two": integers(2)}
CONSTANTS |= tensors("LSTM") | tensors("LSTM", "2", inputs=UNITS, seed=1) | tensors("GRU", "b", directions=2, seed=2)
SECOND = [node("Squeeze", ["Y", "one"], ["y"]), cell("LSTM", x="y", y="Z", place="2")]
BOTH = cell("GRU", place="b", direction="bidirectional", y="D")
ENDS = [node("Split", ["D_h"], ["f", "g"], axis=0)]


def build(nodes, *outputs, inputs=TIME_FIRST):
    return equations.build(nodes, inputs, outputs, CONSTANTS)


EXACT = {
    "h": ([cell("LSTM")], ["Y_h"]),
    "h of the second layer": ([cell("LSTM"), *SECOND], ["Z_h"]),
    "h of the first of two layers": ([cell("LSTM"), *SECOND], ["Y_h"]),
    "both directions, forward first": ([BOTH, *ENDS, node("Concat", ["f", "g"], ["z"], axis=2)], ["z"]),
    "their sum": ([BOTH, *ENDS, node("Add", ["f", "g"], ["z"])], ["z"]),
}


@pytest.mark.parametrize("name", EXACT)
def test_final_states_that_are_the_last_output(name):
    nodes, outputs = EXACT[name]
    checkpoint = check(build(nodes, *outputs), {"x": X}, outputs[0])
    assert not checkpoint.model.layers[-1].return_sequences
    assert len(checkpoint.model.layers) == 1 + (outputs[0] == "Z_h")


NONE = {
    "c": ([cell("LSTM")], ["Y_c"], "output 'Y_c' is the final c of 'lstm': no output of a layer"),
    "c of the first layer": ([cell("LSTM"), *SECOND], ["Y_c"], "'Y_c' is the final c of 'lstm'"),
    "h with c": (
        [cell("LSTM"), node("Concat", ["Y_h", "Y_c"], ["z"], axis=2)],
        ["z"],
        "'z' is the final h of 'lstm' and the final c of 'lstm'",
    ),
    "backward first": (
        [BOTH, *ENDS, node("Concat", ["g", "f"], ["z"], axis=2)],
        ["z"],
        "is the final h of 'grub' backward and the final h of 'grub': no output of a layer",
    ),
    "two layers": (
        [cell("LSTM"), *SECOND, node("Concat", ["Y_h", "Z_h"], ["z"], axis=0)],
        ["z"],
        "is the final h of 'lstm' and the final h of 'lstm2'",
    ),
    "two layers beside their cell states": (
        [cell("LSTM"), *SECOND, *(node("Concat", [f"Y_{s}", f"Z_{s}"], [s], axis=0) for s in "hc")],
        ["h", "c"],
        "output 'h' is the final h of 'lstm' and",
    ),
    "one after the other": ([cell("LSTM"), *SECOND], ["Y_h", "Z_h"], "'Z_h' is the final h of 'lstm2', which does not"),
    "constants": ([cell("LSTM"), node("Identity", ["K"], ["z"])], ["Y", "z"], "outputs 'Y' and 'z' are two heads"),
}  # fmt: skip


@pytest.mark.parametrize("name", NONE)
def test_states_that_are_no_output_of_a_layer(name):
    nodes, outputs, reason = NONE[name]
    model = equations.build(nodes, TIME_FIRST, outputs, CONSTANTS)
    with pytest.raises(UnsupportedError, match=reason):
        read_model(model)


@pytest.mark.parametrize("outputs", [["y", "Y_h", "c"], ["c", "y"], ["Y_h", "c"], ["c", "Y_h"]], ids=str)
def test_states_beside_the_output_are_said_to_be_left_out(outputs):
    """Whatever the order of the outputs: the sequence is y, without one the last step."""
    model = build([cell("LSTM"), SECOND[0], node("Squeeze", ["Y_c", "zero"], ["c"])], *outputs)
    checkpoint = check(model, {"x": X}, "y" if "y" in outputs else "Y_h")
    assert checkpoint.model.layers[0].return_sequences == ("y" in outputs)
    _, state = Net(checkpoint, "float64", time_major=True)(X)
    np.testing.assert_allclose(state["lstm.c"], equations.reference(model, {"x": X})["c"], rtol=0, atol=1e-6)
    assert "the output 'c' is left out: the final lstm.c, which come beside y" in notes(checkpoint)
    assert ("'Y_h' is left out" in notes(checkpoint)) == ({"y", "Y_h"} <= set(outputs))


def test_an_output_with_other_axes_than_the_input_is_said():
    nodes = [node("Transpose", ["x"], ["t"], perm=[1, 0, 2]), cell("LSTM", x="t"), SECOND[0]]
    back = [node("Transpose", ["y"], ["z"], perm=[1, 0, 2])]
    assert "(time, batch, features)" in notes(read_model(build(nodes, "y", inputs=BATCH_FIRST)))
    assert "axes" not in notes(read_model(build([*nodes, *back], "z", inputs=BATCH_FIRST)))
