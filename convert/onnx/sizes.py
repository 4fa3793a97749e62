"""Sizes at which a graph is tried: which axis of the input is time, how many steps and rows.

ONNX does not say what the axes of an input are, and exporters bake sizes into the graph that they declare to be free.
So sizes are tried in turn until the graph works at them.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

import numpy as np
import onnx
from onnx import AttributeProto, numpy_helper

from rnnspec.convert.onnx.graph import RECURRENT, SEQUENCE_LENS, Dimension, Graph, Node, X
from rnnspec.errors import SpecError, UnsupportedError

_ROWS, _STEPS = 3, 5  # where nothing is declared


@dataclass(frozen=True)
class Roles:
    """The graph inputs that are needed: the model's input `x`, lengths, and initial states."""

    x: str
    ids: bool
    lengths: set[str]
    states: set[str]


@dataclass(frozen=True)
class Sizes:
    """`batch` and `time`; `axes`: what the leading axes of x are, and which of them are `declared` numbers, or `freed`:
    declared to be 1 and tried at another size.
    """

    batch: int
    time: int
    axes: tuple[str, ...]
    declared: set[str] = field(default_factory=set)
    freed: set[str] = field(default_factory=set)
    symbols: dict[str, int] = field(default_factory=dict)

    def lengths(self) -> np.ndarray:
        """Of each row: all different if there are enough steps, the last one complete unless it is the only row."""
        return np.maximum(1, self.time - (np.arange(self.batch) + 1) % max(2, self.batch))

    def shape(self, declared: tuple[Dimension, ...]) -> tuple[int, ...]:
        """A shape with numbers: symbols as in x, else the batch."""
        return tuple(d if isinstance(d, int) else self.symbols.get(d or "", self.batch) for d in declared)


def computed(graph: Graph, nodes: list[Node]) -> set[str]:
    """Initial states, by value name, that other recurrent nodes give."""
    initial = {node.input(place) for node in nodes if node.kind in RECURRENT for place in node.state_places()} - {""}
    return {name for name in initial if any(node.kind in RECURRENT for node in _data(graph, [name])[0])}


def roles(graph: Graph, nodes: list[Node]) -> Roles:
    """What each graph input is for, from where it leads.

    Raises:
        UnsupportedError: there are several inputs besides lengths and initial states.
    """
    recurrent = [node for node in nodes if node.kind in RECURRENT]
    lengths = _inputs(graph, [node.input(SEQUENCE_LENS) for node in recurrent])
    states = _inputs(graph, [node.input(place) for node in recurrent for place in node.state_places()])
    found = _inputs(graph, [node.input(X) for node in recurrent]) - lengths
    if len(found) != 1:
        names = ", ".join(map(repr, sorted(found)))
        raise UnsupportedError(f"{graph.where}: inputs {names or 'none'}: expected one; --part NAME takes one chain")
    x = found.pop()
    if x in states:
        raise UnsupportedError(f"{graph.where}: the input {x!r} gives features and initial states; not a chain")
    return Roles(x, is_ids(graph, x), lengths, states)


def guesses(graph: Graph, role: Roles) -> Iterator[list[Sizes]]:
    """The free sizes first, then those that the file mentions; each with every order of the axes.

    A declared size of 1 says least about what the graph does: before it, another is tried.

    Raises:
        SpecError: the input has no declared shape, or none that a sequence has.
    """
    declared = graph.inputs[role.x].shape
    image = declared is not None and len(declared) + role.ids > 3
    if declared is None or (declared and not image and not role.ids and not isinstance(declared[-1], int)):
        raise SpecError(f"{graph.where}: input {role.x!r}: its shape, features at least, is not declared; export anew")
    leading = declared if role.ids else declared[:-1]
    orders = {1: (("time",), ("batch",)), 2: (("batch", "time"), ("time", "batch"))}.get(len(leading))
    if orders is None or any(isinstance(d, int) and d < 1 for d in declared):
        raise SpecError(f"{graph.where}: input {role.x!r} has the shape {declared}, which is no sequence of features")
    mentioned = _mentioned(graph, role)
    pairs = [(_STEPS, _ROWS), *((d, _ROWS) for d in mentioned), *((_STEPS, d) for d in mentioned)]
    pairs += [(steps, rows) for steps, rows in product(mentioned, mentioned) if steps != rows]
    seen = set()
    ones: list[set[str]] = [{"time", "batch"}, {"time"}, {"batch"}] if 1 in leading else []
    usual = {"time": _STEPS, "batch": _ROWS}
    for freed in ones:
        if each := [sizes for axes in orders if (sizes := _sized(axes, leading, usual, freed)).freed == freed]:
            yield each
    for steps, rows in pairs:
        each = [_sized(axes, leading, {"time": steps, "batch": rows}) for axes in orders]
        if (key := tuple((sizes.batch, sizes.time) for sizes in each)) not in seen:
            seen.add(key)
            yield each


