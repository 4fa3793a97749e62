"""What stands around ONNX's recurrent nodes: the chain is what the elements say, however the nodes are written."""

import numpy as np
import pytest
from onnx import helper

from rnnspec import Dense, Embedding, Recurrent
from rnnspec.convert.onnx import read_model
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reference import Net

from . import onnx_equations as equations

INPUTS, UNITS, TIME, BATCH = 3, 4, 6, 5
FLOAT, INT32, INT64 = 1, 6, 7
TIME_FIRST = {"x": (FLOAT, ["time", "batch", INPUTS])}
BATCH_FIRST = {"x": (FLOAT, ["batch", "time", INPUTS])}
node = helper.make_node


def random(*shape, seed=9):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def integers(*values):
    return np.array(values, "int64")


def tensors(kind, place="", inputs=INPUTS, directions=1, units=UNITS, seed=0):
    found = equations.weights(kind, inputs, units, directions, seed)
    return {f"{name}{place}": array for name, array in found.items()}


def cell(kind, x="x", y="Y", place="", direction="forward", units=UNITS, states=("", ""), **attributes):
    """A recurrent node with the weights `W`, `R`, `B` of a place; outputs y, y_h and for an LSTM y_c."""
    initial = states[: len(equations.STATES[kind])]
    names = [x, f"W{place}", f"R{place}", f"B{place}", "", *initial]
    while not names[-1]:
        names.pop()
    outputs = [y, *(f"{y}_{leaf}" for leaf in equations.STATES[kind])]
    return node(kind, names, outputs, f"{kind.lower()}{place}", hidden_size=units, direction=direction, **attributes)


def check(model, feeds, output, time_major=True, state=None, lengths=None, atol=1e-6):
    """The output of the graph against that of the model, in whatever shape; the model."""
    expected = equations.reference(model, feeds)[output]
    checkpoint = read_model(model)
    y, _ = Net(checkpoint, "float64", time_major=time_major)(feeds["x"], state=state, lengths=lengths)
    assert y.size == expected.size
    np.testing.assert_allclose(y.reshape(expected.shape), expected, rtol=0, atol=atol)
    return checkpoint


def notes(checkpoint):
    return " ".join(checkpoint.metadata["conversion"]["notes"])


X = random(TIME, BATCH, INPUTS)
SQUEEZED = node("Squeeze", ["Y", "one"], ["y"])
ONE = {"one": integers(1)}


def test_weights_behind_nodes_that_only_move_them():
    w = tensors("LSTM")
    constants = ONE | {"K": w["W"][0].T, "R_flat": w["R"].ravel(), "shape": integers(1, -1, UNITS), "zero": integers(0)}
    constants |= {
        "W_b": w["B"][0, : 4 * UNITS],
        "R_b": w["B"][0, 4 * UNITS :],
        "far": integers(2**31),
        "minus": integers(-1),
    }
    nodes = [
        node("Transpose", ["K"], ["Kt"], perm=[1, 0]),
        node("Unsqueeze", ["Kt", "zero"], ["W0"]),
        node("Cast", ["W0"], ["W"], to=FLOAT),
        node("Reshape", ["R_flat", "shape"], ["R0"]),
        node("Identity", ["R0"], ["R1"]),
        node("Slice", ["R1", "zero", "far", "zero"], ["R"]),
        node("Concat", ["W_b", "R_b"], ["B0"], axis=0),
        node("Reshape", ["B0", "two_axes"], ["B"]),
        cell("LSTM"),
        SQUEEZED,
    ]
    model = equations.build(nodes, TIME_FIRST, ["y"], constants | {"two_axes": integers(1, -1)})
    found = check(model, {"x": X}, "y")
    plain = equations.build([cell("LSTM"), SQUEEZED], TIME_FIRST, ["y"], ONE | w)
    assert all((found.weights[name] == array).all() for name, array in read_model(plain).weights.items())


def zero_states(shape_of, batch_axis):
    """Zeros (1, batch, units) by the batch of a value, as exporters write them."""
    return [
        node("Shape", [shape_of], ["shape"]),
        node("Gather", ["shape", "axis"], ["batch"], axis=0),
        node("Concat", ["one", "batch", "units"], ["sizes"], axis=0),
        node("ConstantOfShape", ["sizes"], ["h"]),
        node("Expand", ["nought", "sizes"], ["c"]),
    ], {"axis": integers(batch_axis), "units": integers(UNITS), "nought": np.float32(0)}


def test_zeros_by_the_size_of_the_batch_are_no_states():
    nodes, constants = zero_states("x", 1)
    model = equations.build(
        [*nodes, cell("LSTM", states=("h", "c")), SQUEEZED], TIME_FIRST, ["y"], ONE | constants | tensors("LSTM")
    )
    assert not check(model, {"x": X}, "y").model.layers[0].learned_state


