"""Windows over time as nodes: convolutions, what pools see, and which windows are valid.

Sequences are (time, batch, features). Windows that are fewer than the steps have a time axis of their own, named by
how many there are, such as `(time+1)//2`; it has one window at least, as every axis has a step (`empty`).
"""

from typing import NamedTuple

import numpy as np

from rnnspec.export import empty, sequences
from rnnspec.export.graph import Graph
from rnnspec.export.values import Parameter, Value
from rnnspec.valid import Valid


class Windows(NamedTuple):
    """Zeros before and after the sequence, and the steps that a window spans, and from one window to the next."""

    outside: tuple[int, int]
    span: int
    stride: int

    @property
    def more(self) -> int:
        """There are ⌊(steps + more) / stride⌋ windows."""
        return sum(self.outside) - self.span + self.stride


def axis(graph: Graph, time: str | int, windows: Windows) -> str | int:
    """The time axis of the windows over that axis."""
    more, stride = windows.more, windows.stride
    if (more, stride) == (0, 1):
        return time
    name = f"{time}{more:+d}" if more else str(time)
    name = f"({name})//{stride}" if stride > 1 else name

    def count() -> Value:
        longer = graph.node("Add", [empty.steps(graph, time), graph.integer(more)], (1,))
        longer = graph.node("Max", [longer, graph.integer(0)], (1,))
        return graph.node("Div", [longer, graph.integer(stride)], (1,))

    steps = graph.shared(("steps", name), count)
    if empty.some(graph, time) is not None or isinstance(time, int):
        graph.shared(("some", name), lambda: graph.node("Greater", [steps, graph.integer(0)], (1,)))
    return name


def long_enough(graph: Graph, x: Value, axis: int, time: Value, windows: Windows, filling: Value | None) -> Value:
    """x with as many more steps, at the end, as a window needs that has none but those."""
    if sum(windows.outside) >= windows.span - 1:
        return x
    lacking = graph.node("Sub", [graph.integer(windows.span), time], ())
    lacking = graph.unsqueeze(graph.node("Max", [lacking, graph.integer(0)], ()), 0)
    before, after = (graph.integers(*[0] * n) if n else None for n in (axis, len(x.shape) - axis - 1))
    shape = (*x.shape[:axis], f"max({x.shape[axis]},{windows.span})", *x.shape[axis + 1 :])
    return graph.pad(x, [part for part in (before, lacking, after) if part is not None], shape, filling)


def taps(graph: Graph, x: Value, windows: Windows, dilation: int) -> list[Value]:
    """What the windows see at each of their places, `dilation` apart: (windows, batch, features)."""
    time, features = axis(graph, x.shape[0], windows), x.shape[1:]
    x = long_enough(graph, x, 0, sequences.sizes(graph, x)[0], windows, None)
    if any(windows.outside):
        before, after = windows.outside
        shape = (f"max(1,{x.shape[0]})+{before + after}", *features)
        x = graph.node("Pad", [x, graph.integers(before, 0, 0, after, 0, 0)], shape)
    reach = graph.node("Max", [empty.steps(graph, time), graph.integer(1)], (1,))
    reach = graph.node("Mul", [reach, graph.integer(windows.stride)], (1,))
    seen = []
    for first in range(0, windows.span, dilation):
        stop = graph.node("Add", [reach, graph.integer(first)], (1,))
        bounds = [graph.integers(first), stop, graph.integers(0), graph.integers(windows.stride)]
        seen.append(graph.node("Slice", [x, *bounds], (time, *features)))
    return seen


def convolve(graph: Graph, x: Value, kernel: Parameter, windows: Windows, dilation: int, groups: int) -> Value:
    """Σ over the `taps` of x of kernel (units, width, inputs / groups): (windows, batch, units), by a `Conv`."""
    time, batch = axis(graph, x.shape[0], windows), x.shape[1]
    x = long_enough(graph, x, 0, sequences.sizes(graph, x)[0], windows, None)
    weights = kernel.value(".transposed", lambda k: k.transpose(0, 2, 1))
    y = graph.node(
        "Conv",
        [graph.transpose(x, 1, 2, 0), weights],
        (batch, kernel.shape[0], time),
        auto_pad="NOTSET",
        dilations=[dilation],
        group=groups,
        kernel_shape=[kernel.shape[1]],
        pads=list(windows.outside),
        strides=[windows.stride],
    )
    return graph.transpose(y, 2, 0, 1)


def valid(graph: Graph, found: Valid, windows: Windows) -> Valid:
    """Which windows are valid: those whose steps all are."""
    if found.lengths is not None:
        lengths = found.lengths
        return Valid(graph.shared(("windows", lengths.name, windows), lambda: _lengths(graph, lengths, windows)))
    if found.mask is not None:
        mask = found.mask
        return Valid(mask=graph.shared(("windows", mask.name, windows), lambda: _mask(graph, mask, windows)))
    return found


def _lengths(graph: Graph, lengths: Value, windows: Windows) -> Value:
    def number(value: int) -> Value:
        return graph.constant(np.array(value, "int32"), f"int32 {value}")

    longer = graph.node("Add", [lengths, number(windows.more)], lengths.shape)
    longer = graph.node("Max", [longer, number(0)], lengths.shape)
    return graph.node("Div", [longer, number(windows.stride)], lengths.shape)


def _mask(graph: Graph, mask: Value, windows: Windows) -> Value:
    """A window has an invalid step where the largest of these, 1 where a step is invalid, is 1."""
    batch, time = mask.shape
    invalid = graph.numbers(graph.node("Not", [mask], mask.shape))
    steps = graph.node("Gather", [graph.node("Shape", [mask], (2,)), graph.integer(1)], (), axis=0)
    invalid = long_enough(graph, invalid, 1, steps, windows, graph.scalar(1))
    shape = (batch, 1, axis(graph, time, windows))
    largest = graph.node(
        "MaxPool", [graph.unsqueeze(invalid, 1)], shape, kernel_shape=[windows.span], strides=[windows.stride]
    )
    return graph.node("Less", [graph.squeeze(largest, 1), graph.scalar(0.5)], (batch, shape[2]))
