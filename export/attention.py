"""Attention as nodes. Queries (time, batch, features) or (batch, features), keys and values (steps, batch, features);
scores (batch, time, steps) or (batch, steps)."""

from rnnspec.export import empty, sequences
from rnnspec.export.graph import Graph
from rnnspec.export.values import Value
from rnnspec.ops import LOW
from rnnspec.valid import Valid


def products(graph: Graph, query: Value, keys: Value) -> Value:
    """Σ query ⊙ key."""
    steps, batch, _ = keys.shape
    vector = len(query.shape) == 2
    query = graph.unsqueeze(query, 1) if vector else graph.transpose(query, 1, 0, 2)
    scores = graph.node("MatMul", [query, _turned(graph, keys, 1, 2, 0)], (batch, query.shape[1], steps))
    return graph.squeeze(scores, 1) if vector else scores


def additive(graph: Graph, query: Value, keys: Value, scale: Value) -> Value:
    """Σ scale ⊙ tanh(query + key)."""
    keys = _turned(graph, keys, 1, 0, 2)
    if len(query.shape) == 2:
        sums = graph.unsqueeze(query, 1) + keys
    else:
        sums = graph.unsqueeze(graph.transpose(query, 1, 0, 2), 2) + graph.unsqueeze(keys, 1)
    return graph.node("MatMul", [graph.node("Tanh", [sums], sums.shape), scale], sums.shape[:-1])


def attend(graph: Graph, scores: Value, values: Value, valid: Valid) -> Value:
    """Σ softmax(scores) ⊙ value over the valid steps, 0 where there is none: (time, batch, features), or a vector."""
    time, batch, features = values.shape
    vector = len(scores.shape) == 2
    scores = graph.unsqueeze(scores, 1) if vector else scores
    steps = sequences.valid_steps(graph, valid, values)
    mask = None
    if steps is not None:
        mask = graph.shared(("keys", steps.name), lambda: graph.unsqueeze(graph.transpose(steps, 1, 0), 1))
        scores = graph.node("Where", [mask, scores, graph.scalar(LOW)], scores.shape)
    weights = graph.node("Softmax", [scores], scores.shape, axis=-1)
    if mask is not None:
        weights = graph.node("Where", [mask, weights, graph.scalar(0)], scores.shape)
    y = graph.node("MatMul", [weights, _turned(graph, values, 1, 0, 2)], (batch, scores.shape[1], features))
    y = graph.squeeze(y, 1) if vector else graph.transpose(y, 1, 0, 2)
    return y if mask is not None else empty.kept(graph, time, y, graph.scalar(0))


def _turned(graph: Graph, memory: Value, *order: int) -> Value:
    """The axes in another order, once for all steps of a loop."""
    return graph.shared(("turned", memory.name, order), lambda: graph.transpose(memory, *order))