def test_constant_states_are_learned_ones():
    nodes, constants = zero_states("x", 1)
    constants |= {"nought": random(1, 1, UNITS)}
    model = equations.build(
        [*nodes, cell("LSTM", states=("h", "c")), SQUEEZED], TIME_FIRST, ["y"], ONE | constants | tensors("LSTM")
    )
    checkpoint = check(model, {"x": X}, "y")
    assert (checkpoint.weights["lstm.initial.c"] == constants["nought"][0, 0]).all()
    assert not checkpoint.weights["lstm.initial.h"].any()
    assert "lstm: starts from constants of the file" in notes(checkpoint)


def test_states_of_two_layers_in_one_input():
    """Slices of h0 (layers · directions, batch, units); y of the second layer, and the states of both."""
    nodes = [
        node("Slice", ["h0", "zero", "two", "zero"], ["h_0"]),
        node("Slice", ["h0", "two", "four", "zero"], ["h_1"]),
        cell("GRU", y="Y0", place="0", direction="bidirectional", states=("h_0",)),
        node("Transpose", ["Y0"], ["T0"], perm=[0, 2, 1, 3]),
        node("Reshape", ["T0", "keep"], ["y0"]),
        cell("GRU", x="y0", y="Y1", place="1", direction="bidirectional", states=("h_1",)),
        node("Transpose", ["Y1"], ["T1"], perm=[0, 2, 1, 3]),
        node("Reshape", ["T1", "keep"], ["y"]),
        node("Concat", ["Y0_h", "Y1_h"], ["h_n"], axis=0),
    ]
    constants = {"zero": integers(0), "two": integers(2), "four": integers(4), "keep": integers(0, 0, -1)}
    constants |= tensors("GRU", "0", directions=2) | tensors("GRU", "1", inputs=2 * UNITS, directions=2, seed=1)
    inputs = TIME_FIRST | {"h0": (FLOAT, [4, "batch", UNITS])}
    model = equations.build(nodes, inputs, ["y", "h_n"], constants)
    feeds = {"x": X, "h0": random(4, BATCH, UNITS, seed=3)}
    names = [f"{layer}.{direction}.h" for layer in ("gru0", "gru1") for direction in ("forward", "backward")]
    state = dict(zip(names, feeds["h0"], strict=True))
    checkpoint = check(model, feeds, "y", state=state)
    _, new = Net(checkpoint, "float64", time_major=True)(X, state=state)
    np.testing.assert_allclose(
        np.stack([new[name] for name in names]), equations.reference(model, feeds)["h_n"], rtol=0, atol=1e-6
    )
    assert f"the input 'h0' gives {', '.join(names)}" in notes(checkpoint)


def halves(y="Y"):
    """The directions of Y, as tf2onnx takes them apart."""
    return [
        node("Slice", [y, "zero", "one", "one"], ["F"]),
        node("Slice", [y, "one", "two", "one"], ["G"]),
        node("Squeeze", ["F", "one"], ["f"]),
        node("Squeeze", ["G", "one"], ["g"]),
    ]


HALVES = ONE | {"zero": integers(0), "two": integers(2), "half": np.float32(0.5), "twice": np.float32(2)}
MERGES = {
    "concat": ([*halves(), node("Concat", ["f", "g"], ["y"], axis=2)], "concat"),
    "sum": ([*halves(), node("Add", ["g", "f"], ["y"])], "sum"),
    "sum-of-axis": ([node("ReduceSum", ["Y", "one"], ["y"], keepdims=0)], "sum"),
    "mul": ([*halves(), node("Mul", ["f", "g"], ["y"])], "mul"),
    "mean": ([*halves(), node("Mean", ["f", "g"], ["y"])], "ave"),
    "half": ([*halves(), node("Add", ["f", "g"], ["s"]), node("Mul", ["half", "s"], ["y"])], "ave"),
    "halved": ([*halves(), node("Sum", ["f", "g"], ["s"]), node("Div", ["s", "twice"], ["y"])], "ave"),
}


@pytest.mark.parametrize("name", MERGES)
@pytest.mark.parametrize("kind", equations.GATES)
def test_merges_of_two_directions(kind, name):
    nodes, merge = MERGES[name]
    nodes = [cell(kind, direction="bidirectional"), *nodes]
    model = equations.build(nodes, TIME_FIRST, ["y"], HALVES | tensors(kind, directions=2))
    layer = check(model, {"x": X}, "y").model.layers[0]
    assert (layer.direction, layer.merge) == ("bidirectional", merge)


