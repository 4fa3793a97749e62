"""The layers of a graph of ours from the streams that a trace found."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace

from rnnspec.convert import layers
from rnnspec.convert.names import unique, valid
from rnnspec.convert.onnx.made import Final, Flat, Made, reads
from rnnspec.convert.onnx.names import layer_names
from rnnspec.convert.onnx.outputs import run_of
from rnnspec.convert.onnx.streams import Both, Dense, Embedded, Memory, Run, Source, Stream
from rnnspec.convert.onnx.trace import Trace
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.convert.variables import Variables
from rnnspec.errors import UnsupportedError
from rnnspec.graph import Input
from rnnspec.layers import Activation as Function
from rnnspec.layers import Merge, Scale


@dataclass(frozen=True)
class Ends:
    """An output of the graph: a `stream`, with its axes as `said`; or final `states` alone."""

    name: str
    stream: Stream | None
    said: str
    states: tuple[Run | Memory, ...]


def built(trace: Trace, ends: list[Ends]) -> Network:
    """All layers that lead to the ends, each after what it reads.

    Raises:
        UnsupportedError: an output is of states alone that nothing else needs.
    """
    where, request = trace.graph.where, trace.request
    streams: dict[Stream, str] = {}
    heads = [end.stream for end in ends if end.stream is not None]
    if not heads:
        raise UnsupportedError(f"{where}: the outputs are final states alone, of several layers; --part NAME takes one")
    order = _ordered(heads, reads)
    owners = _owners(order, _apart(order))
    order = _ordered(heads, lambda each: _contracted(each, owners))
    plain = [each for each in order if owners[each] is each and not isinstance(each, Source | Final)]
    for each in plain:
        if isinstance(each, Flat):
            raise UnsupportedError(f"{where}: all steps of {each} as one vector are read, and not by a product")
    given = [each for each in order if isinstance(each, Source)]
    inputs = _inputs(trace, given)
    streams.update(inputs)
    taken = dict.fromkeys(inputs.values())
    for each, name in zip(plain, layer_names(plain), strict=True):
        streams[each] = unique(name, taken)
        taken[streams[each]] = None
    found = [_layer(each, streams, owners, request) for each in plain]
    outputs: list[str] = []
    for end in ends:
        if end.stream is None:
            states = [_state(each, streams, owners, where, end.name) for each in end.states]
            request.note(f"the output {end.name!r} is left out: the final {', '.join(states)}, which come beside y")
            continue
        place = _place(end.stream, streams, owners)
        if isinstance(end.stream, Source | Final) or place in outputs:
            name = unique(valid(re.sub(r"[^A-Za-z0-9_-]", "_", end.name)), taken)
            taken[name] = None
            found.append((Function(name=name, of=place, function="linear"), {}))
            place = name
        outputs.append(place)
        if end.said:
            request.note(f"the output {end.name!r} is {end.said} in the graph; ours is (batch, time, features)")
    names = [end.name for end in ends if end.stream is not None]
    if len(outputs) > 1:
        said = ", ".join(f"{name!r} {place}" for name, place in zip(names, outputs, strict=True))
        request.note(f"the outputs are layers by their names: {said}")
    one = len(given) == 1 and inputs[given[0]] == "x"
    last = outputs == [found[-1][0].name]
    taking = (None if given[0].ids else given[0].features) if one else _given(inputs, trace)
    ends_of = None if last else outputs
    return Network(_chained(found, one), taking, Variables({}, where), outputs=ends_of)


def _ordered(heads: list[Stream], reads: Callable[[Stream], Iterable[Stream]]) -> list[Stream]:
    """All streams that lead to the heads, each after what it reads."""
    done: dict[Stream, None] = {}
    stack = [(head, False) for head in reversed(heads)]
    while stack:
        each, ready = stack.pop()
        if each in done:
            continue
        if ready:
            done[each] = None
        else:
            stack += [(each, True), *((read, False) for read in reversed([*reads(each)]))]
    return list(done)


def _apart(order: list[Stream]) -> set[Stream]:
    """Runs that are layers of their own: no pair joins them, or something else reads what one of them gives."""
    pairs = [each for each in order if isinstance(each, Both)]
    joined = {run for pair in pairs for run in (pair.forward, pair.other)}
    apart: set[Stream] = {each for each in order if isinstance(each, Run) and each not in joined}
    for each in order:
        if not isinstance(each, Both | Final):
            apart |= {read for read in reads(each) if isinstance(read, Run)}
    for pair in pairs:
        if apart & {pair.forward, pair.other}:
            apart |= {pair.forward, pair.other}
    return apart


def _owners(order: list[Stream], apart: set[Stream]) -> dict[Stream, Stream]:
    """Each stream → what stands for it as a layer: a pair for its runs."""
    owners = {each: each for each in order}
    for each in order:
        if isinstance(each, Both) and each.forward not in apart:
            owners[each.forward] = owners[each.other] = each
    return owners


def _contracted(stream: Stream, owners: dict[Stream, Stream]) -> Iterable[Stream]:
    """What a stream reads, where a pair stands for its two runs."""
    if isinstance(stream, Run) and owners[stream] is not stream:
        return (owners[stream],)
    if isinstance(stream, Both) and owners[stream.forward] is stream:
        return dict.fromkeys((*reads(stream.forward), *reads(stream.other)))
    return reads(stream)


def _place(stream: Stream, names: dict[Stream, str], owners: dict[Stream, Stream]) -> str:
    """What a layer that reads the stream says."""
    if not isinstance(stream, Final):
        return names[owners[stream]]
    return f"{names[owners[stream.run]]}.{_direction(stream.run, owners)}{stream.state}"


def _direction(run: Run, owners: dict[Stream, Stream]) -> str:
    pair = owners[run]
    return "" if pair is run else "backward." if run.backward else "forward."


def _state(state: Run | Memory, names: dict, owners: dict, where: str, output: str) -> str:
    run = run_of(state)
    if run not in owners:
        raise UnsupportedError(
            f"{where}: output {output!r} is {state.end}, which leads to no other output; --part NAME leaves it out"
        )
    return f"{names[owners[run]]}.{_direction(run, owners)}{'c' if isinstance(state, Memory) else 'h'}"


def _layer(stream: Stream, names: dict[Stream, str], owners: dict[Stream, Stream], request: Request) -> WithWeights:
    name = names[stream]
    if isinstance(stream, Made):
        of = [_place(each, names, owners) for each in stream.reads]
        options: dict[str, Any] = {"of": of if len(of) > 1 else of[0]} | stream.options
        return stream.layer(name=name, **options), stream.weights
    if isinstance(stream, Run | Both) and not (isinstance(stream, Both) and owners[stream.forward] is not stream):
        return _recurrent(stream, name, names, owners, request)
    if isinstance(stream, Both):
        of = [_place(each, names, owners) for each in (stream.forward, stream.other)]
        return Merge(name=name, of=of, how="concat"), {}
    assert stream.before is not None
    place = _place(stream.before, names, owners)
    if isinstance(stream, Embedded):
        layer, weights = layers.embedding(stream.table, name)
    else:
        assert isinstance(stream, Dense)
        layer, weights = _dense(stream, name)
    return _of(layer, place), weights


def _dense(stream: Dense, name: str) -> WithWeights:
    if stream.kernel is not None:
        return layers.dense(stream.kernel.T, stream.bias, name, stream.activation)
    if stream.bias is None:
        return Function(name=name, function=stream.activation), {}
    if stream.activation == "linear":
        ones = np.ones(stream.features, "float32")
        return Scale(name=name), {"gamma": ones, "beta": stream.bias}
    return layers.dense(np.eye(stream.features, dtype="float32"), stream.bias, name, stream.activation)


def _recurrent(stream: Run | Both, name: str, names: dict, owners: dict, request: Request) -> WithWeights:
    runs = [stream.forward, stream.other] if isinstance(stream, Both) else [stream]
    starts = {f"{_direction(run, owners)}{state}": start for run in runs for state, start in run.starts.items()}
    for state, start in starts.items():
        if isinstance(start, str):
            request.note(f"{start} gives {name}.{state}: give it at run time")
    begin = {state: _place(start, names, owners) for state, start in starts.items() if isinstance(start, Stream)}
    learned = any(isinstance(start, np.ndarray) and start.any() for start in starts.values())
    before = runs[0].before
    assert before is not None  # a cell reads something
    options: dict[str, Any] = {"of": _place(before, names, owners), "learned_state": learned}
    if begin:
        options["start"] = begin
    if isinstance(stream, Both):
        layer, weights = layers.bidirectional(stream.forward.part, stream.other.part, name, **options)
    else:
        options["direction"] = "backward" if stream.backward else "forward"
        layer, weights = layers.recurrent(stream.part, name, **options)
    if learned:
        request.note(f"{name}: starts from constants of the file (learned_state)")
        sizes = {f"{_direction(run, owners)}{state}": run.features for run in runs for state in run.starts}
        weights = weights | {
            f"initial.{state}": start if isinstance(start, np.ndarray) else np.zeros(sizes[state], "float32")
            for state, start in starts.items()
        }
    return layer, weights


def _of(layer: Any, place: str | None) -> Any:
    return replace(layer, of=place)


def _chained(found: list[WithWeights], one: bool) -> list[WithWeights]:
    """`of` left out where it is the layer before, or the only input."""
    before, new = "x" if one else None, []
    for layer, weights in found:
        if layer.of == before and before is not None:
            layer = _of(layer, None)
        new.append((layer, weights))
        before = layer.name
    return new


def _inputs(trace: Trace, given: list[Source]) -> dict[Stream, str]:
    if len(given) == 1 and given[0].sequence:
        rest = [
            name for name in trace.graph.inputs if name not in {given[0].name, *trace.role.lengths, *trace.role.states}
        ]
        if rest:
            trace.request.note(f"x is the input {given[0].name!r}; nothing reads {', '.join(map(repr, rest))}")
        return {given[0]: "x"}
    names: dict[str, None] = {}
    found: dict[Stream, str] = {}
    for each in sorted(given, key=lambda source: list(trace.graph.inputs).index(source.name)):
        name = re.sub(r"\W", "_", each.name)
        name = unique(name if name.isidentifier() else f"x_{name}", names)
        names[name] = None
        found[each] = name
    renamed = [f"{each.name!r} is {name}" for each, name in found.items() if each.name != name]
    if renamed:
        trace.request.note(f"inputs by names that ours may have: {', '.join(renamed)}")
    return found


def _given(names: dict[Stream, str], trace: Any) -> dict[str, Input]:
    """The inputs as a model has them; those of as many steps, by the same symbol or number, share their time."""
    found: dict[str, Input] = {}
    times: dict[Any, str] = {}
    for each, name in names.items():
        assert isinstance(each, Source)
        features = None if each.ids else each.features
        like = None
        if each.sequence:
            like = times.setdefault(trace._time(each.name), name)
        found[name] = Input(features=features, sequence=each.sequence, like=None if like == name else like)
    return found
