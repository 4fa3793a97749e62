"""rnnspec.export against the graph that a person writes for the same layer, both run by ONNX Runtime."""

from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
from cases import LAYER, Case, layers
from onnx import TensorProto, helper, numpy_helper
from timing import Comparison, Rival

from rnnspec import GRU
from rnnspec.conventions import onnx as conventions
from rnnspec.export import DEFAULT_OPSET, build

TARGETS = {"with lengths": 1.05, "no lengths": 1.05, "--step": 1.05}


def versions() -> dict[str, str]:
    """Package → version."""
    return {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}


def comparisons(quick: bool, threads: int | None) -> Iterator[Comparison]:
    """Forward with batch first and with time first, and one step."""
    for layer in layers(quick):
        for time_major in (False, True):
            hand = _session(_by_hand(layer, time_major), threads)
            ours = {
                label: _session(build(layer.checkpoint, lengths=lengths, time_major=time_major), threads)
                for label, lengths in (("with lengths", True), ("no lengths", False))
            }
            for case in layer.sequences():
                x = case.x.swapaxes(0, 1).copy() if time_major else case.x
                feeds = {"x": x, **case.state}
                lengths = {"lengths": np.full(case.batch, case.time, "int32")}
                rivals = {
                    "by hand": _rival(hand, _hand_feeds(case, x)),
                    "with lengths": _rival(ours["with lengths"], feeds | lengths),
                    "no lengths": _rival(ours["no lengths"], feeds),
                }
                what = "forward, time first" if time_major else "forward, batch first"
                yield Comparison(what, case.name, case.size, rivals)
        if layer.has_step:
            rivals = {
                "by hand": _rival(hand, _hand_feeds(layer, layer.x)),
                "--step": _rival(
                    _session(build(layer.checkpoint, step=True), threads), {"x": layer.x[:, 0], **layer.state}
                ),
            }
            yield Comparison("one step", layer.name, layer.size, rivals)


def _rival(session: onnxruntime.InferenceSession, feeds: dict[str, np.ndarray]) -> Rival:
    return Rival(lambda: session.run(None, feeds))


def _session(model: onnx.ModelProto, threads: int | None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _hand_feeds(case: Case, x: np.ndarray) -> dict[str, np.ndarray]:
    return {"x": x, **{name.removeprefix(LAYER + "."): h[None] for name, h in case.state.items()}}


def _by_hand(layer: Case, time_major: bool) -> onnx.ModelProto:
    """Transpose, the node with its states as ONNX has them, Squeeze, Transpose; no transposes with time first."""
    kind, units = type(layer.cell).__name__, layer.cell.units
    names = [name.removeprefix(LAYER + ".") for name in layer.state]
    theirs = conventions.NODES[kind].to_theirs(layer.weights())
    tensors = {name: array[None] for name, array in theirs.items()} | {"axis": np.array([1])}
    attributes = {"linear_before_reset": int(layer.cell.reset_after)} if isinstance(layer.cell, GRU) else {}
    given, made = ("x", "y") if time_major else ("x.t", "y.t")
    finals = [f"{name}.out" for name in names]
    nodes = [
        helper.make_node(kind, [given, "W", "R", "B", "", *names], ["Y", *finals], hidden_size=units, **attributes),
        helper.make_node("Squeeze", ["Y", "axis"], [made]),
    ]
    if not time_major:
        nodes.insert(0, helper.make_node("Transpose", ["x"], ["x.t"], perm=[1, 0, 2]))
        nodes.append(helper.make_node("Transpose", ["y.t"], ["y"], perm=[1, 0, 2]))
    axes = ["time", "batch"] if time_major else ["batch", "time"]

    def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "by_hand",
        [value("x", *axes, layer.inputs), *(value(name, 1, "batch", units) for name in names)],
        [value("y", *axes, units), *(value(name, 1, "batch", units) for name in finals)],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    opsets = [helper.make_opsetid("", DEFAULT_OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets))