def reversal(kind, x, y):
    """The time axis flipped, in the two ways of exporters."""
    if kind == "Slice":
        return [node("Slice", [x, "minus", "first", "zero", "minus"], [y])]
    return [node("ReverseSequence", [x, "all"], [y], batch_axis=1, time_axis=0)]


FLIPS = {"minus": integers(-1), "first": integers(-(2**31)), "zero": integers(0), "all": integers(*[5] * 3)}


@pytest.mark.parametrize("how", ["reverse", "Slice"])
@pytest.mark.parametrize("last", [False, True])
def test_a_node_for_each_direction(how, last):
    """Two nodes over one input, forward, and backward by its direction or by flipping input and output; at each step,
    or at the last that each visits.
    """
    flipped = [] if how == "reverse" else reversal("Slice", "x", "xr")
    back = [] if how == "reverse" else reversal("Slice", "Yr", "Yb")
    direction, source, given = ("reverse", "x", "Yb") if how == "reverse" else ("forward", "xr", "Yr")
    ends = [node("Squeeze", ["Yf_h", "zero"], ["f"]), node("Squeeze", [f"{given}_h", "zero"], ["g"])]
    steps = [node("Squeeze", ["Yf", "one"], ["f"]), node("Squeeze", ["Yb", "one"], ["g"])]
    nodes = [
        cell("LSTM", y="Yf", place="f"), *flipped,
        cell("GRU", x=source, y=given, place="b", direction=direction, units=3), *back,
        *(ends if last else steps), node("Concat", ["f", "g"], ["y"], axis=-1),
    ]  # fmt: skip
    constants = ONE | FLIPS | tensors("LSTM", "f") | tensors("GRU", "b", units=3, seed=1)
    checkpoint = check(equations.build(nodes, TIME_FIRST, ["y"], constants), {"x": X}, "y")
    (layer,) = checkpoint.model.layers
    assert (layer.cell.units, layer.backward_cell.units, layer.return_sequences) == (UNITS, 3, not last)


@pytest.mark.parametrize("how", ["Slice", "ReverseSequence"])
def test_a_flipped_input_makes_a_backward_layer_that_reverses_its_output(how):
    inputs = {"x": (FLOAT, [5, 3, INPUTS])}
    nodes = [*reversal(how, "x", "xr"), cell("RNN", x="xr"), SQUEEZED]
    checkpoint = check(equations.build(nodes, inputs, ["y"], ONE | FLIPS | tensors("RNN")), {"x": X[:5, :3]}, "y")
    (layer,) = checkpoint.model.layers
    assert (layer.direction, layer.reverse_output) == ("backward", True)
    assert "written for 5 steps and 3 rows" in notes(checkpoint)


LAST = {
    "state": [node("Squeeze", ["Y_h", "zero"], ["y"])],
    "gather": [node("Squeeze", ["Y", "one"], ["s"]), node("Gather", ["s", "minus_1"], ["y"], axis=0)],
    "slice": [node("Slice", ["Y", "minus", "far", "zero"], ["s"]), node("Squeeze", ["s", "zero_one"], ["y"])],
}


@pytest.mark.parametrize("name", LAST)
@pytest.mark.parametrize("dense", [False, True])
def test_the_last_step(name, dense):
    """Taken before or after a dense layer, it is the recurrent layer's last output."""
    nodes = [cell("LSTM"), *LAST[name]]
    constants = ONE | FLIPS | {"zero_one": integers(0, 1), "minus_1": np.int64(-1), "far": integers(2**31)}
    if dense:
        nodes.append(node("MatMul", ["y", "K"], ["logits"], "head/MatMul"))
        constants["K"] = random(UNITS, 2)
    model = equations.build(nodes, TIME_FIRST, ["logits" if dense else "y"], constants | tensors("LSTM"))
    checkpoint = check(model, {"x": X}, "logits" if dense else "y")
    assert "y" not in checkpoint.model.sequences
    assert [layer.name for layer in checkpoint.model.layers] == ["lstm", "head"][: 1 + dense]


def test_the_last_step_after_the_dense_layers():
    nodes = [
        cell("GRU"), SQUEEZED, node("MatMul", ["y", "K"], ["a"]), node("Relu", ["a"], ["b"]),
        node("Gather", ["b", "minus_1"], ["z"], axis=0),
    ]  # fmt: skip
    constants = ONE | {"minus_1": np.int64(-1), "K": random(UNITS, 2)} | tensors("GRU")
    checkpoint = check(equations.build(nodes, TIME_FIRST, ["z"], constants), {"x": X}, "z")
    assert not checkpoint.model.layers[0].return_sequences


