"""Which steps count, as nodes: masks, the order of the valid steps, and what is taken at them.

Sequences are (time, batch, …) inside the graph. What several layers need is shared under the names of the values that
it is made of, or of the axes where it is their size alone.
"""

from typing import NamedTuple

import numpy as np

from rnnspec.export import empty
from rnnspec.export.graph import Graph
from rnnspec.export.values import Value
from rnnspec.valid import Valid

_END = np.iinfo("int64").max


class Order(NamedTuple):
    """The marked steps of each row, in the order of visits; all (time, batch)."""

    visited: Value  # how many steps were marked so far, this one included
    slot: Value  # the place of this step, if the marked ones come first
    step: Value  # the inverse: the step that is at this place
    total: Value  # (1, batch): how many steps are marked


def valid_steps(graph: Graph, valid: Valid, x: Value) -> Value | None:
    """(time, batch): whether the step is valid; None if all are. x (time, batch, …) has the sizes."""
    if valid.mask is not None:
        mask = valid.mask
        return graph.shared(("valid", mask.name), lambda: graph.transpose(mask, 1, 0))
    if valid.lengths is None:
        return None
    lengths = valid.lengths
    return graph.shared(("valid", lengths.name, x.shape[0]), lambda: _before(graph, lengths, x))


def unpadded(graph: Graph, x: Value, padding: float, valid: Valid) -> Valid:
    """Without the steps of x (time, batch, …) whose features, or id, all equal `padding` (MODEL-5)."""
    ids = len(x.shape) == 2
    value = graph.integer(int(padding)) if ids else graph.scalar(padding)
    mask = graph.node("Not", [graph.node("Equal", [x, value], x.shape)], x.shape)
    if not ids:
        ones = graph.node("Cast", [mask], x.shape, to=_INT64)
        count = graph.node("ReduceSum", [ones, graph.integers(2)], x.shape[:2], keepdims=0)
        mask = graph.node("Greater", [count, graph.integer(0)], x.shape[:2])
    if valid.mask is not None:
        mask = graph.node("And", [mask, graph.transpose(valid.mask, 1, 0)], x.shape[:2])
    if valid.lengths is not None:
        mask = graph.node("And", [mask, _before(graph, valid.lengths, x)], x.shape[:2])
    return Valid(mask=graph.transpose(mask, 1, 0), reset=valid.reset)


def _before(graph: Graph, lengths: Value, x: Value) -> Value:
    rows = graph.unsqueeze(graph.node("Cast", [lengths], lengths.shape, to=_INT64), 0)
    return graph.node("Less", [time_index(graph, x), rows], x.shape[:2])


def begins(graph: Graph, valid: Valid, reverse: bool) -> Value | None:
    """(time, batch): whether a sequence begins there in the order of visits (UNROLL-12)."""
    if valid.reset is None:
        return None
    reset = valid.reset
    forward = graph.shared(("reset", reset.name), lambda: graph.transpose(reset, 1, 0))
    if not reverse:
        return forward

    def shifted() -> Value:
        _, batch = sizes(graph, forward)
        shape = graph.join([graph.integers(1), graph.unsqueeze(batch, 0)])
        no = graph.node("Expand", [graph.constant(np.array([[False]]), "no"), shape], (1, forward.shape[1]))
        longer = graph.node("Concat", [forward, no], (f"{forward.shape[0]}+1", forward.shape[1]), axis=0)
        return graph.slice(longer, 1, _END, forward.shape[0])

    return graph.shared(("begins", reset.name), shifted)


def markers(graph: Graph, valid: Valid, x: Value, reverse: bool) -> Value | None:
    """(time, batch): steps whose output holds until the next; None if all are valid."""
    steps, new = valid_steps(graph, valid, x), begins(graph, valid, reverse)
    if steps is None or new is None:
        return steps
    return graph.shared(("markers", steps.name, new.name), lambda: graph.node("Or", [steps, new], steps.shape))


def order(graph: Graph, marked: Value, reverse: bool) -> Order:
    """The marked steps in front, made once for each mask."""
    return graph.shared(("order", marked.name, reverse), lambda: _order(graph, marked, reverse))


def _order(graph: Graph, marked: Value, reverse: bool) -> Order:
    shape = marked.shape
    one = graph.integer(1)
    ones = graph.node("Cast", [marked], shape, to=_INT64)
    count = graph.node("CumSum", [ones, graph.integer(0)], shape, reverse=int(reverse))
    total = graph.node("ReduceSum", [ones, graph.integers(0)], (1, shape[1]), keepdims=1)
    t = time_index(graph, marked)
    time, _ = sizes(graph, marked)
    visited = graph.node("Sub", [time, t], t.shape) if reverse else graph.node("Add", [t, one], t.shape)
    unmarked = graph.node("Sub", [graph.node("Add", [total, visited], shape), count], shape)
    slot = graph.node("Sub", [graph.node("Where", [marked, count, unmarked], shape), one], shape)
    everywhere = graph.node("Expand", [t, graph.node("Shape", [marked], (2,))], shape)
    step = graph.node("ScatterElements", [slot, slot, everywhere], shape, axis=0)
    return Order(count, slot, step, total)


