"""Recurrent layers as ONNX's own RNN, GRU and LSTM nodes.

Its weights are those of `rnnspec.conventions.onnx`, its outputs are (time, directions, batch, units),
its states (directions, batch, units).
"""

import numpy as np

from rnnspec.cells import Cell
from rnnspec.cells.gated import Gated
from rnnspec.conventions.onnx import NODES
from rnnspec.export import native, sequences
from rnnspec.export.graph import Graph
from rnnspec.export.values import Parameter, Value
from rnnspec.ops import States, scope, under
from rnnspec.valid import Valid


def write(
    graph: Graph, cell: Cell, direction: str, p: dict[str, Parameter], x: Value, valid: Valid, state: States
) -> tuple[list[Value], States]:
    """One node for x (time, batch, inputs), in one direction or both → each direction's outputs, final states."""
    meaning = native.node(cell, valid)
    assert isinstance(meaning, native.Node)
    assert isinstance(cell, Gated)
    prefixes = ["forward", "backward"] if direction == "bidirectional" else [""]
    weights = _weights(graph, meaning, [scope(p, prefix) for prefix in prefixes])
    lengths, marked = valid.lengths, None
    steps = sequences.valid_steps(graph, valid, x) if valid.mask is not None else None
    if steps is not None:  # the valid ones first, and back to their places afterwards
        marked = sequences.order(graph, steps, False)
        x = sequences.rows(graph, x, marked.step)
        lengths = _total(graph, marked)
    names = list(cell.states(1))
    initial = {n: [scope(state, prefix)[n] for prefix in prefixes] for n in names}
    stacked = [graph.join([graph.unsqueeze(value, 0) for value in initial[n]], 0) for n in names]
    peephole = [weights["P"]] if "P" in weights else []
    time, batch = x.shape[:2]
    y, *final = graph.node(
        meaning.kind,
        [x, weights["W"], weights["R"], weights.get("B"), lengths, *stacked, *peephole],
        (time, len(prefixes), batch, cell.units),
        *[(len(prefixes), batch, cell.units)] * len(names),
        direction=direction,
        hidden_size=cell.units,
        layout=0,
        **native.attributes(meaning, len(prefixes)),
    )
    some = None if lengths is None else _nonempty(graph, lengths)
    new: States = {}
    for n, value in zip(names, final, strict=True):
        for prefix, part, start in zip(prefixes, _unstack(graph, value, 0), initial[n], strict=True):
            # ONNX Runtime zeroes the state of a row of length 0, the specification keeps it (UNROLL-4).
            kept = part if some is None else graph.node("Where", [some, part, start], part.shape)
            new |= under(prefix, {n: kept})
    outputs = _unstack(graph, y, 1)
    return [part if marked is None else sequences.rows(graph, part, marked.slot) for part in outputs], new


def _weights(graph: Graph, meaning: native.Node, each: list[dict[str, Parameter]]) -> dict[str, Value]:
    """The inputs W, R, B and P of the node, the directions stacked."""
    base = each[0]["kernel"].name.rsplit(".", 1)[0]
    theirs = [NODES[meaning.kind].to_theirs({name: a.array for name, a in q.items()}) for q in each]
    stacked = {name: np.stack([arrays[name] for arrays in theirs]) for name in theirs[0]}
    return {n: graph.constant(a.astype(graph.dtype, copy=False), f"{base}.{n}") for n, a in stacked.items()}


def _nonempty(graph: Graph, lengths: Value) -> Value:
    """(batch, 1): whether the row has a valid step."""
    none = graph.constant(np.zeros((), "int32"), "no_steps")
    return graph.shared(
        ("nonempty", lengths.name), lambda: graph.unsqueeze(graph.node("Greater", [lengths, none], lengths.shape), 1)
    )


def _total(graph: Graph, marked: sequences.Order) -> Value:
    """(batch,): how many steps are valid."""
    return graph.shared(
        ("total", marked.total.name),
        lambda: graph.node("Cast", [graph.squeeze(marked.total, 0)], marked.total.shape[1:], to=_INT32),
    )


def _unstack(graph: Graph, value: Value, axis: int) -> list[Value]:
    directions = int(value.shape[axis])
    if directions == 1:
        return [graph.squeeze(value, axis)]
    shape = (*value.shape[:axis], 1, *value.shape[axis + 1 :])
    parts = graph.node("Split", [value, graph.integers(*[1] * directions)], *[shape] * directions, axis=axis)
    return [graph.squeeze(part, axis) for part in parts]


_INT32 = 6  # onnx.TensorProto.INT32
