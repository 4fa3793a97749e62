"""`rnnspec.ops.Ops` that writes ONNX nodes: tracing the same cells and layers gives the graph.

Inside the graph, sequences are time-major (time, batch, features), for layers too.
"""

import copy
from typing import Any, Self

from rnnspec import scores
from rnnspec.cells import Cell
from rnnspec.export import attention, empty, native, recurrent, scan, sequences, start, summaries, windows
from rnnspec.export.elementary import Elementary
from rnnspec.export.graph import Graph
from rnnspec.export.values import Later, Parameter, Value
from rnnspec.layers import Recurrent
from rnnspec.ops import States
from rnnspec.valid import Valid


class OnnxOps(Elementary):
    """Operations that append to `graph`. `paths`: place in the model → how its cell was written.

    Args:
        given: the states that start from another place, as the graph is given them (`start.chosen`).
    """

    training = False

    def __init__(self, graph: Graph, given: States) -> None:
        self.graph = graph
        self.given = given
        self.paths: dict[str, str] = {}
        self._place = ""

    # Training: there is none

    def at(self, place: str) -> Self:
        inner = copy.copy(self)
        inner._place = f"{self._place}.{place}".strip(".")
        return inner

    def noise(self, x: Value, size: int, rate: float, place: str, per: str) -> None:
        return None

    def dropout(self, x: Value, rate: float, place: str = "", per: str = "step") -> Value:
        return x

    # Sequences

    def recurrent(
        self, layer: Recurrent, p: dict[str, Parameter], x: Value, valid: Valid, state: States
    ) -> tuple[list[Value], States]:
        state = start.chosen(self.graph, layer, self.given, state)
        cells = [cell for cell, _ in layer.directions.values()]
        if len(cells) == 1 or cells[0] != cells[1] or isinstance(native.node(cells[0], valid), str):
            outputs, new = layer.unroll(self, p, x, valid, state)
        else:
            self.paths[layer.name] = native.title(cells[0])
            outputs, new = recurrent.write(self.graph, cells[0], "bidirectional", p, x, valid, state)
        return outputs, {name: self._kept(x, value, state[name]) for name, value in new.items()}

    def _kept(self, x: Value, new: Value, old: Value) -> Value:
        """A final state: the old one where x has no step."""
        return Later(self.graph, new.shape, lambda: empty.kept(self.graph, x.shape[0], new, old))

    def recurrent_step(
        self, layer: Recurrent, p: dict[str, Parameter], x: Value, state: States
    ) -> tuple[Value, States]:
        self.paths[layer.name] = "elementary nodes"
        state = start.chosen(self.graph, layer, self.given, state)
        return layer.cell_step(self, p, x, state)

    def unroll(
        self, cell: Cell, p: Any, x: Value, valid: Valid, state: States, start: States, reverse: bool
    ) -> tuple[Value, States]:
        obstacle = native.node(cell, valid)
        if isinstance(obstacle, str):
            self.paths[self._place] = f"Scan: {obstacle}"
            return scan.write(self, self.graph, cell, p, x, valid, state, start, reverse)
        self.paths[self._place] = native.title(cell)
        (y,), new = recurrent.write(self.graph, cell, "reverse" if reverse else "forward", p, x, valid, state)
        return y, new

    def unpadded(self, x: Value, padding: float, valid: Valid) -> Valid:
        return sequences.unpadded(self.graph, x, padding, valid)

    def masked(self, x: Value, valid: Valid) -> Value:
        return sequences.masked(self.graph, x, sequences.valid_steps(self.graph, valid, x))

    def hold(self, y: Value, valid: Valid, reverse: bool) -> Value:
        return sequences.hold(self.graph, y, valid, reverse)

    def last(self, y: Value, valid: Valid, reverse: bool) -> Value:
        return sequences.last(self.graph, y, valid, reverse)

    def flip(self, y: Value) -> Value:
        return sequences.flip(self.graph, y)

    def repeat(self, x: Value, along: Value | int) -> Value:
        return sequences.repeat(self.graph, x, along)

    def counted(self, x: Value, valid: Valid) -> Value:
        return summaries.counted(self.graph, x, valid)

    def total(self, x: Value) -> Value:
        return summaries.total(self.graph, x)

    def largest(self, x: Value, valid: Valid) -> Value:
        return summaries.largest(self.graph, x, valid)

    def taps(self, x: Value, outside: tuple[int, int], width: int, stride: int, dilation: int) -> list[Value]:
        seen = windows.Windows(outside, dilation * (width - 1) + 1, stride)
        return windows.taps(self.graph, x, seen, dilation)

    def windows(self, valid: Valid, span: int, stride: int) -> Valid:
        return windows.valid(self.graph, valid, windows.Windows((0, 0), span, stride))

    def convolve(
        self, x: Value, kernel: Parameter, outside: tuple[int, int], stride: int, dilation: int, groups: int
    ) -> Value:
        seen = windows.Windows(outside, dilation * (kernel.shape[1] - 1) + 1, stride)
        return windows.convolve(self.graph, x, kernel, seen, dilation, groups)

    # Attention

    def products(self, query: Value, keys: Value) -> Value:
        return attention.products(self.graph, query, keys)

    def additive(self, query: Value, keys: Value, scale: Value) -> Value:
        return attention.additive(self.graph, query, keys, scale)

    def heads(self, query: Value, keys: Value, values: Value, valid: Valid, count: int, scale: float) -> Value:
        return scores.heads(self, query, keys, values, valid, count, scale)

    def attend(self, scores: Value, values: Value, valid: Valid) -> Value:
        return attention.attend(self.graph, scores, values, valid)