def rows(graph: Graph, x: Value, steps: Value) -> Value:
    """x (time, batch, features) → at (t, b) x at (steps[t, b], b)."""
    _, batch = sizes(graph, x)

    def index() -> Value:
        each = graph.node("Range", [graph.integer(0), batch, graph.integer(1)], (x.shape[1],))
        start = graph.node("Mul", [steps, batch], steps.shape)
        return graph.node("Add", [start, each], steps.shape)

    flat = graph.reshape(x, (-1, int(x.shape[2])), (f"max(1,{x.shape[0]})*batch", x.shape[2]))
    return graph.node("Gather", [flat, graph.shared(("rows", steps.name), index)], x.shape, axis=0)


def masked(graph: Graph, x: Value, steps: Value | None) -> Value:
    """x, 0 at steps that are not marked."""
    if steps is None:
        return x
    return graph.node("Where", [wide(graph, steps), x, graph.scalar(0)], x.shape)


def wide(graph: Graph, steps: Value) -> Value:
    """(time, batch, 1), to go with features."""
    return graph.shared(("wide", steps.name), lambda: graph.unsqueeze(steps, 2))


def hold(graph: Graph, y: Value, valid: Valid, reverse: bool) -> Value:
    """The output at the last marker visited; y is 0 already at those that are invalid (UNROLL-9)."""
    marked = markers(graph, valid, y, reverse)
    if marked is None:
        return y
    sequence = order(graph, marked, reverse)

    def latest() -> tuple[Value, Value]:
        some = graph.node("Greater", [sequence.visited, graph.integer(0)], marked.shape)
        slot = graph.node("Sub", [sequence.visited, graph.integer(1)], marked.shape)
        slot = graph.node("Max", [slot, graph.integer(0)], marked.shape)
        return some, graph.node("GatherElements", [sequence.step, slot], marked.shape, axis=0)

    some, steps = graph.shared(("latest", marked.name, reverse), latest)
    return masked(graph, rows(graph, y, steps), some)


def last(graph: Graph, y: Value, valid: Valid, reverse: bool) -> Value:
    """(batch, outputs) at the last marker visited, 0 where there is none (UNROLL-7)."""
    time, marked = y.shape[0], markers(graph, valid, y, reverse)
    if marked is None:
        y = graph.slice(y, 0, 1, 1) if reverse else graph.slice(y, -1, _END, 1)
    else:
        sequence = order(graph, marked, reverse)
        final = graph.node("Equal", [sequence.visited, sequence.total], marked.shape)
        y = masked(graph, y, graph.node("And", [marked, final], marked.shape))
    y = graph.node("ReduceSum", [y, graph.integers(0)], y.shape[1:], keepdims=0)  # of one step, or of none
    return y if marked is not None else empty.kept(graph, time, y, graph.scalar(0))


def flip(graph: Graph, y: Value) -> Value:
    """The time axis reversed."""
    return graph.slice(y, -1, -_END, y.shape[0], -1)


def repeat(graph: Graph, x: Value, along: Value | int) -> Value:
    """A vector (batch, features) at each of so many steps, or at those of a sequence."""
    time = along if isinstance(along, int) else along.shape[0]
    steps = graph.integers(along) if isinstance(along, int) else graph.unsqueeze(sizes(graph, along)[0], 0)
    shape = graph.join([steps, graph.node("Shape", [x], (2,))], 0)
    return graph.node("Expand", [x, shape], (time, *x.shape))


def sizes(graph: Graph, x: Value) -> tuple[Value, Value]:
    """Time and batch of the sequences, as scalars."""

    def make() -> tuple[Value, Value]:
        shape = graph.node("Shape", [x], (len(x.shape),))
        return tuple(graph.node("Gather", [shape, graph.integer(i)], (), axis=0) for i in (0, 1))

    return graph.shared(("sizes", *x.shape[:2]), make)


def time_index(graph: Graph, x: Value) -> Value:
    """(time, 1): 0, 1, …"""
    time, _ = sizes(graph, x)

    def make() -> Value:
        steps = graph.node("Range", [graph.integer(0), time, graph.integer(1)], (x.shape[0],))
        return graph.unsqueeze(steps, 1)

    return graph.shared(("time", x.shape[0]), make)


_INT64 = 7  # onnx.TensorProto.INT64