def around(nodes, **constants):
    """Embedding, LSTM, batch first, and what comes after its sequence `y` (batch, time, units)."""
    before = [
        node("Gather", ["E", "x"], ["e"], "emb/Gather"),
        node("Transpose", ["e"], ["t"], perm=[1, 0, 2]),
        cell("LSTM", x="t"),
        node("Squeeze", ["Y", "one"], ["s"]),
        node("Transpose", ["s"], ["y"], perm=[1, 0, 2]),
    ]
    constants |= ONE | {"E": random(7, INPUTS)} | tensors("LSTM")
    return equations.build([*before, *nodes], {"x": (INT64, ["batch", "time"])}, ["z"], constants)


IDS = np.random.default_rng(0).integers(0, 7, (BATCH, TIME))
K, BIAS = random(UNITS, 3, seed=4), random(3, seed=5)
HEADS = {
    "MatMul, Add": [node("MatMul", ["y", "K"], ["a"]), node("Add", ["a", "b"], ["z"])],
    "MatMul, Add the other way round": [node("MatMul", ["y", "K"], ["a"]), node("Add", ["b", "a"], ["z"])],
    "MatMul, Sub": [node("MatMul", ["y", "K"], ["a"]), node("Sub", ["a", "b"], ["z"])],
    "MatMul alone": [node("MatMul", ["y", "K"], ["z"])],
    "Gemm of flattened rows": [
        node("Reshape", ["y", "rows"], ["r"]), node("Gemm", ["r", "Kt", "b"], ["a"], transB=1),
        node("Reshape", ["a", "steps"], ["z"]),
    ],
    "Gemm with numbers": [
        node("Reshape", ["y", "rows"], ["r"]), node("Gemm", ["r", "K", "b"], ["z"], alpha=0.5, beta=2.0),
    ],
    "two in a row": [
        node("MatMul", ["y", "K"], ["a"]), node("Add", ["a", "b"], ["c"]), node("Tanh", ["c"], ["d"]),
        node("MatMul", ["d", "L"], ["z"]),
    ],
    "an activation of the sequence itself": [node("Relu", ["y"], ["z"])],
    "a bias of the sequence itself": [node("Add", ["y", "offset"], ["z"])],
    "one feature, squeezed": [
        node("MatMul", ["y", "one_unit"], ["a"]), node("Squeeze", ["a", "axis"], ["c"]), node("Sigmoid", ["c"], ["z"]),
    ],
    "dropout": [node("Dropout", ["y"], ["d"]), node("MatMul", ["d", "K"], ["z"])],
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_dense_layers_after_an_embedding_and_a_recurrent_layer(name):
    model = around(
        HEADS[name], K=K, Kt=np.ascontiguousarray(K.T), b=BIAS, L=random(3, 2), rows=integers(-1, UNITS),
        steps=integers(BATCH, TIME, 3), one_unit=random(UNITS, 1), axis=integers(-1), offset=random(UNITS, seed=6),
    )  # fmt: skip
    checkpoint = check(model, {"x": IDS}, "z", time_major=False)
    assert [type(layer) for layer in checkpoint.model.layers[:3]] == [Embedding, Recurrent, Dense]
    assert checkpoint.model.layers[0].name == "emb"


ACTIVATIONS = {
    "Relu": {}, "Tanh": {}, "Sigmoid": {}, "Softplus": {}, "Softsign": {}, "Exp": {}, "HardSwish": {}, "Mish": {},
    "Elu": {"alpha": 1.5}, "LeakyRelu": {"alpha": 0.3}, "ThresholdedRelu": {"alpha": 0.2}, "Celu": {"alpha": 1.5},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4}, "Selu": {}, "Gelu": {"approximate": "tanh"}, "Softmax": {},
    "LogSoftmax": {"axis": -1}, "Shrink": {"lambd": 0.2, "bias": 0.2},
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_of_dense_layers(name):
    model = around([node("MatMul", ["y", "K"], ["a"]), node(name, ["a"], ["z"], **ACTIVATIONS[name])], K=K)
    model.opset_import[0].version = 20
    check(model, {"x": IDS}, "z", time_major=False)


@pytest.mark.parametrize("name", ["Elu", "LeakyRelu", "HardSigmoid", "Gelu"])
def test_activations_with_the_numbers_of_their_operators(name):
    model = around([node("MatMul", ["y", "K"], ["a"]), node(name, ["a"], ["z"])], K=2 * K)
    model.opset_import[0].version = 20
    check(model, {"x": IDS}, "z", time_major=False)


@pytest.mark.parametrize(("low", "high"), [(0, 6), (-1, 1)])
def test_clips_that_are_activations(low, high):
    nodes = [node("MatMul", ["y", "K"], ["a"]), node("Clip", ["a", "low", "high"], ["z"])]
    model = around(nodes, K=9 * K, low=np.float32(low), high=np.float32(high))
    check(model, {"x": IDS}, "z", time_major=False, atol=1e-5)


def test_ids_as_floating_point_numbers():
    nodes = [node("Cast", ["x"], ["i"], to=INT32), node("Gather", ["E", "i"], ["e"]), cell("GRU", x="e", layout=1),
             node("Reshape", ["Y", "keep"], ["y"])]  # fmt: skip
    constants = {"E": random(7, INPUTS), "keep": integers(0, 0, -1)} | tensors("GRU")
    model = equations.build(nodes, {"x": (FLOAT, ["batch", "time"])}, ["y"], constants)
    expected = equations.reference(model, {"x": IDS.astype("float32")})["y"]
    y, _ = Net(read_model(model), "float64")(IDS)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6)


