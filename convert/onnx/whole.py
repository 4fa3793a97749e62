"""An ONNX graph that is no chain, as a graph of layers.

It is followed as a chain is (`trace`), with several inputs, and with operators that read several places (`joins`). What
it makes at some number of steps and rows must be what it makes at others, where these are free: else it depends on
them, as no layer of ours does.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnnspec.conventions.onnx import OVER_FEATURES
from rnnspec.convert.onnx import joins, pointwise, sizes
from rnnspec.convert.onnx.built import Ends, built
from rnnspec.convert.onnx.evaluate import STRUCTURAL
from rnnspec.convert.onnx.frozen import OTHER
from rnnspec.convert.onnx.graph import RECURRENT, SEQUENCE_LENS, Graph, Input, Node
from rnnspec.convert.onnx.made import Flat
from rnnspec.convert.onnx.outputs import states_of
from rnnspec.convert.onnx.places import Places
from rnnspec.convert.onnx.runs import RecurrentNodes
from rnnspec.convert.onnx.sizes import Roles, Sizes
from rnnspec.convert.onnx.streams import Kind, Misfit, Run, Source, Stream, Traced, Unclear
from rnnspec.convert.onnx.trace import Trace
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.errors import SpecError, UnsupportedError

_EACH = {"Neg", *pointwise.KINDS} - {
    "MatMul",
    "Gemm",
    "ReduceSum",
    "ReduceMean",
    *OVER_FEATURES,
}  # acts on each element


_LONGER = 32  # steps that are tried beyond those of a chain, of which windows with strides leave few


@dataclass(frozen=True)
class Many(Roles):
    """`x`: the input by whose shape sizes are chosen; `others`: the rest that are features or ids; `ids_of`: those that
    pick rows; `turned`: sequences are (batch, features, time)."""

    others: tuple[str, ...] = ()
    ids_of: frozenset[str] = frozenset()
    turned: bool = False


class GraphNodes(RecurrentNodes):
    """Recurrent nodes, which may start from another place."""

    def _elsewhere(self, where: str, values: np.ndarray, owners: list) -> Stream:
        stream, at = self.streams.read(values, where)
        if stream.sequence or not np.array_equal(at, np.arange(len(values))):
            raise UnsupportedError(f"{where}: is no vector of each row in order, but {stream}; no state of ours")
        return stream


class GraphTrace(Trace):
    """A trace with several inputs and the operators of `joins`."""

    def __init__(self, graph: Graph, role: Many, sizes: Sizes) -> None:
        super().__init__(graph, role, sizes)
        self.many = role
        self.streams: Places = Places(
            graph.where, self.left, rows=sizes.batch, ragged=bool(role.lengths), free="time" not in sizes.declared
        )
        self.recurrent = GraphNodes(role, sizes, self.streams, self.request)

    def _inputs(self) -> None:
        super()._inputs()
        times = {self._time(self.many.x): self.sizes.time}
        if self.many.turned:
            array = self.values[self.many.x].array
            self.values[self.many.x] = Traced(array.swapaxes(1, 2), Kind.ELEMENTS)
            self.frozen.enter(self.many.x, ("batch", OTHER, "time"))
        for name in self.many.others:
            time = self._time(name)
            if time not in times:
                times[time] = time if isinstance(time, int) and time > 1 else self.sizes.time + 3 * len(times)
            self._enter(name, times[time])

    def _time(self, name: str):
        """How an input declares its steps; None for a vector."""
        shape = self.graph.inputs[name].shape or ()
        ids = name in self.many.ids_of
        rank = len(shape) + ids
        if rank < 3:
            return None
        return shape[2 if self.many.turned and not ids else self.sizes.axes.index("time")]

    def _enter(self, name: str, time: int) -> None:
        shape = self.graph.inputs[name].shape or ()
        ids = name in self.many.ids_of
        vector = len(shape) + ids == 2
        features = 1 if ids else shape[1 if self.many.turned and not vector else -1]
        if len(shape) + ids not in (2, 3) or not isinstance(features, int):
            raise SpecError(
                f"{self.graph.where}: input {name!r} has the shape {shape}, which is no sequence of features"
            )
        numbers = self.streams.new(self.sizes.batch, 1 if vector else time, features)
        source = self.streams.add(Source(name=name, numbers=numbers, ids=ids, sequence=not vector))
        array = source.numbers[:, 0] if vector else source.numbers
        if not vector and self.sizes.axes[0] == "time":
            array = array.swapaxes(0, 1)
        elif not vector and self.many.turned and not ids:
            array = array.swapaxes(1, 2)
        self.values[name] = Traced(array[..., 0] if ids else array, Kind.ELEMENTS)
        self.frozen.enter(name, (*(("batch",) if vector else self.sizes.axes), *([] if ids else [OTHER])))

    def _results(self, node: Node, inputs: list[Traced | None]) -> list[Traced]:
        holds = any(tensor is not None and tensor.kind is Kind.ELEMENTS for tensor in inputs)
        if holds and node.kind in _EACH and (turned := _turned_back(inputs, self.streams)):
            return [Traced(each.array.swapaxes(1, 2), each.kind) for each in self._results(node, turned)]
        if holds and node.kind not in RECURRENT:
            found = joins.compute(node, inputs, self.streams, self.graph.opset)
            if found is not None:
                return [Traced(found, Kind.ELEMENTS)]
        return super()._results(node, inputs)


def _turned_back(inputs: list[Traced | None], places: Places) -> list[Traced | None] | None:
    """What reads (batch, features, time) as if it read (batch, time, features); None where it does not."""
    for tensor in inputs:
        if tensor is None or tensor.kind is not Kind.ELEMENTS:
            continue
        array = tensor.array
        if array.ndim != 3 or array.shape[2] < 2:
            continue
        one, two = array[0, 0, :2].tolist()
        owners = places.owners([one, two])
        if len(owners) == 1 and isinstance(owners[0], Stream) and (two - one) % owners[0].features == 0:
            break
    else:
        return None
    return [None if tensor is None else tensor._replace(array=_exchanged(tensor.array)) for tensor in inputs]


def _exchanged(array: np.ndarray) -> np.ndarray:
    """With the last two axes exchanged; of one axis, which is along the steps then, a column."""
    return array.swapaxes(-1, -2) if array.ndim > 1 else array[:, None] if array.size > 1 else array


def roles(graph: Graph, nodes: list[Node]) -> Iterator[Many]:
    """What each input may be for. Raises SpecError: none has the shape of a sequence."""
    recurrent = [node for node in nodes if node.kind in RECURRENT]
    _, needed = graph.leading_to([name for node in nodes for name in node.outputs if name])
    lengths = _straight(graph, [node.input(SEQUENCE_LENS) for node in recurrent])
    states = _straight(graph, [node.input(place) for node in recurrent for place in node.state_places()])
    rest = [name for name in graph.inputs if name in needed and name not in lengths | states]
    ids = frozenset(name for name in rest if sizes.is_ids(graph, name))
    ranked = [name for name in rest if len(graph.inputs[name].shape or ()) + (name in ids) == 3]
    if not ranked:
        shown = ", ".join(f"{name!r} {graph.inputs[name].shape}" for name in rest) or "none"
        raise SpecError(f"{graph.where}: inputs {shown}: none is a sequence of features; --part NAME takes one chain")
    x = next((name for name in ranked if name not in ids), ranked[0])
    others = tuple(name for name in rest if name != x)
    for turned in (False, True):
        if not turned or any(name not in ids for name in ranked):
            yield Many(x, x in ids, lengths, states, others, ids, turned)


def _straight(graph: Graph, names: list[str]) -> set[str]:
    """The graph inputs that values are, as they are given or moved."""
    moving = STRUCTURAL | {"Cast"}

    def follow(node: Node) -> list[str]:
        return node.inputs[: len(node.inputs) if node.kind == "Concat" else 1] if node.kind in moving else []

    return graph.leading_to(filter(None, names), follow)[1] & set(graph.inputs)


def network(graph: Graph, nodes: list[Node], outputs: list[str], request: Request) -> Network:
    """The layers, without the variables.

    Raises:
        Stopped: it is none of our graphs; with the error where it got farthest.
    """
    errors: dict[int, SpecError | UnsupportedError] = {}
    try:
        many = list(roles(graph, nodes))
    except SpecError as error:
        raise Stopped(-1, error) from None
    for role in many:
        seen = _turned(graph, role) if role.turned else graph
        try:
            guesses = list(sizes.guesses(seen, role))
        except SpecError as error:
            errors.setdefault(-1, error)
            continue
        tries = [
            (tried, *each)
            for orders in guesses
            for tried in orders
            if tried.time > 1 and "time" not in tried.freed and (not role.turned or tried.axes[0] == "batch")
            for each in _lengths(tried)
        ]
        for tried, first, second in tries:
            trace = GraphTrace(seen, role, first)
            try:
                found = _at(trace, nodes, outputs)
                _same(found, seen, role, second, nodes, outputs)
            except (SpecError, UnsupportedError) as error:
                errors.setdefault(trace.reached, error.with_traceback(None))
                continue
            for note in (*trace.request.notes, sizes.fixed(tried)):
                if note:
                    request.note(note)
            return found
    reached = max(errors, default=-1)
    raise Stopped(reached, errors.get(reached) or UnsupportedError(f"{graph.where}: is written for one step"))


class Stopped(Exception):
    """How far a graph was read, and why no farther."""

    def __init__(self, reached: int, error: SpecError | UnsupportedError) -> None:
        super().__init__(reached)
        self.reached, self.error = reached, error


def _turned(graph: Graph, role: Many) -> Graph:
    """The graph with the shape of its first sequence as (batch, time, features)."""
    found = copy.copy(graph)
    found.inputs = dict(graph.inputs)
    given = graph.inputs[role.x]
    if given.shape and not role.ids:
        found.inputs[role.x] = Input(given.dtype, (given.shape[0], given.shape[2], given.shape[1]))
    return found


def _at(trace: GraphTrace, nodes: list[Node], outputs: list[str]) -> Network:
    trace.run(nodes)
    ends: list[Ends] = []
    for name in outputs:
        array, kind = trace.values[name]
        if kind is not Kind.ELEMENTS:
            raise UnsupportedError(f"{trace.graph.where}: output {name!r} holds constants, or sizes of the input")
        ends.append(_end(trace, name, array))
    return built(trace, ends)


def _end(trace: GraphTrace, name: str, array: np.ndarray) -> Ends:
    """What an output is: a stream, in the order of its axes or another; or final states alone."""
    where = f"{trace.graph.where}: output {name!r}"
    places, owners = trace.streams, trace.streams.owners(array.ravel().tolist())
    states = states_of(array, owners) if array.ndim > 2 and all(_has_end(each) for each in owners) else ()
    alone = len(trace.graph.outputs) == len(states) == 1 and isinstance(states[0], Run)
    if states and not alone:
        return Ends(name, None, "", tuple(states))
    forms = [(array, "")]
    if array.ndim == 3:
        forms.append((array.swapaxes(1, 2), "(batch, features, time)"))
    if array.ndim in (1, 2) and all(_features(owner) == 1 for owner in owners):
        forms.append((array[..., None], "without an axis of features"))
    errors = []
    for tried, said in forms:
        try:
            stream, at = places.read(tried, where)
        except Unclear as error:
            errors.append(error)
            continue
        rows, steps = stream.numbers.shape[:2]
        order = np.arange(rows * steps).reshape(rows, steps)
        if isinstance(stream, Flat):
            errors.append(Unclear(f"{where} is all steps of {stream} as one vector; --part NAME takes them as steps"))
        elif np.array_equal(at.ravel(), order.ravel()):
            return Ends(name, stream, said, ())
        elif at.size == order.size and np.array_equal(np.squeeze(at), order.T):
            return Ends(name, stream, "(time, batch, features)", ())
        else:
            errors.append(Unclear(f"{where} is {stream} in another order of rows or steps; no layer of ours"))
    raise errors[0]


def _has_end(owner) -> bool:
    return hasattr(owner, "end")


def _features(owner) -> int:
    return owner.features if isinstance(owner, Stream) else 0


def _lengths(tried: Sizes) -> Iterator[tuple[Sizes, Sizes | None]]:
    """Sizes, and others at which the graph must be the same: of steps first as many as windows need, where free."""
    if longer := sizes.others(tried, _LONGER, 0):
        yield longer, sizes.others(tried, _LONGER + 3, 1)
    yield tried, sizes.others(tried)


def _same(found: Network, graph: Graph, role: Many, new: Sizes | None, nodes: list[Node], outputs: list[str]) -> None:
    """Raise Unclear where the graph is another at other sizes, if there are some and it runs there."""
    if new is None:
        return
    try:
        other = _at(GraphTrace(graph, role, new), nodes, outputs)
    except Misfit:
        return
    if (found.inputs, found.outputs) != (other.inputs, other.outputs) or not equal(found.layers, other.layers):
        raise Unclear(f"{graph.where}: {DEPENDS}")


DEPENDS = (
    "what it does depends on the number of steps or rows, which it declares to be free; export it with the number of "
    "steps that it is for"
)


def equal(one: list[WithWeights], two: list[WithWeights]) -> bool:
    """Whether layers, and their weights, are the same."""
    return [layer for layer, _ in one] == [layer for layer, _ in two] and all(
        weights.keys() == arrays.keys() and all(np.array_equal(weights[name], arrays[name]) for name in weights)
        for (_, weights), (_, arrays) in zip(one, two, strict=True)
    )
