"""Which output of a traced graph is the model's y, by what it reads, and which are final states beside it."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rnnspec.convert.onnx.streams import Both, Kind, Memory, Run, Stream, Unclear
from rnnspec.convert.onnx.trace import Trace
from rnnspec.errors import UnsupportedError

States = tuple[Run | Memory, ...]


class Reading(NamedTuple):
    """A stream as an output has it: its "sequence", "reversed" in time, or its "last" step; `axes`: what those of the
    output are, "1" where they have one place.
    """

    stream: Stream
    form: str
    axes: tuple[str, ...]


class Output(NamedTuple):
    """An output of the graph: the `states` that it consists of, if of nothing else; what it is as a y, if it can be."""

    name: str
    states: States
    reading: Reading | None


def split(trace: Trace, names: list[str]) -> tuple[Output, dict[str, States]]:
    """The output that is y: the first that can be, and a mere state only if there is nothing else; and the outputs that
    are final states of its layers, which every model of ours gives beside y.

    Raises:
        UnsupportedError: no output can be y; another is neither the same nor such a state.
    """
    where = trace.graph.where
    outputs = [_output(trace, name) for name in names]
    able = [output for output in outputs if not output.states] or [output for output in outputs if output.reading]
    y = (able or outputs)[0]
    if y.reading is None:
        raise Unclear(f"{where}: output {y.name!r} {_obstacle(trace, y)}; --part NAME takes another value of the graph")
    inside = list(runs_before(y.reading.stream))
    beside = {}
    for output in outputs:
        if output.reading and output.reading[:2] == y.reading[:2]:
            continue
        if not output.states:
            raise UnsupportedError(
                f"{where}: outputs {y.name!r} and {output.name!r} are two heads; --part NAME takes one"
            )
        for state in output.states:
            if run_of(state) not in inside:
                raise UnsupportedError(
                    f"{where}: output {output.name!r} is {state.end}, which does not lead to {y.name!r}; "
                    f"--part {y.name} leaves it out"
                )
        beside[output.name] = output.states
    return y, beside


def _output(trace: Trace, name: str) -> Output:
    array, kind = trace.values[name]
    if kind is not Kind.ELEMENTS:
        return Output(name, (), None)
    owners = trace.streams.owners(array.ravel().tolist())
    reading = _reading(trace, array, owners)
    if trace.sizes.time > 1:
        return Output(name, states_of(array, owners), reading)
    # The only step is the last as well: what has no axis of time is that.
    if trace.frozen.has_time(name):
        return Output(name, (), reading)
    return Output(name, states_of(array, owners), reading and reading._replace(form="last"))


def states_of(array: np.ndarray, owners: list) -> States:
    """The owners, if the array is made of all of their final states and nothing else."""
    if not all(isinstance(owner, Run | Memory) for owner in owners):
        return ()
    parts = [owner.numbers if isinstance(owner, Memory) else owner.at_final() for owner in owners]
    whole = np.sort(np.concatenate([part.ravel() for part in parts]))
    return tuple(owners) if np.array_equal(np.sort(array.ravel()), whole) else ()


def _reading(trace: Trace, array: np.ndarray, owners: list) -> Reading | None:
    for stream in _candidates(trace, owners):
        if axes := _axes(array, stream.numbers):
            return Reading(stream, "sequence", axes)
        if stream.sequence and (axes := _axes(array, stream.numbers[:, ::-1])):
            return Reading(stream, "reversed", axes)
        if stream.final is not None and (axes := _axes(array, stream.at_final())):
            return Reading(stream, "last", axes)
    return None


def _candidates(trace: Trace, owners: list) -> list[Stream]:
    if len(owners) == 1 and isinstance(owners[0], Stream):
        return owners
    if len(owners) == 2 and all(isinstance(owner, Run) for owner in owners) and trace.streams.paired(*owners):
        pair = sorted(owners, key=lambda run: run.backward)
        return [trace.streams.both(pair[0], pair[1], "concat", last) for last in (False, True)]
    return []


def _axes(array: np.ndarray, numbers: np.ndarray) -> tuple[str, ...] | None:
    """What the axes of an array are that holds these numbers (batch, time, features) once each, every axis of them in
    order, rows along one axis and steps along one, features along others; None for any other array.
    """
    flat = array.ravel()
    if flat.size != numbers.size:
        return None
    order = np.argsort(flat)
    found = np.searchsorted(flat[order], numbers).clip(max=flat.size - 1)
    places = order[found]
    if not np.array_equal(flat[places], numbers) or any((np.diff(places, axis=k) <= 0).any() for k in range(3)):
        return None
    indices = np.unravel_index(places, array.shape)
    rows, steps, features = (
        {k for k, index in enumerate(indices) if np.diff(index, axis=axis).any()} for axis in range(3)
    )
    if len(rows) > 1 or len(steps) > 1 or features & (rows | steps):
        return None
    names = {"batch": rows, "time": steps, "features": features}
    return tuple("·".join(what for what, axes in names.items() if k in axes) or "1" for k in range(array.ndim))


def _obstacle(trace: Trace, output: Output) -> str:
    """Why an output is no y."""
    array, kind = trace.values[output.name]
    if kind is not Kind.ELEMENTS:
        return "holds constants, or sizes of the input"
    if output.states:
        states = " and ".join(state.end for state in output.states)
        return f"is {states}: no output of a layer, which is its h, those of two directions with the forward one first"
    owners = trace.streams.owners(array.ravel().tolist())
    what = " and ".join(map(str, owners))
    if len(owners) == 2 and all(isinstance(owner, Run) for owner in owners) and not trace.streams.paired(*owners):
        return f"joins {what}, which are not the two directions over one input"
    return f"is neither the sequence nor the last step of {what}"


def streams_before(stream: Stream | None) -> Iterable[Stream]:
    """The stream and those that it reads, the nearest first."""
    while stream is not None:
        yield stream
        stream = stream.before


def runs_before(stream: Stream) -> Iterable[Run]:
    """The runs that the stream comes through."""
    for each in streams_before(stream):
        yield from runs(each)


def runs(stream: Stream) -> list[Run]:
    """The cells that give a stream: of two directions both, of anything else but a run none."""
    return [stream.forward, stream.other] if isinstance(stream, Both) else [stream] if isinstance(stream, Run) else []


def run_of(state: Run | Memory) -> Run:
    """The run whose final state it is."""
    return state.run if isinstance(state, Memory) else state
