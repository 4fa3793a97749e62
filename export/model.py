"""Checkpoint → ONNX file."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx

from rnnspec.atomic import write_atomically
from rnnspec.checkpoint import SPEC_VERSION, Checkpoint
from rnnspec.errors import SpecError
from rnnspec.export import empty, sequences
from rnnspec.export.graph import Graph, little
from rnnspec.export.header import METADATA_KEY
from rnnspec.export.ops import OnnxOps
from rnnspec.export.start import initial_states, learned, started
from rnnspec.export.values import Parameter
from rnnspec.layers import Recurrent
from rnnspec.ops import scope
from rnnspec.valid import Valid

DEFAULT_OPSET = 17
_OLDEST_OPSET = 14  # the first with the attribute `layout`
LARGEST = 2**31 - 2**26  # bytes of weights in one file: protocol buffers end at 2 GiB, and there is more than weights

Made = TypeVar("Made", bound=Graph)


def export_onnx(checkpoint: Checkpoint, path: str | os.PathLike, **options: Any) -> float:
    """Write the model as float32 ONNX, after running it in ONNX Runtime against the reference (EXPORT-6).

    Args:
        options: those of `build`.

    Returns:
        The largest error against the reference in float64 (ACC-1).

    Raises:
        SpecError: an option is wrong, or the file's numbers are (nothing is written then).
        UnsupportedError: `step` with a layer that has none.
    """
    from rnnspec.export.verify import verify  # ONNX Runtime is needed by no other function

    path = Path(path)
    beside = f"{path.name}.data"
    data, tensors = serialised(checkpoint, beside, **options)
    worst = verify(data, checkpoint, tensors)
    if tensors:
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
        path.unlink(missing_ok=True)  # an old model must not be found with the new tensors
        write_atomically(path.with_name(beside), (array.data for array in tensors.values()))
    write_atomically(path, data)
    return worst


def serialised(checkpoint: Checkpoint, location: str, **options: Any) -> tuple[bytes, dict[str, np.ndarray]]:
    """The bytes of the model; and where one file cannot hold it, the tensors that belong one after the other into a
    file `location` beside it.

    Args:
        options: those of `build`.
    """
    graph, metadata = trace(Graph, checkpoint, **options)
    if sum(array.nbytes for array in graph.arrays.values()) <= LARGEST:
        return graph.model(metadata).SerializeToString(), {}
    data = graph.model(metadata, location).SerializeToString()
    return data, {name: little(array) for name, array in graph.large().items()}


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
    """The ONNX model in one piece, not yet run.

    Inputs: `x` (batch, time, inputs), or ids (batch, time) as int64; `lengths` (batch,) as int32; each state by name
    (batch, size). A state that starts from what was learned may be left out. Outputs: `y`, or `y.forward` and
    `y.backward`; each final state as `<name>.out`.

    Args:
        opset: 14 or newer.
        step: one time step without any loop, x (batch, inputs): feed each `<name>.out` back to `<name>`.
        lengths: False leaves that input out; every row then has all steps.
        mask: an input `mask` (batch, time) of booleans in place of `lengths`.
        reset: an input `reset` (batch, time) of booleans; every recurrent layer is a loop then.
        time_major: x and y are (time, batch, …).

    Raises:
        SpecError: an option is wrong; the weights are more than one file can hold.
        UnsupportedError: `step` with a layer that has none.
    """
    options = {"step": step, "lengths": lengths, "mask": mask, "reset": reset, "time_major": time_major}
    graph, metadata = trace(Graph, checkpoint, opset=opset, **options)
    if (size := sum(array.nbytes for array in graph.arrays.values())) > LARGEST:
        raise SpecError(f"build: {size:,} bytes of weights, more than one ONNX file holds; export_onnx writes two")
    return graph.model(metadata)


def trace(
    kind: Callable[[int], Made],
    checkpoint: Checkpoint,
    *,
    opset: int = DEFAULT_OPSET,
    step: bool = False,
    lengths: bool = True,
    mask: bool = False,
    reset: bool = False,
    time_major: bool = False,
) -> tuple[Made, dict[str, str]]:
    """The model written into a graph, which `kind` makes for an opset, and its metadata; options as of `build`.

    Raises:
        SpecError: an opset that is not written, or options that contradict each other.
    """
    newest = onnx.defs.onnx_opset_version()
    if not _OLDEST_OPSET <= opset <= newest:
        raise SpecError(f"opset: expected {_OLDEST_OPSET} to {newest}, found {opset}")
    for name, given in (("mask", mask), ("reset", reset)):
        if step and given:
            raise SpecError(f"{name}: a single step has none; leave out {name} or step")
    model = checkpoint.model
    graph = kind(opset)
    axes = ["batch"] if step else ["time", "batch"] if time_major else ["batch", "time"]
    features, dtype = ([], "int64") if model.inputs is None else ([model.inputs], "float32")
    x = graph.input("x", dtype, (*axes, *features))
    valid = Valid(
        graph.input("lengths", "int32", ("batch",)) if lengths and not (mask or step) else None,
        graph.input("mask", "bool", ("batch", "time")) if mask else None,
        graph.input("reset", "bool", ("batch", "time")) if reset else None,
    )
    initial = initial_states(checkpoint)
    state = {}
    for name, size in model.states().items():
        if name in learned(model):  # of one row for all, or of one for each
            state[name] = graph.input(name, "float32", (f"{name}.rows", size), initial[name][None])
        else:
            state[name] = graph.input(name, "float32", ("batch", size))
    p = model.by_layer({name: Parameter(graph, name, array) for name, array in checkpoint.weights.items()})
    ops = OnnxOps(graph)
    if step:
        rows = graph.slice(graph.node("Shape", [x], (len(x.shape),)), 0, 1, 1) if learned(model) else None
        y, new = model.step(ops, p, x, started(graph, model, state, rows))
    else:
        if not time_major:
            x = graph.transpose(x, 1, 0, *range(2, len(x.shape)))
        call = empty.call(graph, x)
        x, valid = empty.filled(graph, call, x, valid, model.padding)
        start = {name: empty.rows_filled(graph, value) for name, value in state.items()}
        start = started(graph, model, start, graph.unsqueeze(sequences.sizes(graph, x)[1], 0))
        y, new = model.apply(ops, p, x, valid, start)
        if valid.all:
            new = {name: empty.kept(graph, x.shape[0], value, start[name]) for name, value in new.items()}
        y = tuple(empty.cut(graph, call, part) for part in y) if model.separate else empty.cut(graph, call, y)
        new = {name: empty.cut(graph, call, value) for name, value in new.items()}
    for name, array in checkpoint.weights.items():
        if name not in graph.read and ".initial." not in name:
            graph.constant(
                array.astype(graph.dtype, copy=False), name
            )  # no node needs it; who reads the file back does
    for name, value in model.named(y).items():
        swap = len(value.shape) == 3 and not time_major
        graph.output(graph.transpose(value, 1, 0, 2) if swap else value, name)
    for name, value in new.items():
        graph.output(value, f"{name}.out")
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
    return graph, {METADATA_KEY: text}


def _path(paths: dict[str, str], layer: str) -> str:
    """How a layer was written, its parts apart where they differ."""
    parts = {name: text for name, text in paths.items() if name == layer or name.startswith(f"{layer}.")}
    if len(set(parts.values())) == 1:
        return next(iter(parts.values()))
    return "; ".join(f"{name}: {text}" for name, text in scope(parts, layer).items())
