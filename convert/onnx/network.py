"""From the outputs of a traced graph to a chain of layers."""

from typing import Any

import numpy as np

from rnnspec.convert import layers
from rnnspec.convert.onnx.graph import Graph
from rnnspec.convert.onnx.names import layer_names
from rnnspec.convert.onnx.outputs import States, runs, split, streams_before
from rnnspec.convert.onnx.streams import Both, Dense, Embedded, Memory, Run, Source, Stream
from rnnspec.convert.onnx.trace import Trace
from rnnspec.convert.request import Request, WithWeights
from rnnspec.errors import SpecError


def chain(trace: Trace, outputs: list[str]) -> tuple[list[WithWeights], int | None]:
    """The layers that lead to the outputs, and the features of the input.

    Raises:
        UnsupportedError: there are several heads, or an output is not what our layers give.
    """
    y, beside = split(trace, outputs)
    assert y.reading is not None
    stream, form, axes = y.reading
    x = (*trace.sizes.axes, "features")
    expected = tuple(axis for axis in x if axis != "time" or (form != "last" and stream.sequence))
    if len(axes) != len(expected) or any(found not in (axis, "1") for found, axis in zip(axes, expected, strict=True)):
        trace.request.note(
            f"the output {y.name!r} is ({', '.join(axes)}) in the graph, y is ({', '.join(expected)}) for such an x"
        )
    return _layers(stream, form, beside, trace.request), _features(stream)


def _features(stream: Stream) -> int | None:
    *_, source = streams_before(stream)
    assert isinstance(source, Source)
    return None if source.ids else source.features


def _layers(stream: Stream, form: str, beside: dict[str, States], request: Request) -> list[WithWeights]:
    streams = [each for each in streams_before(stream) if not isinstance(each, Source)][::-1]
    ends = [each for each in streams if runs(each)][-1:]
    names = layer_names(streams)
    for giver, states in _given(streams, names).items():
        request.note(f"{giver} gives {', '.join(states)}: give them at run time")
    called = {run: f"{name}.{place}" for each, name in zip(streams, names, strict=True) for place, run in _placed(each)}
    for output, held in beside.items():
        states = [f"{called[s.run]}c" if isinstance(s, Memory) else f"{called[s]}h" for s in held]
        request.note(f"the output {output!r} is left out: the final {', '.join(states)}, which come beside y")
    return [
        _layer(each, name, form if each in ends else "sequence", request)
        for each, name in zip(streams, names, strict=True)
    ]


def _given(streams: list[Stream], names: list[str]) -> dict[str, list[str]]:
    """Who gives initial states at run time → which."""
    found: dict[str, list[str]] = {}
    for stream, name in zip(streams, names, strict=True):
        for place, run in _placed(stream):
            for state, start in run.starts.items():
                if isinstance(start, str):
                    found.setdefault(start, []).append(f"{name}.{place}{state}")
    return found


def _learned(stream: Stream) -> dict[str, np.ndarray]:
    """The initial states of a layer as weights, if one of them is a constant that is not 0."""
    found = {
        f"initial.{place}{state}": start if isinstance(start, np.ndarray) else np.zeros(run.features, "float32")
        for place, run in _placed(stream)
        for state, start in run.starts.items()
    }
    return found if any(start.any() for start in found.values()) else {}


def _placed(stream: Stream) -> list[tuple[str, Run]]:
    """The runs of a layer with what the names of their states begin with."""
    found = runs(stream)
    return list(zip(["forward.", "backward."] if len(found) > 1 else [""] * len(found), found, strict=True))


def _layer(stream: Stream, name: str, form: str, request: Request) -> WithWeights:
    if isinstance(stream, Embedded):
        return layers.embedding(stream.table, name)
    if isinstance(stream, Dense):
        kernel = stream.kernel
        if kernel is None:
            request.note(f"{name}: an activation or bias of its own, as a dense layer whose kernel is the identity")
            kernel = np.eye(stream.features, dtype="float32")
        return layers.dense(kernel.T, stream.bias, name, stream.activation)
    options: dict[str, Any] = {"last": form == "last" or not stream.sequence, "reverse_output": form == "reversed"}
    learned = _learned(stream)
    if learned:
        request.note(f"{name}: starts from constants of the file (learned_state)")
    if isinstance(stream, Both):
        pair = stream.forward.part, stream.other.part
        layer, weights = layers.bidirectional(*pair, name, merge=stream.merge, learned_state=bool(learned), **options)
    else:
        assert isinstance(stream, Run)
        options["direction"] = "backward" if stream.backward else "forward"
        layer, weights = layers.recurrent(stream.part, name, learned_state=bool(learned), **options)
    return layer, weights | learned


def select(graph: Graph, part: str | None) -> list[str]:
    """The outputs to be converted: all, or the value named `part`. Raises SpecError where there is none."""
    if part is None:
        return list(graph.outputs)
    if part not in graph.values:
        raise SpecError(f"{graph.where}: --part {part}: no such output; found {', '.join(graph.outputs)}")
    return [part]
