"""Weights in 8 bits: the same numbers as of the floats that they stand for."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from rnnspec.convert.onnx import read_model
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reference import Net

RNG = np.random.default_rng(0)
INPUTS, UNITS, OUT, ROWS = 5, 4, 3, 9


def bits(*shape, unsigned=False):
    return RNG.integers(0, 256, shape).astype("uint8") if unsigned else RNG.integers(-128, 128, shape).astype("int8")


def scales(*shape):
    return RNG.uniform(0.002, 0.01, shape).astype("f")


def zeros(q, *shape):
    return RNG.integers(*((-20, 20) if q.dtype == np.int8 else (100, 150)), shape).astype(q.dtype)


def made(nodes, arrays):
    shape = ["batch", "time"]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.INT64, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [*shape, OUT])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets)


def pair(directions, by_channel):
    """The model in 8 bits as `quantize_dynamic` writes it, and the same in floats."""
    way = "bidirectional" if directions == 2 else "forward"
    w, r = bits(directions, INPUTS, 4 * UNITS), bits(directions, UNITS, 4 * UNITS)
    table, out = bits(ROWS, INPUTS, unsigned=True), bits(directions * UNITS, OUT)
    of_gates = (directions, 4 * UNITS) if by_channel else (directions,)
    of_out = (OUT,) if by_channel else ()
    said = {"table": (table, ()), "w": (w, of_gates), "r": (r, of_gates), "out": (out, of_out)}
    biases = {"b": (directions, 8 * UNITS), "bias": (OUT,)}
    arrays = {name: RNG.standard_normal(shape).astype("f") for name, shape in biases.items()}
    arrays |= {"to": np.array([0, 0, -1])}
    floats = dict(arrays)
    for name, (q, shape) in said.items():
        arrays |= {f"{name}_q": q, f"{name}_s": scales(*shape), f"{name}_z": zeros(q, *shape)}
        s, z = (arrays[f"{name}_{each}"].astype("f") for each in "sz")
        if name in "wr":
            s, z = (each.reshape(directions, 1, -1) for each in (s, z))
        floats[name] = (q.astype("f") - z) * s
    floats |= {name: floats[name].transpose(0, 2, 1) for name in "wr"}

    def node(kind, inputs, outputs, **attributes):
        return helper.make_node(kind, inputs, outputs, attributes.pop("name", f"/{kind}"), **attributes)

    before = [node("Transpose", ["read"], ["steps"], perm=[1, 0, 2])]
    lstm = {"hidden_size": UNITS, "direction": way, "name": "/lstm/LSTM"}
    after = [
        node("Transpose", ["h"], ["turned"], perm=[2, 0, 1, 3]),
        node("Reshape", ["turned", "to"], ["rows"]),
    ]
    end = [node("Add", ["product", "bias"], ["y"])]
    quantised = [
        node("Gather", ["table_q", "x"], ["read_q"], name="/table/Gather_quant"),
        node("DequantizeLinear", ["read_q", "table_s", "table_z"], ["read"]),
        *before,
        node("DynamicQuantizeLSTM", ["steps", "w_q", "r_q", "b", "", "", "", "", "w_s", "w_z", "r_s", "r_z"], ["h"],
             **lstm | {"domain": "com.microsoft", "name": "/lstm/LSTM_quant"}),
        *after,
        node("DynamicQuantizeLinear", ["rows"], ["rows_q", "rows_s", "rows_z"]),
        node("Mul", ["rows_s", "out_s"], ["both_s"]),
        node("MatMulInteger", ["rows_q", "out_q", "rows_z", "out_z"], ["whole"], name="/out/MatMul_quant"),
        node("Cast", ["whole"], ["whole_f"], to=TensorProto.FLOAT),
        node("Mul", ["whole_f", "both_s"], ["product"]),
        *end,
    ]  # fmt: skip
    plain = [
        node("Gather", ["table", "x"], ["read"], name="/table/Gather"),
        *before,
        node("LSTM", ["steps", "w", "r", "b"], ["h"], **lstm),
        *after,
        node("MatMul", ["rows", "out"], ["product"], name="/out/MatMul"),
        *end,
    ]
    return made(quantised, arrays), made(plain, floats)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("by_channel", [False, True])
def test_the_numbers_are_those_of_the_floats(directions, by_channel):
    quantised, plain = pair(directions, by_channel)
    untouched = quantised.SerializeToString()
    found, expected = read_model(quantised), read_model(plain)
    assert quantised.SerializeToString() == untouched
    assert found.model == expected.model
    x = RNG.integers(0, ROWS, (2, 6))
    np.testing.assert_array_equal(Net(found)(x)[0], Net(expected)(x)[0])
    assert "(W - zero point) · scale, in 3 nodes" in found.metadata["conversion"]["notes"][0]


def test_a_scale_of_another_shape_is_refused():
    quantised, _ = pair(1, True)
    for tensor in quantised.graph.initializer:
        if tensor.name == "w_s":
            tensor.CopyFrom(numpy_helper.from_array(scales(3), "w_s"))
    with pytest.raises(SpecError, match=r"scale and zero point of 'w_q' .*found \(3,\)"):
        read_model(quantised)


def test_a_weight_that_is_given_is_refused():
    quantised, _ = pair(1, False)
    kept = [tensor for tensor in quantised.graph.initializer if tensor.name != "w_q"]
    del quantised.graph.initializer[:]
    quantised.graph.initializer.extend(kept)
    quantised.graph.input.append(helper.make_tensor_value_info("w_q", TensorProto.INT8, [1, INPUTS, 4 * UNITS]))
    with pytest.raises(SpecError, match="'w_q' is no constant of the file"):
        read_model(quantised)


def test_other_quantised_nodes_are_refused():
    quantised, _ = pair(1, False)
    for node in quantised.graph.node:
        if node.op_type == "Cast":
            node.op_type = "Identity"
            del node.attribute[:]
    with pytest.raises(UnsupportedError, match="quantised numbers"):
        read_model(quantised)
