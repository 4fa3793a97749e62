"""`rnnspec.ops.Ops` that writes ONNX nodes: tracing the same cells and layers gives the graph.

Inside the graph, sequences are time-major (time, batch, features).
"""

from rnnspec.cells import Cell
from rnnspec.export import recurrent
from rnnspec.export.graph import Graph, Parameter, Product, Value
from rnnspec.layers import Recurrent
from rnnspec.ops import States
from rnnspec.valid import Valid


class OnnxOps:
    """Operations that append to `graph`."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def linear(self, x: Value, kernel: Parameter, bias: Parameter | None = None) -> Value:
        rows = kernel.array.reshape(-1, kernel.array.shape[-1])
        transposed = kernel.value(".transposed", rows.T)
        offset = None if bias is None else bias.value(".flat", bias.array.reshape(-1))
        shape = (*x.shape[:-1], rows.shape[0])
        if len(x.shape) == 2:
            return (
                Product(self.graph, x, transposed, shape) if offset is None else self.graph.gemm(x, transposed, offset)
            )
        y = self.graph.node("MatMul", [x, transposed], shape)
        return y if offset is None else y + offset

    def sigmoid(self, x: Value) -> Value:
        return self.graph.node("Sigmoid", [x], x.shape)

    def tanh(self, x: Value) -> Value:
        return self.graph.node("Tanh", [x], x.shape)

    def relu(self, x: Value) -> Value:
        return self.graph.node("Relu", [x], x.shape)

    def split(self, x: Value, parts: int | tuple[int, ...]) -> tuple[Value, ...]:
        sizes = (int(x.shape[-1]) // parts,) * parts if isinstance(parts, int) else parts
        shapes = [(*x.shape[:-1], size) for size in sizes]
        return tuple(self.graph.node("Split", [x, self.graph.integers(*sizes)], *shapes, axis=-1))

    def concat(self, parts: list[Value]) -> Value:
        return self.graph.join(parts)

    def take(self, table: Parameter, ids: Value) -> Value:
        return self.graph.node("Gather", [table.value(), ids], (*ids.shape, table.array.shape[1]), axis=0)

    def dropout(self, x: Value, rate: float) -> Value:
        return x

    def recurrent(
        self, layer: Recurrent, p: dict[str, Parameter], x: Value, valid: Valid, state: States
    ) -> tuple[Value, States]:
        return recurrent.write(self.graph, layer, p, x, valid.lengths, state)

    def recurrent_step(
        self, layer: Recurrent, p: dict[str, Parameter], x: Value, state: States
    ) -> tuple[Value, States]:
        return layer.cell_step(self, p, x, state)

    def unroll(self, cell: Cell, *args, **kwargs):
        raise AssertionError("the exporter writes native nodes and single steps, never a loop")
