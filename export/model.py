"""Checkpoint → ONNX file."""

import json
import os
from typing import Any

import numpy as np
import onnx

from rnnspec.atomic import write_atomically
from rnnspec.checkpoint import SPEC_VERSION, Checkpoint, read_header
from rnnspec.errors import SpecError
from rnnspec.export.graph import Graph
from rnnspec.export.ops import OnnxOps
from rnnspec.export.values import Parameter
from rnnspec.layers import Recurrent
from rnnspec.ops import scope
from rnnspec.reference.ops import NumpyOps
from rnnspec.valid import Valid

DEFAULT_OPSET = 17
_OLDEST_OPSET = 14  # the first with the attribute `layout`
METADATA_KEY = "rnnspec"


def export_onnx(checkpoint: Checkpoint, path: str | os.PathLike, **options) -> float:
    """Write the model as float32 ONNX, after running it in ONNX Runtime against the reference (EXPORT-6).

    Args:
        options: those of `build`.

    Returns:
        The largest error against the reference in float64 (ACC-1).

    Raises:
        SpecError: an option is wrong, or the file's numbers are (nothing is written then).
        UnsupportedError: `step` with a layer that has none.
    """
    from rnnspec.export.verify import verify

    data = build(checkpoint, **options).SerializeToString()
    worst = verify(data, checkpoint)
    write_atomically(path, data)
    return worst


def build(
    checkpoint: Checkpoint,
    *,
    opset: int = DEFAULT_OPSET,
    step: bool = False,
    lengths: bool = True,
    mask: bool = False,
    reset: bool = False,
    time_major: bool = False,
) -> onnx.ModelProto:
    """The ONNX model, not yet run.

    Inputs: `x` (batch, time, inputs), or ids (batch, time) as int64; `lengths` (batch,) as int32; each state by name
    (batch, size). Outputs: `y`, or `y.forward` and `y.backward`; each final state as `<name>.out`.

    Args:
        opset: 14 or newer.
        step: one time step without any loop, x (batch, inputs): feed each `<name>.out` back to `<name>`.
        lengths: False leaves that input out; every row then has all steps.
        mask: an input `mask` (batch, time) of booleans in place of `lengths`.
        reset: an input `reset` (batch, time) of booleans; every recurrent layer is a loop then.
        time_major: x and y are (time, batch, …).
    """
    newest = onnx.defs.onnx_opset_version()
    if not _OLDEST_OPSET <= opset <= newest:
        raise SpecError(f"opset: expected {_OLDEST_OPSET} to {newest}, found {opset}")
    for name, given in (("mask", mask), ("reset", reset)):
        if step and given:
            raise SpecError(f"{name}: a single step has none; leave out {name} or step")
    model = checkpoint.model
    graph = Graph(opset)
    axes = ["batch"] if step else ["time", "batch"] if time_major else ["batch", "time"]
    features, dtype = ([], "int64") if model.inputs is None else ([model.inputs], "float32")
    x = graph.input("x", dtype, (*axes, *features))
    valid = Valid(
        graph.input("lengths", "int32", ("batch",)) if lengths and not (mask or step) else None,
        graph.input("mask", "bool", ("batch", "time")) if mask else None,
        graph.input("reset", "bool", ("batch", "time")) if reset else None,
    )
    state = {name: graph.input(name, "float32", ("batch", size)) for name, size in model.states().items()}
    p = model.by_layer({name: Parameter(graph, name, array) for name, array in checkpoint.weights.items()})
    ops = OnnxOps(graph)
    if step:
        y, new = model.step(ops, p, x, state)
    else:
        if not time_major:
            x = graph.transpose(x, 1, 0, *range(2, len(x.shape)))
        y, new = model.apply(ops, p, x, valid, state)
    for name, value in model.named(y).items():
        swap = len(value.shape) == 3 and not time_major
        graph.output(graph.transpose(value, 1, 0, 2) if swap else value, name)
    for name, value in new.items():
        graph.output(value, f"{name}.out")
    initial = initial_states(checkpoint)
    header = {
        "version": SPEC_VERSION,
        "step": step,
        "time_major": time_major,
        "model": model.to_builtins(),
        "metadata": checkpoint.metadata,
        "paths": {layer.name: _path(ops.paths, layer.name) for layer in model.layers if isinstance(layer, Recurrent)},
        "state": [
            {"name": name, "input": name, "output": f"{name}.out", "shape": ["batch", size]}
            | ({"initial": initial[name].tolist()} if initial[name].any() else {})
            for name, size in model.states().items()
        ],
    } | ({"dtype": checkpoint.dtype} if checkpoint.dtype != "float32" else {})
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return graph.model({METADATA_KEY: text})


def initial_states(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """What sequences start from that are given no states: zeros, or learned; each (size,) in float32."""
    model = checkpoint.model
    zeros = {name: np.zeros((1, size), "float32") for name, size in model.states().items()}
    states = model.start(NumpyOps(), model.by_layer(checkpoint.weights), zeros)
    return {name: value[0].astype("float32") for name, value in states.items()}


def _path(paths: dict[str, str], layer: str) -> str:
    """How a layer was written, its parts apart where they differ."""
    parts = {name: text for name, text in paths.items() if name == layer or name.startswith(f"{layer}.")}
    if len(set(parts.values())) == 1:
        return next(iter(parts.values()))
    return "; ".join(f"{name}: {text}" for name, text in scope(parts, layer).items())


def paths(model: onnx.ModelProto, where: str = "model") -> dict[str, str]:
    """Recurrent layer → how it was written: a native node, or a `Scan` and why."""
    texts = [entry.value for entry in model.metadata_props if entry.key == METADATA_KEY]
    return describe(texts[0], where)["paths"]


def describe(text: str, where: str) -> dict[str, Any]:
    """The header that `build` put into the model's metadata (EXPORT-5)."""
    return read_header(text, where)
