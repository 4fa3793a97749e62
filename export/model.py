"""Checkpoint → ONNX file."""

import json
import os
from typing import Any

import onnx

from rnnspec.checkpoint import SPEC_VERSION, Checkpoint, write_atomically
from rnnspec.errors import SpecError
from rnnspec.export.graph import Graph, Parameter
from rnnspec.export.ops import OnnxOps
from rnnspec.valid import Valid

DEFAULT_OPSET = 17
_OLDEST_OPSET = 14  # the first with the attribute `layout`
METADATA_KEY = "rnnspec"


def export_onnx(
    checkpoint: Checkpoint,
    path: str | os.PathLike,
    *,
    opset: int = DEFAULT_OPSET,
    step: bool = False,
    lengths: bool = True,
    time_major: bool = False,
) -> float:
    """Write the model as float32 ONNX, after running it in ONNX Runtime against the reference (EXPORT-6).

    Inputs: `x` (batch, time, inputs), or ids (batch, time) as int64; `lengths` (batch,) as int32; each state by name
    (batch, size). Outputs: `y`; each final state as `<name>.out`.

    Args:
        opset: 14 or newer.
        step: one time step without any loop, x (batch, inputs): feed each `<name>.out` back to `<name>`.
        lengths: False leaves that input out; every row then has all steps.
        time_major: x and y are (time, batch, …).

    Returns:
        The largest error against the reference in float64 (ACC-1).

    Raises:
        SpecError: an option is wrong, or the file's numbers are (nothing is written then).
        UnsupportedError: `step` with a layer that runs backward.
    """
    from rnnspec.export.verify import verify

    data = build(checkpoint, opset=opset, step=step, lengths=lengths, time_major=time_major).SerializeToString()
    worst = verify(data, checkpoint)
    write_atomically(path, data)
    return worst


def build(
    checkpoint: Checkpoint,
    *,
    opset: int = DEFAULT_OPSET,
    step: bool = False,
    lengths: bool = True,
    time_major: bool = False,
) -> onnx.ModelProto:
    """The ONNX model of `export_onnx`, not yet run."""
    newest = onnx.defs.onnx_opset_version()
    if not _OLDEST_OPSET <= opset <= newest:
        raise SpecError(f"opset: expected {_OLDEST_OPSET} to {newest}, found {opset}")
    model = checkpoint.model
    graph = Graph()
    axes = ["batch"] if step else ["time", "batch"] if time_major else ["batch", "time"]
    features, dtype = ([], "int64") if model.inputs is None else ([model.inputs], "float32")
    x = graph.input("x", dtype, (*axes, *features))
    rows = graph.input("lengths", "int32", ("batch",)) if lengths and not step else None
    state = {name: graph.input(name, "float32", ("batch", size)) for name, size in model.states().items()}
    p = model.by_layer({name: Parameter(graph, name, array) for name, array in checkpoint.weights.items()})
    ops = OnnxOps(graph)
    if step:
        y, new = model.step(ops, p, x, state)
    else:
        if not time_major:
            x = graph.transpose(x, 1, 0, *range(2, len(x.shape)))
        y, new = model.apply(ops, p, x, Valid(rows), state)
        if not time_major and model.return_sequences:
            y = graph.transpose(y, 1, 0, 2)
    graph.output(y, "y")
    for name, value in new.items():
        graph.output(value, f"{name}.out")
    header = {
        "version": SPEC_VERSION,
        "step": step,
        "time_major": time_major,
        "model": model.to_builtins(),
        "metadata": checkpoint.metadata,
        "state": [
            {"name": name, "input": name, "output": f"{name}.out", "shape": ["batch", size]}
            for name, size in model.states().items()
        ],
    }
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return graph.model(opset, {METADATA_KEY: text})


def describe(text: str, where: str) -> dict[str, Any]:
    """The header that `build` put into the model's metadata (EXPORT-5)."""
    header = json.loads(text)
    if header.get("version") != SPEC_VERSION:
        version = header.get("version")
        raise SpecError(f"{where}: written for spec version {version!r}, this is {SPEC_VERSION}; update rnnspec")
    return header