def test_whole_numbers_as_features():
    nodes = [node("Cast", ["x"], ["f"], to=FLOAT), cell("GRU", x="f"), SQUEEZED]
    model = equations.build(nodes, {"x": (INT64, ["time", "batch", INPUTS])}, ["y"], ONE | tensors("GRU"))
    check(model, {"x": (9 * X).astype("int64")}, "y")


def test_half_precision_inside_the_graph():
    """What is added up is widened first."""
    w = tensors("GRU")
    nodes = [node("Cast", [name], [f"{name}_half"], to=10) for name in w]
    nodes += [node("GRU", ["x", "W_half", "R_half", "B_half"], ["Y"], hidden_size=UNITS), SQUEEZED]
    found = read_model(equations.build(nodes, TIME_FIRST, ["y"], ONE | w))
    halves = {name: array.astype("float16").astype("float32") for name, array in w.items()}
    expected = read_model(equations.build([cell("GRU"), SQUEEZED], TIME_FIRST, ["y"], ONE | halves))
    assert found.to_bytes() == expected.to_bytes()


@pytest.mark.parametrize("time", [6, "time"])
def test_lengths_of_all_steps(time):
    """Constant lengths mean nothing where they are the declared number of steps, and are refused elsewhere."""
    constants = ONE | tensors("GRU") | {"lens": np.array([time if time == 6 else 5] * 3, "int32")}
    nodes = [node("GRU", ["x", "W", "R", "B", "lens"], ["Y"], hidden_size=UNITS), SQUEEZED]
    model = equations.build(nodes, {"x": (FLOAT, [time, 3, INPUTS])}, ["y"], constants)
    if time == 6:
        check(model, {"x": X[:, :3]}, "y")
    else:
        with pytest.raises(UnsupportedError, match="sequence_lens are constants of the file"):
            read_model(model)


def test_lengths_by_the_size_of_the_input():
    nodes = [
        node("Shape", ["x"], ["n"]), node("Slice", ["n", "zero", "one"], ["t"]),
        node("Slice", ["n", "one", "two"], ["b"]), node("Cast", ["t"], ["i"], to=INT32),
        node("Expand", ["i", "b"], ["lens"]),
        node("GRU", ["x", "W", "R", "B", "lens"], ["Y"], hidden_size=UNITS), SQUEEZED,
    ]  # fmt: skip
    check(equations.build(nodes, TIME_FIRST, ["y"], HALVES | tensors("GRU")), {"x": X}, "y")


def test_the_last_step_is_not_the_last_that_counts():
    """Of a single row, too: a length of 5 steps in 6 leaves 0 at the last."""
    inputs = {"x": (FLOAT, ["time", 1, INPUTS]), "lens": (INT32, [1])}
    nodes = [node("GRU", ["x", "W", "R", "B", "lens"], ["Y", "Y_h"], hidden_size=UNITS)]
    end = [node("Gather", ["Y", "minus_1"], ["y"], axis=0)]
    constants = {"minus_1": np.int64(-1)} | tensors("GRU")
    with pytest.raises(UnsupportedError, match="neither the sequence nor the last step"):
        read_model(equations.build([*nodes, *end], inputs, ["y"], constants))
    model = equations.build(nodes, inputs, ["Y_h"], constants)
    lengths = np.array([5], "int32")
    check(model, {"x": X[:, :1], "lens": lengths}, "Y_h", lengths=lengths)


