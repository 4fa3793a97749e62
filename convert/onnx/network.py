"""From the outputs of a traced graph to a chain of layers."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rnnspec.convert import layers
from rnnspec.convert.onnx.graph import Graph
from rnnspec.convert.onnx.names import layer_names
from rnnspec.convert.onnx.streams import Both, Dense, Embedded, Memory, Run, Source, Stream, Unclear
from rnnspec.convert.onnx.trace import Trace
from rnnspec.convert.request import Request, WithWeights
from rnnspec.errors import SpecError, UnsupportedError


def chain(trace: Trace, outputs: list[str]) -> tuple[list[WithWeights], int | None]:
    """The layers that lead to the outputs, and the features of the input.

    One output is the model's; others may be final states of its layers.

    Raises:
        UnsupportedError: there are several heads, or an output is not what our layers give.
    """
    where = trace.graph.where
    found: list[tuple[Stream, str, str]] = []
    states: list[Any] = []
    for name in outputs:
        array = trace.values[name].array
        owners = trace.streams.owners(np.unique(array).tolist()) if trace.values[name].kind.value == "elements" else []
        if owners and all(_is_state(owner, array) for owner in owners):
            states += [owner.run if isinstance(owner, Memory) else owner for owner in owners]
        else:
            found.append((*_output(trace, array, owners, f"{where}: output {name!r}"), name))
    if not found:
        found = [(*_deepest(trace, states), outputs[0])]
    (stream, form, name), *others = found
    if heads := [other for head, how, other in others if head is not stream or how != form]:
        raise UnsupportedError(f"{where}: outputs {name!r} and {heads[0]!r} are two heads; --part NAME takes one")
    runs = [run for each in _streams(stream) for run in _runs(each)]
    for state in states:
        if state not in runs:
            raise UnsupportedError(
                f"{where}: an output is a state of {state.name!r}, which does not lead to {name!r}; --part {name}"
            )
    return _layers(stream, form, trace.request), _features(stream)


def _is_state(owner: Any, array: np.ndarray) -> bool:
    """Whether all that an output has of it are final states."""
    if isinstance(owner, Memory):
        return True
    return isinstance(owner, Run) and bool(np.isin(array[np.isin(array, owner.numbers)], owner.at_final()).all())


def _output(trace: Trace, array: np.ndarray, owners: list[Any], where: str) -> tuple[Stream, str]:
    """The stream that an output is, and how: its "sequence", "reversed" in time, or its "last" step."""
    candidates = owners if len(owners) == 1 and isinstance(owners[0], Stream) else []
    if len(owners) == 2 and all(isinstance(owner, Run) for owner in owners):
        pair = sorted(owners, key=lambda run: run.backward)
        candidates = [trace.streams.both(pair[0], pair[1], "concat", last) for last in (False, True)]
    for stream in candidates:
        if _ascending(array, stream.numbers):
            return stream, "sequence"
        if stream.sequence and _ascending(array, stream.numbers[:, ::-1]):
            return stream, "reversed"
        if stream.final is not None and _ascending(array, stream.at_final()):
            return stream, "last"
    what = " and ".join(map(str, owners)) or "constants"
    raise Unclear(f"{where}: is neither the sequence nor the last step of {what}; --part NAME takes another")


def _ascending(array: np.ndarray, numbers: np.ndarray) -> bool:
    """Whether an array holds these numbers (batch, time, features) once each, every axis of them in order, rows along
    one axis and steps along one, features along others.
    """
    flat = array.ravel()
    if flat.size != numbers.size:
        return False
    order = np.argsort(flat)
    found = np.searchsorted(flat[order], numbers).clip(max=flat.size - 1)
    places = order[found]
    if not np.array_equal(flat[places], numbers) or any((np.diff(places, axis=k) <= 0).any() for k in range(3)):
        return False
    indices = np.unravel_index(places, array.shape)
    rows, steps, features = (
        {k for k, index in enumerate(indices) if np.diff(index, axis=axis).any()} for axis in range(3)
    )
    return len(rows) <= 1 and len(steps) <= 1 and not features & (rows | steps)


def _deepest(trace: Trace, states: list[Run]) -> tuple[Stream, str]:
    """What the last layer gives, of which only states are outputs: the last step, which is its state."""
    depth = max(run.depth for run in states)
    last = sorted({run for run in states if run.depth == depth}, key=lambda run: run.backward)
    one_step = trace.sizes.time == 1
    if len(last) == 1:
        return last[0], "sequence" if one_step else "last"
    if len(last) > 2:
        raise UnsupportedError(
            f"{trace.graph.where}: outputs of {len(last)} layers side by side; --part NAME takes one"
        )
    return trace.streams.both(last[0], last[1], "concat", not one_step), "sequence"


def _streams(stream: Stream | None) -> Iterator[Stream]:
    while stream is not None:
        yield stream
        stream = stream.before


def _runs(stream: Stream) -> list[Run]:
    return [stream.forward, stream.other] if isinstance(stream, Both) else [stream] if isinstance(stream, Run) else []


def _features(stream: Stream) -> int | None:
    *_, source = _streams(stream)
    assert isinstance(source, Source)
    return None if source.ids else source.features


def _layers(stream: Stream, form: str, request: Request) -> list[WithWeights]:
    streams = [each for each in _streams(stream) if not isinstance(each, Source)][::-1]
    ends = [each for each in streams if _runs(each)][-1:]
    names = layer_names(streams)
    for giver, states in _given(streams, names).items():
        request.note(f"{giver} gives {', '.join(states)}: give them at run time")
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
        f"initial.{place}{state}": np.zeros(run.features, "float32") if isinstance(start, str) else start
        for place, run in _placed(stream)
        for state, start in run.starts.items()
    }
    return found if any(start.any() for start in found.values()) else {}


def _placed(stream: Stream) -> list[tuple[str, Run]]:
    """The runs of a layer with what the names of their states begin with."""
    runs = _runs(stream)
    return list(zip(["forward.", "backward."] if len(runs) > 1 else [""] * len(runs), runs, strict=True))


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
