"""Calls without a row, or without a step.

ONNX Runtime's RNN, GRU and LSTM nodes end the process at no rows, or give other states at no steps, and its Scan wants
a step. So where there are none, the graph computes with one row and one step more, and cuts the results.
"""

from typing import NamedTuple

from rnnspec.export.graph import Graph
from rnnspec.export.values import Value
from rnnspec.valid import Valid


class Call(NamedTuple):
    """The `sizes` of a call, (2,): steps and rows; `missing`: how many of each are added, lists of one number."""

    sizes: Value
    missing: tuple[Value, Value]


def call(graph: Graph, x: Value) -> Call:
    """The sizes of x (time, batch, …)."""
    sizes = graph.slice(graph.node("Shape", [x], (len(x.shape),)), 0, 2, 2)
    lacking = graph.node("Sub", [graph.integer(1), sizes], (2,))
    lacking = graph.node("Max", [lacking, graph.integer(0)], (2,))
    steps, rows = graph.node("Split", [lacking, graph.integers(1, 1)], (1,), (1,), axis=0)
    some = graph.node("Greater", [graph.slice(sizes, 0, 1, 1), graph.integer(0)], (1,))
    graph.shared(("some", x.shape[0]), lambda: some)
    return Call(sizes, (steps, rows))


def filled(graph: Graph, call: Call, x: Value, valid: Valid, padding: float | None) -> tuple[Value, Valid]:
    """x (time, batch, …) of a step and a row at least, which do not count."""
    steps, rows = call.missing
    none = [graph.integers(*[0] * (len(x.shape) - 2))] if len(x.shape) > 2 else []
    filling = None
    if padding is not None:
        filling = graph.integer(int(padding)) if len(x.shape) == 2 else graph.scalar(padding)
    x = graph.pad(x, [steps, rows, *none], x.shape, filling)
    lengths, mask, reset = valid
    return x, Valid(
        None if lengths is None else graph.pad(lengths, [rows], lengths.shape),
        *(None if flags is None else graph.pad(flags, [rows, steps], flags.shape) for flags in (mask, reset)),
    )


def rows_filled(graph: Graph, value: Value) -> Value:
    """A state (batch, size), of a row at least."""
    lacking = graph.node("Sub", [graph.integer(1), graph.node("Shape", [value], (2,))], (2,))
    lacking = graph.node("Max", [graph.slice(lacking, 0, 1, 1), graph.integer(0)], (1,))
    return graph.pad(value, [lacking, graph.integers(0)], value.shape)


def cut(graph: Graph, call: Call, value: Value) -> Value:
    """A sequence (time, batch, …), or a vector (batch, …), without what was added."""
    if len(value.shape) == 3:
        return graph.node("Slice", [value, graph.integers(0, 0), call.sizes, graph.integers(0, 1)], value.shape)
    rows = graph.slice(call.sizes, 1, 2, 1)
    return graph.node("Slice", [value, graph.integers(0), rows, graph.integers(0)], value.shape)


def kept(graph: Graph, time: str | int, value: Value, otherwise: Value) -> Value:
    """A value where the axis `time` has a step, else another."""
    some = graph.shared(("some", time), lambda: None)
    return value if some is None else graph.node("Where", [some, value, otherwise], value.shape)