def test_constant_states_of_cells_that_differ():
    constants = (
        ONE | tensors("LSTM", "f") | tensors("GRU", "b", units=3, seed=1) | {"h": np.tile(random(1, 1, 3), (1, 3, 1))}
    )
    nodes = [
        cell("LSTM", y="Yf", place="f", states=("h0", "")),
        cell("GRU", y="Yb", place="b", direction="reverse", units=3, states=("h",)),
        node("Squeeze", ["Yf", "one"], ["f"]), node("Squeeze", ["Yb", "one"], ["g"]),
        node("Concat", ["f", "g"], ["y"], axis=-1),
    ]  # fmt: skip
    inputs = {"x": (FLOAT, ["time", 3, INPUTS]), "h0": (FLOAT, [1, 3, UNITS])}
    feeds = {"x": X[:, :3], "h0": random(1, 3, UNITS, seed=3)}
    model = equations.build(nodes, inputs, ["y"], constants)
    names = ("lstmf.forward.h", "lstmf.forward.c", "lstmf.backward.h")
    state = dict(zip(names, (feeds["h0"][0], np.zeros((3, UNITS)), constants["h"][0]), strict=True))
    checkpoint = check(model, feeds, "y", state=state)
    assert (checkpoint.weights["lstmf.initial.backward.h"] == constants["h"][0, 0]).all()
    assert checkpoint.weights["lstmf.initial.forward.c"].shape == (UNITS,)


@pytest.mark.parametrize("sizes", [(None, None), ("b", "t"), (2, "t"), ("b", 4), (2, 4), (1, 1), (3, 3)], ids=str)
def test_sizes_free_or_fixed(sizes):
    inputs = {"x": (FLOAT, [*sizes, INPUTS])}
    nodes = [node("Transpose", ["x"], ["t"], perm=[1, 0, 2]), cell("GRU", x="t"), SQUEEZED]
    nodes += [node("Transpose", ["y"], ["z"], perm=[1, 0, 2])]
    model = equations.build(nodes, inputs, ["z"], ONE | tensors("GRU"))
    batch, time = (size if isinstance(size, int) else 4 for size in sizes)
    checkpoint = check(model, {"x": random(batch, time, INPUTS)}, "z", time_major=False)
    assert "y" in checkpoint.model.sequences


def test_a_number_of_steps_that_only_the_nodes_know():
    """As torch's newer exporter writes it: time is free in the input, and 7 in a Reshape."""
    nodes = [cell("GRU"), node("Reshape", ["Y", "shape"], ["y"])]
    model = equations.build(nodes, TIME_FIRST, ["y"], {"shape": integers(7, -1, UNITS)} | tensors("GRU"))
    checkpoint = check(model, {"x": random(7, 2, INPUTS)}, "y")
    assert "written for 7 steps" in notes(checkpoint)


def packed(lengths_type):
    """As torch's TorchScript exporter packs: rows sorted by length, and put back."""
    return [
        node("Cast", ["lengths"], ["n"], to=INT64),
        node("Shape", ["n"], ["count"]),
        node("TopK", ["n", "count"], ["sorted", "order"], axis=-1),
        node("Gather", ["x", "order"], ["xs"], axis=1),
        node("Cast", ["sorted"], ["ls"], to=INT32),
        node(
            "LSTM",
            ["xs", "W", "R", "B", "ls"],
            ["Y", "Y_h", "Y_c"],
            "lstm",
            hidden_size=UNITS,
            direction="bidirectional",
        ),
        node("ReduceProd", ["count"], ["stop"], keepdims=0),
        node("Range", ["nought", "stop", "unit"], ["places"]),
        node("ConstantOfShape", ["count"], ["empty"], value=helper.make_tensor("v", INT64, [1], [0])),
        node("ScatterElements", ["empty", "order", "places"], ["back"], axis=0),
        node("Gather", ["Y", "back"], ["Yu"], axis=2),
        node("Transpose", ["Yu"], ["t"], perm=[0, 2, 1, 3]),
        node("Reshape", ["t", "keep"], ["y"]),
    ], TIME_FIRST | {"lengths": (lengths_type, ["rows"])}


@pytest.mark.parametrize("lengths_type", [INT32, INT64])
def test_packed_sequences(lengths_type):
    nodes, inputs = packed(lengths_type)
    constants = {"nought": np.int64(0), "unit": np.int64(1), "keep": integers(0, 0, -1)} | tensors("LSTM", directions=2)
    model = equations.build(nodes, inputs, ["y"], constants)
    lengths = np.array([3, 6, 1, 5, 2], helper.tensor_dtype_to_np_dtype(lengths_type))
    check(model, {"x": X, "lengths": lengths}, "y", lengths=lengths)


