"""ONNX graphs."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.files.models import ESCAPE

WEIGHTS = {
    "W": np.linspace(-1, 1, 12, dtype="f4").reshape(1, 4, 3),
    "R": np.linspace(-2, 2, 16, dtype="f4").reshape(1, 4, 4),
}


def model(
    before: tuple = (),
    weights: dict[str, Any] | None = None,
    x: str = "x",
    change: Callable[[Any], Any] = lambda model: None,
    shape: tuple = ("time", "batch", 3),
    **attributes: Any,
) -> bytes:
    """An RNN of 4 units on what the nodes before it give under the name `x`, changed."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node(kind, inputs, outputs, **options) for kind, inputs, outputs, options in before]
    nodes.append(helper.make_node("RNN", [x, "W", "R"], ["y"], hidden_size=4, **attributes))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    constants = [numpy_helper.from_array(array, name) for name, array in (WEIGHTS | (weights or {})).items()]
    graph = helper.make_graph(nodes, "graph", inputs, [onnx.ValueInfoProto(name="y")], constants)
    found = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    change(found)
    return found.SerializeToString(deterministic=True)


def files() -> Iterator[tuple]:
    yield "rnn.onnx", model()
    for name, data, says in (*_computing(), *_tensors(), *_graphs()):
        yield f"{name}.onnx", data, says


def whole(*values: int) -> np.ndarray:
    return np.array(values, "int64")


def _computing() -> Iterator[tuple]:
    """Nodes that ask for much."""
    add = ("Add", ["x", "c"], ["z"], {})
    for name, nodes, weights, says in (
        ("expand", [("Expand", ["x", "s"], ["z"], {})], {"s": whole(2**20, 2**20, 3)}, "more than"),
        ("tile", [("Tile", ["x", "s"], ["z"], {})], {"s": whole(2**62, 2**62, 1)}, "more than"),
        ("fill", [("ConstantOfShape", ["s"], ["c"], {}), add], {"s": whole(2**30)}, "more than"),
        (
            "range",
            [("Range", ["a", "b", "d"], ["c"], {}), add],
            {"a": np.array(0.0), "b": np.array(1e300), "d": np.array(1e-300)},
            "more than",
        ),
        ("outer", [("Add", ["a", "b"], ["c"], {}), add], {"a": np.ones((4000, 1)), "b": np.ones(4000)}, "more than"),
        (
            "gather",
            [("Gather", ["a", "b"], ["c"], {}), add],
            {"a": np.ones((1, 2000)), "b": whole(*[0] * 2000)},
            "more",
        ),
        (
            "gather-nothing",
            [("GatherND", ["a", "b"], ["c"], {}), add],
            {"a": np.ones(5000), "b": np.zeros((5000, 0), "int64")},
            "more than",
        ),
        ("double", _doubled("a", 40), {"a": np.ones(2, "f4")}, "more than"),
        ("double-input", [*_doubled("x", 40)[:-1], ("Identity", ["c40"], ["z"], {})], {}, "more than"),
        ("many", _many(40), {"s": whole(2**20)}, "more than"),
        ("reshape", [("Reshape", ["x", "s"], ["z"], {})], {"s": whole(2**62, -1, 2**62)}, "does not fit"),
        ("axes-70", [("Reshape", ["x", "s"], ["z"], {})], {"s": whole(*[1] * 70)}, "does not fit"),
        ("axis-text", [("Gather", ["a", "a"], ["c"], {"axis": "b"}), add], {"a": whole(0)}, "of another type"),
    ):
        yield name, model(tuple(nodes), weights, "z"), says


def _doubled(name: str, times: int) -> list[tuple]:
    nodes = [("Concat", [name, name], ["c0"], {"axis": 0})]
    nodes += [("Concat", [f"c{k}", f"c{k}"], [f"c{k + 1}"], {"axis": 0}) for k in range(times)]
    return [*nodes, ("Add", ["x", f"c{times}"], ["z"], {})]


