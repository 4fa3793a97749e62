"""ONNX's recurrent nodes with every attribute, converted, against the operators written out (onnx_equations)."""

import warnings

import numpy as np
import onnx
import pytest

from rnnspec.convert.onnx import read_model
from rnnspec.reference import Net

from . import onnx_equations as equations

INPUTS, UNITS, TIME, BATCH = 3, 4, 6, 5
LENGTHS = np.array([6, 1, 4, 2, 3], "int32")
NUMBERS = {  # none of them a default
    "Affine": (1.2, -0.1), "LeakyRelu": (0.2,), "ThresholdedRelu": (0.3,), "ScaledTanh": (1.1, 0.7),
    "HardSigmoid": (0.3, 0.4), "Elu": (1.4,),
}  # fmt: skip
HALF = {"activation_alpha": [0.3, 1.4], "activation_beta": [0.5]}  # of a hard sigmoid for which σ(−a) = 1 − σ(a)


def random(*shape, seed=9):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def check(model, feeds=None, atol=1e-6, layout=0):
    """Y and the final states, of a model of one node; biases are added up in float32."""
    feeds = {"X": random(*((BATCH, TIME) if layout else (TIME, BATCH)), INPUTS)} | (feeds or {})
    expected = equations.reference(model, feeds)
    checkpoint = read_model(model)
    rows = {leaf: list(feeds[f"initial_{leaf}"].swapaxes(0, layout)) for leaf in "hc" if f"initial_{leaf}" in feeds}
    state = {name: rows[name[-1]].pop(0) for name in checkpoint.model.states()} if rows else None
    y, new = Net(checkpoint, "float64", time_major=not layout)(
        feeds["X"], lengths=feeds.get("sequence_lens"), state=state
    )
    y = y.reshape(*y.shape[:2], -1, UNITS)  # (…, directions, units)
    np.testing.assert_allclose(y if layout else y.swapaxes(1, 2), expected["Y"], rtol=0, atol=atol)
    for leaf in "hc":
        if final := [value for name, value in new.items() if name.endswith(leaf)]:
            np.testing.assert_allclose(np.stack(final, layout), expected[f"Y_{leaf}"], rtol=0, atol=atol)
    return checkpoint