def test_names_of_layers():
    """Nodes' names without operators and the scopes that all are in; else the kind of layer; numbered if alike."""
    nodes = [
        node("Gather", ["E", "x"], ["e"], "/net/token emb/Gather"),
        cell("GRU", x="e", y="A", place="0"), node("Squeeze", ["A", "one"], ["a"]),
        cell("GRU", x="a", y="C", place="1"), node("Squeeze", ["C", "one"], ["c"]),
        node("MatMul", ["c", "K"], ["d"], "/net/2 heads/MatMul_3"), node("Tanh", ["d"], ["f"]),
        node("MatMul", ["f", "L"], ["z"]),
    ]  # fmt: skip
    nodes[1].name, nodes[3].name = "/net/rnn/GRU", "GRU__12"
    constants = ONE | {"E": random(7, INPUTS), "K": K, "L": random(3, 2)}
    constants |= tensors("GRU", "0") | tensors("GRU", "1", inputs=UNITS)
    model = equations.build(nodes, {"x": (INT64, ["time", "batch"])}, ["z"], constants)
    names = [layer.name for layer in check(model, {"x": IDS}, "z").model.layers]
    assert names == ["token_emb", "rnn", "gru", "layer_2_heads", "dense"]


def heads():
    """An encoder whose state starts a decoder with two heads."""
    nodes = [
        cell("GRU", y="E", place="e"),
        cell("GRU", x="t", y="D", place="d", states=("E_h",)), node("Squeeze", ["D", "one"], ["d"]),
        node("MatMul", ["d", "K"], ["one_head"]), node("MatMul", ["d", "L"], ["other"]),
    ]  # fmt: skip
    inputs = TIME_FIRST | {"t": (FLOAT, ["steps", "batch", 2])}
    constants = ONE | {"K": K, "L": random(UNITS, 2)} | tensors("GRU", "e") | tensors("GRU", "d", inputs=2, seed=1)
    return equations.build(nodes, inputs, ["one_head", "other"], constants)


def test_parts():
    model = heads()
    feeds = {"x": X, "t": random(4, BATCH, 2)}
    decoder = read_model(model, part="other")
    assert [layer.name for layer in decoder.model.layers] == ["grud", "dense"]
    assert set(decoder.metadata["conversion"]["ignored"]) == {"K", "We", "Re", "Be"}
    assert "gives grud.h" in notes(decoder)
    encoder = read_model(model, part="E_h")
    _, state = Net(encoder, "float64", time_major=True)(X)
    y, _ = Net(decoder, "float64", time_major=True)(feeds["t"], state={"grud.h": state["grue.h"]})
    np.testing.assert_allclose(y, equations.reference(model, feeds)["other"], rtol=0, atol=1e-6)
    with pytest.raises(SpecError, match="--part nix: no such output; found one_head, other"):
        read_model(model, part="nix")


def loop():
    body = helper.make_graph([node("Identity", ["on"], ["go"])], "body", [], [])
    return node("Loop", ["", "", "x"], ["q"], "while", body=body)


