"""Checkpoint → ONNX file."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx

from rnnspec.atomic import write_atomically
from rnnspec.checkpoint import Checkpoint, load
from rnnspec.errors import SpecError
from rnnspec.export import empty, header, inputs, sequences, start
from rnnspec.export.graph import Graph, little
from rnnspec.export.header import METADATA_KEY
from rnnspec.export.ops import OnnxOps
from rnnspec.export.places import placed
from rnnspec.export.values import Parameter, Value
from rnnspec.layers import Recurrent
from rnnspec.model import ByLayer, Model, Output
from rnnspec.ops import States, grouped, under

DEFAULT_OPSET = 17
_OLDEST_OPSET = 14  # the first with the attribute `layout`
LARGEST = 2**31 - 2**26  # bytes of weights in one file: protocol buffers end at 2 GiB, and there is more than weights

Made = TypeVar("Made", bound=Graph)


def export_onnx(
    checkpoint: Checkpoint | str | os.PathLike,
    path: str | os.PathLike,
    *,
    opset: int = DEFAULT_OPSET,
    step: bool = False,
    lengths: bool = True,
    mask: bool = False,
    reset: bool = False,
    time_major: bool = False,
) -> float:
    """Write the model as float32 ONNX, after running it in ONNX Runtime against the reference (EXPORT-6).

    Args:
        checkpoint: or its file.
        opset, step, lengths, mask, reset, time_major: as of `build`.

    Returns:
        The largest error against the reference in float64 (ACC-1).

    Raises:
        SpecError: an option is wrong, or the file's numbers are (nothing is written then).
        UnsupportedError: `step` with a layer that has none.
    """
    from rnnspec.export.verify import verify  # ONNX Runtime is needed by no other function

    if isinstance(checkpoint, (str, os.PathLike)):
        checkpoint = load(checkpoint)
    if not isinstance(checkpoint, Checkpoint):
        found = f"{type(checkpoint).__name__}; a network's is checkpoint(net), of its backend"
        raise SpecError(f"export_onnx: expected a checkpoint or its file, found {found}")
    path = Path(path)
    beside = f"{path.name}.data"
    options = {"step": step, "lengths": lengths, "mask": mask, "reset": reset, "time_major": time_major}
    data, tensors = serialised(checkpoint, beside, opset=opset, **options)
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
    (batch, size). Inputs that have names bear these, a vector is (batch, inputs), and `<input>.lengths` is of each with
    a time of its own. A state that starts from what was learned may be left out, and so may one that starts from
    another place (GRAPH-5); given for one row it is that of all. Outputs: `y`, or `y.forward` and `y.backward`, or
    those of `Model.outputs` by name; each final state as `<name>.out`.

    Args:
        opset: 14 or newer.
        step: one time step without any loop, x (batch, inputs): feed each `<name>.out` back to `<name>`. Inputs that
            are read whole, as a memory is, are given whole at each step; the layers that read these alone run whole,
            and their states may be left out.
        lengths: False leaves these inputs out; every row then has all steps.
        mask: inputs `mask` (batch, time) of booleans in place of `lengths`.
        reset: inputs `reset` (batch, time) of booleans, where sequences may begin anew (GRAPH-7); every recurrent layer
            that they reach is a loop then.
        time_major: sequences are (time, batch, …).

    Raises:
        SpecError: an option is wrong; the weights are more than one file can hold.
        UnsupportedError: `step` with a layer that has none; an input and an output of one name.
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
        UnsupportedError: as of `build`.
    """
    newest = onnx.defs.onnx_opset_version()
    if not _OLDEST_OPSET <= opset <= newest:
        raise SpecError(f"opset: expected {_OLDEST_OPSET} to {newest}, found {opset}")
    model = checkpoint.model
    graph = kind(opset)
    given = inputs.write(graph, model, step, lengths, mask, reset, time_major)
    state = start.write(graph, checkpoint, step)
    p = model.by_layer({name: Parameter(graph, name, array) for name, array in checkpoint.weights.items()})
    ops = OnnxOps(graph, state)
    found = {name: value for name, value in state.items() if name not in start.elsewhere(model)}
    if step and model.stepped.issuperset([*model.given, *(layer.name for layer in model.layers)]):
        x, valid = given
        rows = _rows(graph, next(iter(x.values()))) if start.learned(model) else None
        y, new = model.step(ops, p, x, start.started(graph, found, rows), valid)
    else:
        y, new = _filled(ops, model, p, given, found, step, time_major)
    defaults = {name.replace(".", ".initial.", 1) for name in start.learned(model)}  # inputs hold them
    for name, array in checkpoint.weights.items():
        if name not in graph.read and name not in defaults:  # no node needs it; who reads the file back does
            graph.constant(array.astype(graph.dtype, copy=False), name)
    for name, value in model.named(y).items():
        swap = len(value.shape) == 3 and not time_major
        graph.output(graph.transpose(value, 1, 0, 2) if swap else value, name)
    for name, value in new.items():
        graph.output(value, f"{name}.out")
    return graph, {METADATA_KEY: header.written(checkpoint, step, time_major, ops.paths)}


def _filled(
    ops: OnnxOps, model: Model, p: ByLayer, given: inputs.Given, state: States, step: bool, time_major: bool
) -> tuple[Output, States]:
    """The model on calls that may have no row, or no step: it computes with one more, and what comes of it is cut."""
    graph = ops.graph
    (x, valid), call = inputs.fill(graph, model, given, step, time_major)
    state = {name: empty.rows_filled(graph, value) for name, value in state.items()}
    sequence = next((x[name] for name in valid), None)
    rows = _rows(graph, next(iter(x.values()))) if sequence is None else _rows_along(graph, sequence)
    state = start.started(graph, state, rows)
    nodes = placed(graph, model.graph.nodes)
    if step:
        y, new = model.step(ops, p, x, state, valid, nodes)
        for layer in model.layers:  # that run whole: the states that they are given come back
            if isinstance(layer, Recurrent) and layer.start and layer.name not in model.stepped:
                chosen = start.chosen(graph, layer, ops.given, grouped(new)[layer.name])
                new |= under(layer.name, chosen)
    else:
        y, new = model.apply(ops, p, x, valid, state, nodes)
    for value in new.values():
        _ = value.name  # those that nothing needed are written before outputs are
    y = model.each(lambda _, part: empty.cut(graph, call, part), y)
    return y, {name: empty.cut(graph, call, value) for name, value in new.items()}


def _rows(graph: Graph, x: Value) -> Value:
    """How many rows x (batch, …) has, a list of one."""
    return graph.slice(graph.node("Shape", [x], (len(x.shape),)), 0, 1, 1)


def _rows_along(graph: Graph, x: Value) -> Value:
    """How many rows x (time, batch, …) has, a list of one."""
    return graph.unsqueeze(sequences.sizes(graph, x)[1], 0)
