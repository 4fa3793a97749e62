"""What single nodes of a graph of TensorFlow 1 do with time and batch, dropout, and loops."""

from rnnspec.convert.saved_model.loops import TIME_FIRST
from rnnspec.convert.tf1.graph import Graph, Node, Ref

ADDS = ("Add", "AddV2", "BiasAdd")


def carried(graph: Graph, exit: Node) -> Ref | None:
    """What a loop carries to its exit: Exit ← Switch ← Merge ← NextIteration ← value."""
    ref = exit.inputs[0]
    for op, at in (("Switch", 0), ("Merge", 1), ("NextIteration", 0)):
        node = graph.nodes.get(ref.node)
        if node is None or node.op != op or len(node.inputs) <= at:
            return None
        ref = node.inputs[at]
    return ref


def swapping(graph: Graph, node: Node) -> bool:
    """Whether a transposition swaps the first two axes and leaves the others."""
    return order_of(graph, node) in (TIME_FIRST[:2], TIME_FIRST)


def order_of(graph: Graph, node: Node) -> list[int]:
    """The axes of a transposition; of [1, 0, *range(2, rank)] the first two."""
    order = graph.nodes.get(node.inputs[1].node)
    joined = order is not None and order.op == "ConcatV2"
    value = graph.value(order.inputs[0].node if order is not None and joined else node.inputs[1].node)
    return [] if value is None else [int(axis) for axis in value.reshape(-1)]


def last_of(graph: Graph, node: Node) -> int | None:
    """The axis of which a slice takes the last element alone: [:, -1], [-1]."""
    begin, mask = graph.value(node.inputs[1].node), graph.integer(node, "shrink_axis_mask")
    axis = {1: 0, 2: 1}.get(mask)
    if axis is None or begin is None or begin.size <= axis or begin[axis] != -1:
        return None
    others = begin.size - 1 if graph.integer(node, "ellipsis_mask") == 0 else -1
    masks = (graph.integer(node, name) | mask for name in ("begin_mask", "end_mask"))
    whole = (1 << begin.size) - 1
    return axis if others >= 0 and all(each & whole == whole for each in masks) else None


def over(graph: Graph, node: Node) -> int | None:
    """The axis that a mean, a maximum or a sum is taken over."""
    value = graph.value(node.inputs[1].node)
    axes = [] if value is None else list(value.reshape(-1))
    return int(axes[0]) if axes in ([0], [1]) and not graph.integer(node, "keep_dims") else None


def undropped(graph: Graph, node: Node) -> Ref | None:
    """What dropout is applied to: x · scale · mask, x / keep · mask, or x · scale where the mask says so."""
    if node.op == "Mul" and len(node.inputs) == 2:
        scaled, mask = node.inputs
    elif node.op in ("Select", "SelectV2") and len(node.inputs) == 3:
        mask, scaled, _ = node.inputs
    else:
        return None
    inner = graph.nodes.get(scaled.node)
    random = inner is not None and inner.op in ("Mul", "RealDiv", "Div") and is_random(graph, mask)
    return inner.inputs[0] if inner is not None and random else None


def is_random(graph: Graph, mask: Ref) -> bool:
    """Whether random numbers are compared here: floor(keep + random), random ≥ rate."""
    waiting = [mask]
    for _ in range(16):
        node = graph.nodes.get(waiting.pop().node) if waiting else None
        if node is None:
            return False
        if node.op == "RandomUniform":
            return True
        if node.op in ("Floor", "Cast", "GreaterEqual", "Mul", "Sub", "Identity", *ADDS):
            waiting += node.inputs[1:] + node.inputs[:1]
        elif not waiting:
            return False
    return False