W2 = {"other": random(TIME, BATCH, UNITS)}
REFUSED = {
    "a loop": ([loop(), cell("GRU", x="q"), SQUEEZED], r"'while' \(Loop\): a recurrence left as a Loop"),
    "a scan": ([node("Scan", ["x"], ["q"], num_scan_inputs=1), cell("GRU", x="q"), SQUEEZED], "left as a Scan"),
    "unrolled": (
        [node("MatMul", ["x", "S"], ["a"]), node("Tanh", ["a"], ["c"]), node("MatMul", ["c", "S"], ["y"])],
        "'S' is multiplied with 2 times: a recurrence unrolled",
    ),
    "nothing recurrent": ([node("Tanh", ["x"], ["y"])], "no RNN, GRU or LSTM node"),
    "another domain": (
        [cell("GRU"), node("Attention", ["Y"], ["y"], "att", domain="com.microsoft")],
        r"'att' \(Attention\): of the domain 'com.microsoft'",
    ),
    "quantised": ([cell("GRU"), node("QuantizeLinear", ["Y", "half"], ["y"])], "quantised"),
    "an unknown operator": ([cell("GRU"), node("Det", ["Y"], ["y"], "det")], r"'det' \(Det\): none of the operators"),
    "a mean over time": ([cell("GRU"), node("ReduceMean", ["Y"], ["y"], axes=[0])], "two directions would be merged"),
    "softmax over time": ([cell("GRU"), SQUEEZED, node("Softmax", ["y"], ["z"], axis=0)], "not over the features"),
    "softmax over time, squeezed": (
        [cell("GRU"), node("MatMul", ["Y", "K1"], ["a"]), node("Squeeze", ["a"], ["s"]),
         node("Softmax", ["s"], ["z"], axis=-1)],
        "over an axis that is not the features",
    ),
    "features of several steps": (
        [cell("GRU"), node("Reshape", ["Y", "flat"], ["r"]), node("MatMul", ["r", "K"], ["y"])],
        "does not read all features of each step",
    ),
    "a time-wise bias": ([cell("GRU"), SQUEEZED, node("Add", ["y", "other"], ["z"])], "where a bias has 4 numbers"),
    "axes exchanged": (
        [cell("GRU"), SQUEEZED, node("Shape", ["y"], ["n"]), node("Gather", ["n", "swap"], ["m"]),
         node("Reshape", ["y", "m"], ["z"])],
        "neither the sequence nor the last step",
    ),
    "the last step of another direction": (
        [cell("GRU", place="2", direction="bidirectional"), node("Gather", ["Y", "minus_1"], ["y"], axis=0)],
        "neither the sequence nor the last step",
    ),
    "directions joined in time": (
        [cell("GRU", place="2", direction="bidirectional"), *halves(), node("Concat", ["f", "g"], ["z"], axis=0)],
        "neither the sequence nor the last step",
    ),
    "sizes as numbers": (
        [cell("GRU"), SQUEEZED, node("Shape", ["y"], ["n"]), node("Cast", ["n"], ["m"], to=FLOAT),
         node("ReduceProd", ["m"], ["p"], keepdims=0), node("Add", ["y", "p"], ["z"])],
        "depends on the sizes of the input",
    ),
    "a training dropout": ([cell("GRU"), node("Dropout", ["Y", "half", "true"], ["y"])], "in training mode"),
    "the last step as a sequence": (
        [cell("GRU", y="A"), cell("GRU", x="A_h", place="g")], "not the whole sequence of|does not read",
    ),
    "constant lengths": (
        [node("GRU", ["x", "W", "R", "B", "lens"], ["Y"], hidden_size=UNITS)], "sequence_lens are constants",
    ),
    "direction": ([cell("GRU", direction="sideways")], "direction: expected forward, reverse, bidirectional"),
    "units": ([node("GRU", ["x", "W", "R", "B"], ["Y"], hidden_size=5)], r"W: expected shape \(1, 15, 3\) for 5 units"),
    "a bias of another shape": ([node("GRU", ["x", "W", "R", "W"], ["Y"], hidden_size=UNITS)], "B: expected shape"),
    "activations": ([cell("GRU", activations=["Tanh"])], "activations: expected 2, found 1"),
    "another activation": ([cell("GRU", activations=["Tanh", "Swish"])], "'Swish' is not one of ONNX's"),
    "too many numbers": (
        [cell("GRU", activations=["Elu", "Tanh"], activation_alpha=[1.0, 2.0, 3.0])], "activation_alpha: expected 1",
    ),
    "no numbers": ([cell("GRU", activations=["Affine", "Tanh"])], "Affine needs activation_alpha"),
    "a type of attribute": ([cell("GRU", clip="much")], "attribute 'clip' is of another type"),
    "input_forget": (
        [cell("LSTM", place="l", input_forget=1, activations=["Relu", "Tanh", "Tanh"])],
        "1 - i is not a forget gate of ours",
    ),
    "weights that come from the input": (
        [node("GRU", ["x", "x", "R", "B"], ["Y"], hidden_size=UNITS)], "W, R, B and P are not constants",
    ),
    "states of another size": (
        [cell("LSTM", place="l", states=("", "narrow"))], r"initial_c: expected shape \(1, batch, 4\), found",
    ),
    "states by row": ([cell("GRU", states=("rows",))], "differs from row to row"),
    "a bomb": (
        [node("Expand", ["half", "huge"], ["b"]), cell("GRU"), node("Add", ["Y", "b"], ["y"])],
        "gives 1,000,000,000,000 elements",
    ),
    "undefined": ([cell("GRU"), node("Add", ["Y", "nix"], ["y"])], "nothing before it gives 'nix'"),
    "defined twice": ([cell("GRU"), node("Identity", ["x"], ["Y"])], "'Y' is given twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_chain_of_layers_is_refused_with_the_reason(name):
    nodes, reason = REFUSED[name]
    constants = HALVES | FLIPS | W2 | tensors("GRU") | tensors("LSTM", "l") | tensors("GRU", "2", directions=2, seed=1)
    constants |= {
        "K": K,
        "K1": random(UNITS, 1),
        "K2": random(2, 3),
        "S": random(INPUTS, INPUTS),
        "flat": integers(-1, 2 * UNITS),
    }
    constants |= {"minus_1": np.int64(-1), "swap": integers(1, 0, 2), "true": np.array(True), "three": integers(3)}
    constants |= {"lens": np.array([3, 2, 1], "int32"), "narrow": random(1, 3, 2), "rows": random(1, 3, UNITS)}
    constants |= {"huge": integers(10**6, 10**6)} | tensors("GRU", "g", inputs=UNITS)
    model = equations.build(nodes, TIME_FIRST, [nodes[-1].output[0]], constants)
    with pytest.raises((SpecError, UnsupportedError), match=reason) as caught:
        read_model(model)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("model: ")