def _many(times: int) -> list[tuple]:
    nodes: list[tuple] = [("ConstantOfShape", ["s"], [f"c{k}"], {}) for k in range(times)]
    nodes.append(("Concat", [f"c{k}" for k in range(times)], ["c"], {"axis": 0}))
    return [*nodes, ("Add", ["x", "c"], ["z"], {})]


def _tensors() -> Iterator[tuple]:
    def dims(*sizes: int) -> Callable[[Any], None]:
        return lambda model: model.graph.initializer[0].dims.__setitem__(slice(None), sizes)

    def outside(location: str, **more: str) -> Callable[[Any], None]:
        def change(model: Any) -> None:
            tensor = model.graph.initializer[0]
            tensor.ClearField("raw_data")
            tensor.data_location = 1
            for key, value in {"location": location, **more}.items():
                tensor.external_data.add(key=key, value=value)

        return change

    for name, change, says in (
        ("dims-2-62", dims(2**62), "more than"),
        ("dims-0-2-62", dims(0, 2**62), "more than"),
        ("dims-negative", dims(-1, -12), "is impossible"),
        ("dims-70", dims(*[1] * 70), "70 axes"),
        ("dims-less", dims(4, 3, 2), "needs 24 numbers, found 12"),
        ("outside-absolute", outside("/etc/passwd"), "outside the model's folder"),
        ("outside-above", outside("../../etc/passwd"), "outside the model's folder"),
        ("outside-zero", outside("a\0b"), "its data are in"),
        ("outside-escapes", outside(f"../{ESCAPE}"), "\\x1b"),
        ("outside-itself", outside("outside-itself.onnx"), "needs 12 numbers"),
        ("outside-digits", outside("outside-digits.onnx", offset="9" * 5000), "expected numbers"),
        ("outside-square", outside("outside-square.onnx", offset="²"), "expected numbers"),
        ("outside-beyond", outside("outside-beyond.onnx", offset="999999"), "its data end"),
    ):
        yield name, model(change=change), says


def _graphs() -> Iterator[tuple]:
    good = model()
    yield "empty", b"", "not an ONNX model"
    yield "cut", good[:-30], "not an ONNX model"
    yield "latin", good.replace(b"RNN", b"\xff\xfe\xfd"), "names that are not text"
    yield "nested", _nested(9000), "not an ONNX model"
    circle = (("Identity", ["b"], ["a"], {}), ("Identity", ["a"], ["b"], {}))
    yield "circle", model(circle, x="b"), "nothing before it gives"
    yield "given-twice", model((("Identity", ["x"], ["a"], {}), ("Identity", ["x"], ["a"], {})), x="a"), "given twice"
    yield "escapes", model(((f"Foo{ESCAPE}", ["x"], ["z"], {"name": ESCAPE}),), x="z"), "\\x1b"
    yield "long", model((("Foo" * 10_000, ["x"], ["z"], {"name": "n" * 20_000}),), x="z"), "long.onnx"
    yield "attribute-type", model(direction=3), "of another type"
    yield "shape-2-40", model(shape=(2**40, 2**20, 3)), "expected 1 to"
    yield "shape-negative", model(shape=(-5, 7, 3)), "(-5, 7, 3)"
    nameless = model(change=lambda m: setattr(m.graph.output[0], "name", ""))
    yield "output-nameless", nameless, "nothing gives the output ''"
    yield "opset-negative", model(change=lambda m: setattr(m.opset_import[0], "version", -5)), "opset -5"
    ours = model(change=lambda m: m.metadata_props.add(key="rnnspec", value="[" * 10_000))
    yield "metadata-nested", ours, "nested more than"


def _nested(depth: int) -> bytes:
    """A message inside itself."""
    found = b""
    for _ in range(depth):
        size, head = len(found), bytearray(b"\x0a")
        while size > 127:
            head.append(size & 127 | 128)
            size >>= 7
        found = bytes(head) + bytes([size]) + found
    return found
