"""What is refused before anything is computed, with the way out."""

from collections import Counter
from collections.abc import Iterable

import onnx

from rnnspec.convert.onnx.graph import RECURRENT, Graph, Node
from rnnspec.errors import UnsupportedError

_LOOPS = ("Loop", "Scan", "If")


def refuse(graph: Graph, nodes: Iterable[Node]) -> None:
    """Raise UnsupportedError where a node is not one of ONNX's own, is quantised, or hides a recurrence."""
    nodes = list(nodes)
    for node in nodes:
        if node.proto.domain not in ("", "ai.onnx"):
            raise UnsupportedError(f"{node}: of the domain {node.proto.domain!r}, not ONNX's own; export without it")
        if "Quantize" in node.kind or "QLinear" in node.kind or node.kind.endswith("Integer"):
            raise UnsupportedError(f"{node}: quantised numbers; convert the model from before quantisation")
        if node.kind == "If" and not _recurs(node.proto):
            raise UnsupportedError(
                f"{node}: a condition, which is decided as the graph runs; no layer of ours; export without it, or "
                "convert the model that it was exported from"
            )
        if node.kind in _LOOPS:
            raise UnsupportedError(
                f"{node}: a recurrence left as a {node.kind}, as tf2onnx does for SimpleRNN, for GRU with "
                "reset_after=False and for masks; convert the model that it was exported from"
            )
    if unrolled := _unrolled(graph, nodes):
        weight, count = unrolled
        raise UnsupportedError(
            f"{graph.where}: {weight!r} is multiplied with {count} times: a recurrence unrolled into its steps, as "
            "torch's newer exporter does with nn.RNN (dynamo=False does not) and Keras with unroll=True; convert "
            "the model that it was exported from"
        )
    if not any(node.kind in RECURRENT for node in nodes):
        raise UnsupportedError(f"{graph.where}: no RNN, GRU or LSTM node leads to the output; nothing to convert")


def _unrolled(graph: Graph, nodes: list[Node]) -> tuple[str, int] | None:
    """A weight by which a product of it is multiplied again, and how often it is used."""
    uses = Counter(
        name for node in nodes if node.kind in ("MatMul", "Gemm") for name in node.inputs[:2] if name in graph.constants
    )
    for weight, count in uses.most_common():
        if count == 1:
            break
        products = [node for node in nodes if node.kind in ("MatMul", "Gemm") and weight in node.inputs[:2]]
        before, _ = graph.leading_to(products[-1].inputs)
        if products[0] in before:
            return weight, count
    return None


def _recurs(proto: onnx.NodeProto) -> bool:
    """Whether a node holds a loop, or a recurrent node, in one of its graphs."""
    waiting = [proto]
    while waiting:
        for attribute in waiting.pop().attribute:
            for graph in (attribute.g, *attribute.graphs):
                if any(node.op_type in ("Loop", "Scan", *RECURRENT) for node in graph.node):
                    return True
                waiting += graph.node
    return False
