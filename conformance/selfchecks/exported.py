"""Models to export, and what ONNX Runtime alone makes of their graphs."""

import importlib
from typing import Any

import numpy as np

from rnnspec import accuracy
from rnnspec.cells import GRU, LSTM, RNN, LayerNorm, Stack
from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.check import holds
from rnnspec.layers import Dense, Recurrent
from rnnspec.model import Model
from rnnspec.reference import Net

_NORM = LayerNorm(gates="joint", over="gate", epsilon=1e-3)
BOTH = Recurrent(name="both", cell=LSTM(units=5, peephole=True), direction="bidirectional")
_STACK = Recurrent(name="stack", cell=Stack(cells=(GRU(units=4, reset_after=False), LSTM(units=6, projection=2))))
PLAIN = Recurrent(name="plain", cell=RNN(units=7, activation="relu", bias=False))
LEARNED = Recurrent(name="norm", cell=RNN(units=7, layer_norm=_NORM), learned_state=True)
LEARNED_PAIR = Recurrent(name="pair", cell=LSTM(units=4), direction="bidirectional", learned_state=True)
MODEL = Model(inputs=3, layers=(BOTH, _STACK, PLAIN, LEARNED, Dense(name="dense", units=2)))
STREAM = Model(inputs=3, layers=(_STACK, PLAIN, LEARNED, Dense(name="dense", units=2)))
ONNX, RUNTIME = ("onnx",), ("onnx", "onnxruntime")  # packages that a check needs
LOOPS = {"Loop", "Scan", "If", "RNN", "LSTM", "GRU"}


def exporter() -> Any:
    """The module `rnnspec.export.model`, which can only be imported where onnx is installed."""
    return importlib.import_module("rnnspec.export.model")


def checkpoint_of(model: Model) -> Checkpoint:
    """Random weights, biases and learned states too, and metadata."""
    rng = np.random.default_rng(7)
    weights = {k: (rng.standard_normal(s) / 2).astype("float32") for k, s in model.parameters().items()}
    return Checkpoint(model, weights, {"a": [1, "€"]})


def inputs_of(model: Model, batch: int, time: int) -> dict[str, np.ndarray]:
    """x, or ids, and all states, none of them 0."""
    rng = np.random.default_rng(8)
    features = model.given["x"].features
    if features is None:
        x = rng.integers(1, 3, (batch, time))
    else:
        x = rng.standard_normal((batch, time, features)).astype("float32")
    return {"x": x} | {k: rng.standard_normal((batch, n)).astype("float32") for k, n in model.states().items()}


def results_of(graph: Any, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What ONNX Runtime makes of the graph, by the names of its outputs."""
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # it warns of states that may be left out
    session = runtime.InferenceSession(graph.SerializeToString(), options)
    names = [node.name for node in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


def expected_of(checkpoint: Checkpoint, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The reference's answer in float64, under the names of the graph's outputs."""
    call = {name: feeds[name] for name in ("x", "lengths", "mask", "reset") if name in feeds}
    given = {name: feeds[name] for name in checkpoint.model.states() if name in feeds}
    y, state = Net(checkpoint, "float64")(**call, state=given or None)
    return checkpoint.model.named(y) | {f"{name}.out": value for name, value in state.items()}


def agrees(what: str, checkpoint: Checkpoint, graph: Any, feeds: dict[str, np.ndarray]) -> None:
    """ONNX Runtime and the reference give the same numbers."""
    name, error = accuracy.worst(results_of(graph, feeds), expected_of(checkpoint, feeds))
    holds(f"{what}: {name} is off by {error:.1e}", error < 1e-5)


def types_of(nodes: Any) -> dict[str, tuple]:
    """Name → dtype and axes of the inputs, or of the outputs."""
    helper = importlib.import_module("onnx").helper
    return {
        node.name: (
            str(helper.tensor_dtype_to_np_dtype(node.type.tensor_type.elem_type)),
            *(axis.dim_param or axis.dim_value for axis in node.type.tensor_type.shape.dim),
        )
        for node in nodes
    }


def attributes_of(node: Any) -> dict[str, Any]:
    """Name → value of what is written out."""
    helper = importlib.import_module("onnx").helper
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