@pytest.mark.parametrize("lengths", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("states", [False, True], ids=["zeros", "given"])
@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("direction", equations.REVERSE)
@pytest.mark.parametrize("kind", equations.GATES)
def test_directions_layouts_lengths_and_states(kind, direction, layout, states, lengths):
    directions = len(equations.REVERSE[direction])
    tensors = equations.weights(kind, INPUTS, UNITS, directions)
    model = equations.model(kind, tensors, layout=layout, lengths=lengths, states=states, direction=direction)
    shape = (BATCH, directions, UNITS) if layout else (directions, BATCH, UNITS)
    feeds = {"sequence_lens": LENGTHS} if lengths else {}
    feeds |= {f"initial_{leaf}": random(*shape, seed=ord(leaf)) for leaf in equations.STATES[kind] if states}
    check(model, feeds, layout=layout)


def attributes(names):
    """The attributes for a list of functions."""
    numbers = [NUMBERS.get(name, ()) for name in names]
    lists = {"activation_alpha": [n[0] for n in numbers if n], "activation_beta": [n[1] for n in numbers if len(n) > 1]}
    return {"activations": names} | {key: values for key, values in lists.items() if values}


@pytest.mark.parametrize("shift", range(11))
@pytest.mark.parametrize("kind", equations.GATES)
def test_activations_with_their_numbers_differ_by_place_and_direction(kind, shift):
    all_names = [*equations.ACTIVATIONS]
    names = [all_names[(shift + 3 * k) % len(all_names)] for k in range(2 * len(equations.DEFAULTS[kind]))]
    tensors = {k: array / 3 for k, array in equations.weights(kind, INPUTS, UNITS, 2, seed=shift).items()}
    checkpoint = check(equations.model(kind, tensors, direction="bidirectional", **attributes(names)), atol=1e-5)
    assert checkpoint.model.layers[0].backward_cell is not None


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_for_every_function_is_taken_by_place(name):
    tensors = equations.weights("GRU", INPUTS, UNITS, 1)
    lists = zip(("activation_alpha", "activation_beta"), NUMBERS[name], strict=False)
    padded = {key: [9.0, number] for key, number in lists}
    found = read_model(equations.model("GRU", tensors, activations=["Sigmoid", name], **padded))
    assert found.model == check(equations.model("GRU", tensors, **attributes(["Sigmoid", name])), atol=1e-5).model


@pytest.mark.parametrize(
    ("name", "numbers"), [("LeakyRelu", [0.01]), ("HardSigmoid", [0.2, 0.5]), ("Elu", [1.0])]
)  # fmt: skip
def test_numbers_left_out_are_those_of_the_operators(name, numbers):
    tensors = equations.weights("RNN", INPUTS, UNITS, 1)
    lists = {key: [number] for key, number in zip(("activation_alpha", "activation_beta"), numbers, strict=False)}
    given = check(equations.model("RNN", tensors, activations=[name], **lists))
    assert read_model(equations.model("RNN", tensors, activations=[name])).model == given.model


@pytest.mark.parametrize("options", [
    {"clip": 0.4}, {"input_forget": 1}, {"clip": 0.3, "input_forget": 1}, {"direction": "bidirectional", "clip": 0.5},
    {"input_forget": 1} | attributes(["Sigmoid", "ScaledTanh", "Elu"]),
    {"input_forget": 1, "activations": ["HardSigmoid", "Tanh", "Elu"], **HALF},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("peephole", [False, True], ids=["", "peephole"])
def test_options_of_the_lstm(options, peephole):
    directions = len(equations.REVERSE[options.get("direction", "forward")])
    tensors = equations.weights("LSTM", INPUTS, UNITS, directions, peephole=peephole)
    cell = check(equations.model("LSTM", tensors, **options)).model.layers[0].cell
    assert cell.peephole == peephole
    assert cell.coupled_input_forget == ("input_forget" in options)


def test_peepholes_without_bias():
    tensors = equations.weights("LSTM", INPUTS, UNITS, 1, peephole=True)
    del tensors["B"]
    check(equations.model("LSTM", tensors))


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("clip", [{}, {"clip": 0.4}], ids=str)
def test_options_of_the_gru(after, clip):
    tensors = equations.weights("GRU", INPUTS, UNITS, 2)
    model = equations.model("GRU", tensors, direction="bidirectional", linear_before_reset=after, **clip)
    assert check(model).model.layers[0].cell.reset_after == bool(after)


@pytest.mark.parametrize("kind", equations.GATES)
def test_no_bias(kind):
    tensors = equations.weights(kind, INPUTS, UNITS, 1)
    del tensors["B"]
    assert not check(equations.model(kind, tensors)).model.layers[0].cell.bias


@pytest.mark.parametrize("opset", [1, 3, 6, 7, 9, 11, 13, 14, 15, 17, 20, onnx.defs.onnx_opset_version()])
@pytest.mark.parametrize("kind", equations.GATES)
def test_opsets(kind, opset):
    tensors = equations.weights(kind, INPUTS, UNITS, 1)
    found = read_model(equations.model(kind, tensors, opset=opset))
    newest = check(equations.model(kind, tensors))
    assert found.to_bytes() == newest.to_bytes()


def test_the_first_opsets_said_whether_all_steps_are_wanted():
    tensors = equations.weights("RNN", INPUTS, UNITS, 1)
    model = equations.model("RNN", tensors, opset=3, output_sequence=1)
    assert read_model(model).to_bytes() == read_model(equations.model("RNN", tensors)).to_bytes()


@pytest.mark.parametrize(("dtype", "ours"), [("float16", "float32"), ("float64", "float64")])
def test_weights_of_other_types(dtype, ours):
    tensors = {name: array.astype(dtype) for name, array in equations.weights("LSTM", INPUTS, UNITS, 1).items()}
    assert check(equations.model("LSTM", tensors)).dtype == ours


def test_bfloat16_weights():
    """The upper half of a float32."""
    bits = {name: array.view("uint32") >> 16 for name, array in equations.weights("GRU", INPUTS, UNITS, 1).items()}
    wide = equations.model("GRU", {name: (upper << 16).view("float32") for name, upper in bits.items()})
    half = onnx.ModelProto.FromString(wide.SerializeToString())
    for tensor in half.graph.initializer:
        tensor.data_type = onnx.TensorProto.BFLOAT16
        tensor.raw_data = bits[tensor.name].astype("<u2").tobytes()
    assert read_model(half).to_bytes() == read_model(wide).to_bytes()


def node_tests():
    """ONNX's own tests of its recurrent operators."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case import node
        from onnx.backend.test.case.node import gru, lstm, rnn

        assert all((gru, lstm, rnn))  # imported, they enter their tests
    return [case for case in node._NodeTestCases if case.model.graph.node[0].op_type in equations.GATES]


def test_there_are_node_tests_of_every_operator():
    found = [case.model.graph.node[0].op_type for case in node_tests()]
    assert all(found.count(kind) > 3 for kind in equations.GATES)


@pytest.mark.parametrize("case", node_tests(), ids=lambda case: case.name)
def test_onnx_tests_its_operators_with_weights_as_inputs(case):
    """W, R, B and P are inputs of these graphs: constants for `read_model`."""
    ((inputs, outputs),) = case.data_sets
    node = case.model.graph.node[0]
    given = dict(zip((value.name for value in case.model.graph.input), inputs, strict=True))
    places = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
    found = {place: given[name] for place, name in zip(places, node.input, strict=False) if name}
    checkpoint = read_model(
        case.model, {name: given[name] for k, name in enumerate(node.input) if k in (1, 2, 3, 7) and name}
    )
    layout = max((attribute.i for attribute in node.attribute if attribute.name == "layout"), default=0)
    rows = {leaf: list(found[f"initial_{leaf}"].swapaxes(0, layout)) for leaf in "hc" if f"initial_{leaf}" in found}
    state = {name: rows[name[-1]].pop(0) for name in checkpoint.model.states()} if rows else None
    net = Net(checkpoint, "float64", time_major=not layout)
    y, new = net(found["X"], lengths=found.get("sequence_lens"), state=state)
    for value, expected in zip(case.model.graph.output, outputs, strict=True):
        leaf = "yhc"[list(node.output).index(value.name)]
        final = [array for name, array in new.items() if name.endswith(f".{leaf}")]
        actual = y if leaf == "y" else np.stack(final, layout)
        np.testing.assert_allclose(actual.reshape(expected.shape), expected, rtol=0, atol=1e-6)
