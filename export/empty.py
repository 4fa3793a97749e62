"""Calls without a row, or without a step.

ONNX Runtime's RNN, GRU and LSTM nodes end the process at no rows, or give other states at no steps, and its Scan wants
a step. So inside the graph each time axis has a step and all values have a row: where a call has none, one is added,
and the results are cut. The same holds for windows over time, of which there may be none.
"""

from typing import NamedTuple

from rnnspec.export.graph import Graph
from rnnspec.export.values import Value
from rnnspec.valid import Valid


class Call(NamedTuple):
    """Of an input along `time` the `sizes` in the call, (2,): steps and rows; `missing`: how many of each are added;
    the `steps` alone, and whether there are `some`. Lists of one but for the sizes."""

    time: str
    sizes: Value
    missing: tuple[Value, Value]
    steps: Value
    some: Value


def call(graph: Graph, x: Value) -> Call:
    """The sizes of x (time, batch, …), or of x (batch, …), which counts as one step."""
    shape = graph.node("Shape", [x], (len(x.shape),))
    if x.shape[0] == "batch":
        sizes = graph.join([graph.integers(1), graph.slice(shape, 0, 1, 1)])
    else:
        sizes = graph.slice(shape, 0, 2, 2)
    lacking = graph.node("Sub", [graph.integer(1), sizes], (2,))
    lacking = graph.node("Max", [lacking, graph.integer(0)], (2,))
    more, rows = graph.node("Split", [lacking, graph.integers(1, 1)], (1,), (1,), axis=0)
    number = graph.slice(sizes, 0, 1, 1)
    any_step = graph.node("Greater", [number, graph.integer(0)], (1,))
    return Call(str(x.shape[0]), sizes, (more, rows), number, any_step)


def along(graph: Graph, time: str, steps: Value, some: Value | None) -> None:
    """Remember of a time axis how many `steps` it has in the call, and whether it has `some`: that is for axes where
    the step that is added is valid, and what comes of it has to be left out (`kept`)."""
    graph.shared(("steps", time), lambda: steps)
    if some is not None:
        graph.shared(("some", time), lambda: some)


def steps(graph: Graph, time: str | int) -> Value:
    """How many steps a time axis has in the call, a list of one."""
    return graph.integers(time) if isinstance(time, int) else graph.shared(("steps", time), lambda: None)


def some(graph: Graph, time: str | int) -> Value | None:
    """Whether a time axis has a step in the call, a list of one; None where nothing need ask."""
    return graph.shared(("some", time), lambda: None)


def filled(graph: Graph, call: Call, x: Value, valid: Valid, padding: float | None) -> tuple[Value, Valid]:
    """x (time, batch, …) of a step and a row at least, or (batch, …) of a row, which do not count."""
    more, rows = call.missing
    lacking = [rows] if x.shape[0] == "batch" else [more, rows]
    rest = len(x.shape) - len(lacking)
    filling = None
    if padding is not None:
        filling = graph.integer(int(padding)) if not rest else graph.scalar(padding)
    x = graph.pad(x, [*lacking, *([graph.integers(*[0] * rest)] if rest else [])], x.shape, filling)
    lengths, mask, reset = valid
    return x, Valid(
        None if lengths is None else graph.pad(lengths, [rows], lengths.shape),
        *(None if flags is None else graph.pad(flags, [rows, more], flags.shape) for flags in (mask, reset)),
    )


def rows_filled(graph: Graph, value: Value) -> Value:
    """A state (batch, size), of a row at least."""
    lacking = graph.node("Sub", [graph.integer(1), graph.node("Shape", [value], (2,))], (2,))
    lacking = graph.node("Max", [graph.slice(lacking, 0, 1, 1), graph.integer(0)], (1,))
    return graph.pad(value, [lacking, graph.integers(0)], value.shape)


def cut(graph: Graph, call: Call, value: Value) -> Value:
    """A sequence (time, batch, …), or a vector (batch, …), without what was added."""
    if len(value.shape) == 3:
        time = value.shape[0]
        each = [steps(graph, time), graph.slice(call.sizes, 1, 2, 1)] if time != call.time else []
        sizes = graph.join(each, 0) if each else call.sizes
        return graph.node("Slice", [value, graph.integers(0, 0), sizes, graph.integers(0, 1)], value.shape)
    rows = graph.slice(call.sizes, 1, 2, 1)
    return graph.node("Slice", [value, graph.integers(0), rows, graph.integers(0)], value.shape)


def kept(graph: Graph, time: str | int, value: Value, otherwise: Value) -> Value:
    """A value where the axis `time` has a step, else another."""
    any_step = some(graph, time)
    return value if any_step is None else graph.node("Where", [any_step, value, otherwise], value.shape)