def _sized(
    axes: tuple[str, ...], leading: tuple[Dimension, ...], free: dict[str, int], freed: Collection[str] = ()
) -> Sizes:
    said = dict(zip(axes, leading, strict=True))
    tried = {role: None if d == 1 and role in freed else d for role, d in said.items()}
    size = {role: d if isinstance(d := tried.get(role, 1), int) else free[role] for role in free}
    symbols = {d: size[role] for role, d in tried.items() if isinstance(d, str)}
    declared = {role for role, d in said.items() if isinstance(d, int)}
    return Sizes(
        size["batch"], size["time"], axes, declared, {role for role in said if tried[role] != said[role]}, symbols
    )


def others(sizes: Sizes, steps: int = 2, rows: int = 1) -> Sizes | None:
    """So many more steps and rows, where they are free: what a graph does must not depend on them."""
    new = {"time": sizes.time, "batch": sizes.batch}
    for role, usual, more in (("time", _STEPS, steps), ("batch", _ROWS, rows)):
        if role in sizes.axes and new[role] == usual and (role not in sizes.declared or role in sizes.freed):
            new[role] += more
    if new == {"time": sizes.time, "batch": sizes.batch}:
        return None
    symbols = {
        symbol: new["time"] if size == sizes.time else new["batch"] if size == sizes.batch else size
        for symbol, size in sizes.symbols.items()
    }
    return replace(sizes, symbols=symbols, batch=new["batch"], time=new["time"])


def fixed(sizes: Sizes) -> str | None:
    """What to say about sizes that are not free in the graph."""
    written = {
        what: 1 if role in sizes.freed else size
        for role, size, usual, what in (
            ("time", sizes.time, _STEPS, "step"),
            ("batch", sizes.batch, _ROWS, "row"),
        )
        if role in sizes.axes and (role in sizes.declared or size != usual)
    }
    found = [f"{size} {what}{'s' if size > 1 else ''}" for what, size in written.items()]
    return f"the graph is written for {' and '.join(found)}; the model takes any number" if found else None


def _data(graph: Graph, names) -> tuple[list[Node], set[str]]:
    """What gives numbers to values: not what only measures them."""
    return graph.leading_to(filter(None, names), lambda node: [] if node.kind in ("Shape", "Size") else node.inputs)


def _inputs(graph: Graph, names) -> set[str]:
    """The graph inputs that the values come from, along the chain: past initial states and lengths."""

    def follow(node: Node) -> list[str]:
        return [] if node.kind in ("Shape", "Size") else node.inputs[:1] if node.kind in RECURRENT else node.inputs

    return graph.leading_to(filter(None, names), follow)[1] & set(graph.inputs)


def is_ids(graph: Graph, x: str) -> bool:
    """Whether the input picks rows of a table, cast to another type if need be."""
    names = {x}
    for node in graph.nodes:
        if node.kind in ("Cast", "Identity") and node.input(0) in names:
            names.update(node.outputs)
        elif node.kind == "Gather" and node.input(1) in names:
            return True
    return False


def _mentioned(graph: Graph, role: Roles) -> list[int]:
    """Sizes in the declared shapes of other inputs and of outputs, and in the targets of Reshape nodes."""
    shapes = [value.shape for name, value in graph.inputs.items() if name != role.x] + list(graph.outputs.values())
    found = [d for shape in shapes for d in shape or () if isinstance(d, int)]
    for node in graph.nodes:
        target = graph.constants.get(node.input(1)) if node.kind == "Reshape" else None
        if target is not None and target.size < 9:
            found += target.ravel().tolist()
    targets = [node.input(1) for node in graph.nodes if node.kind == "Reshape"]
    for node in graph.leading_to(filter(None, targets))[0]:  # that are joined from constants
        value = node.get("value", AttributeProto.TENSOR, None) if node.kind == "Constant" else None
        if value is not None and value.data_type == onnx.TensorProto.INT64 and prod(value.dims) < 9:
            found += [size for size in numpy_helper.to_array(value).ravel().tolist() if size > 2]
    return sorted({size for size in found if 0 < size <= 4096})[:6]
