"""What becomes of a sequence (time, batch, features) as a whole, as nodes: its sum and its maximum over valid steps."""

from rnnspec.export import empty, sequences
from rnnspec.export.graph import Graph
from rnnspec.export.values import Value
from rnnspec.ops import LOW
from rnnspec.valid import Valid


def counted(graph: Graph, x: Value, valid: Valid) -> Value:
    """(time, batch, 1): 1 at valid steps, else 0."""
    steps, shape = sequences.valid_steps(graph, valid, x), (*x.shape[:2], 1)
    if steps is not None:
        return graph.numbers(sequences.wide(graph, steps))
    axes = [graph.unsqueeze(size, 0) for size in sequences.sizes(graph, x)]
    return graph.node("Expand", [graph.scalar(1), graph.join([*axes, graph.integers(1)], 0)], shape)


def total(graph: Graph, x: Value) -> Value:
    """(batch, features): the sum over all steps."""
    y = graph.node("ReduceSum", [x, graph.integers(0)], x.shape[1:], keepdims=0)
    return empty.kept(graph, x.shape[0], y, graph.scalar(0))


def largest(graph: Graph, x: Value, valid: Valid) -> Value:
    """(batch, features): the maximum over valid steps, 0 where there is none."""
    time, steps = x.shape[0], sequences.valid_steps(graph, valid, x)
    if steps is not None:
        x = graph.node("Where", [sequences.wide(graph, steps), x, graph.scalar(LOW)], x.shape)
    y = graph.reduce("ReduceMax", x, 0, keep=False)
    if steps is None:
        return empty.kept(graph, time, y, graph.scalar(0))
    many = graph.node("ReduceSum", [counted(graph, x, valid), graph.integers(0)], (x.shape[1], 1), keepdims=0)
    seen = graph.node("Greater", [many, graph.scalar(0)], many.shape)
    return graph.node("Where", [seen, y, graph.scalar(0)], y.shape)
