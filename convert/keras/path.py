"""Which layers of a Keras model's graph are a chain."""

from rnnspec.convert.keras.graph import Call, KerasTensor, tensors
from rnnspec.convert.keras.outputs import sequences
from rnnspec.convert.keras.saved import JOINS, MODELS, READABLE, RECURRENT, Saved
from rnnspec.errors import SpecError, UnsupportedError


def returned(model: Saved, graph: dict[str, Call], wanted: list[int] | None) -> list[KerasTensor]:
    """The tensors that the model returns, or those of them that are wanted.

    Raises:
        SpecError, UnsupportedError: it is no output of one layer.
    """
    if model.kind == "Sequential":
        return [KerasTensor(name, 0, number) for name in list(graph)[-1:] for number in wanted or [0]]
    ends = tensors(model.config.get("output_layers")) or [KerasTensor(name, 0, 0) for name in list(graph)[-1:]]
    for end in ends:
        if end.layer not in graph:
            raise SpecError(f"{model.where}: the output is of {end.layer!r}, but there is no such layer")
        if graph[end.layer].layer.kind == "InputLayer":
            raise UnsupportedError(f"{model.where}: its input {end.layer!r} is an output too: no equal here")
    for number in wanted or ():
        if number >= len(ends):
            raise SpecError(f"{model.where}: its output {number} is taken, but it has {len(ends)}")
    return ends if wanted is None else [ends[number] for number in wanted]


def needed(model: Saved, graph: dict[str, Call], ends: list[KerasTensor]) -> dict[str, Call]:
    """The layers that the outputs need for their data and states; Keras 3's masks are not among them."""
    waiting = [end.layer for end in ends]
    needed = set()
    while waiting:
        if (name := waiting.pop()) not in needed:
            needed.add(name)
            waiting += [tensor.layer for tensor in (*graph[name].data, *graph[name].states)]
    return {name: call for name, call in graph.items() if name in needed}


def whole(model: Saved, graph: dict[str, Call], ends: list[KerasTensor]) -> list[str]:
    """All layers but the inputs, which must be a chain. Raises SpecError, UnsupportedError: it is no chain."""
    found, reasons = in_one(model, graph, ends)
    if reasons:
        after = takers(graph)
        parts = dict.fromkeys(around(graph, after, name)[-1] for name in after if graph[name].layer.kind in RECURRENT)
        fix = f"; convert one in it, --part {' or --part '.join(parts)}" if parts else ""
        raise UnsupportedError(f"{model.where}: not a chain: {reasons[0]}{fix}")
    return found


def in_one(model: Saved, graph: dict[str, Call], ends: list[KerasTensor]) -> tuple[list[str], list[str]]:
    """The layers but the inputs, in the order of a chain, and why they are none. Raises SpecError: there are none."""
    names = [name for name, call in graph.items() if call.layer.kind != "InputLayer"]
    if not names:
        raise SpecError(f"{model.where}: no layers; nothing to convert")
    after = takers(graph)
    found = around(graph, after, names[0], part=False)
    reasons = [reason for name in names if (reason := _obstacle(graph, after[name], name, ends))]
    if sorted(found) != sorted(names):
        reasons.append("it has several inputs")
    return found, reasons


def _obstacle(graph: dict[str, Call], taking: list[str], name: str, ends: list[KerasTensor]) -> str | None:
    """Why there is no chain at that layer."""
    call = graph[name]
    for state in call.states:
        if graph[state.layer].layer.kind != "InputLayer":
            return f"the initial state of {name!r} comes from {state.layer!r}"
    if len(call.data) > 1 and _before(call) is None:
        return f"{name!r} joins {' and '.join(repr(tensor.layer) for tensor in call.data)}"
    if len(taking) > 1:
        return f"what {name!r} gives goes to {' and '.join(map(repr, taking))}"
    if taking and _is_output(call.layer, ends):
        return f"what {name!r} gives goes to {taking[0]!r} and is an output too"
    return None


def takers(graph: dict[str, Call]) -> dict[str, list[str]]:
    """Layer → the layers whose data is what it gives."""
    found: dict[str, list[str]] = {name: [] for name in graph}
    for taker, call in graph.items():
        for name in {tensor.layer for tensor in call.data}:
            found[name].append(taker)
    return found


def _before(call: Call) -> str | None:
    """The one layer whose outputs a layer takes: one of them, or several that it joins."""
    layers = {tensor.layer for tensor in call.data}
    one = len(call.data) == 1 or (len(layers) == 1 and call.layer.kind in JOINS)
    return call.data[0].layer if one else None


def _is_output(layer: Saved, ends: list[KerasTensor]) -> bool:
    """Whether the model returns what the layer hands on, and not just its states."""
    numbers = [end.output for end in ends if end.layer == layer.name and layer.kind not in MODELS]
    return any(number < sequences(layer) for number in numbers) if layer.kind in RECURRENT else bool(numbers)


def around(graph: dict[str, Call], taking: dict[str, list[str]], name: str, part: bool = True) -> list[str]:
    """The longest chain around a layer; for a part, of layers that ours has, that hand on their outputs, not states."""
    names, inside = [name], {name}

    def fits(before: str, after: str, new: str) -> bool:
        if len(graph[before].layer.nodes) > 1 or len(graph[after].layer.nodes) > 1:
            return False
        if new in inside or graph[before].layer.kind == "InputLayer" or _before(graph[after]) != before:
            return False
        data = graph[after].data
        return not part or (graph[new].layer.kind in READABLE and len(data) == 1 and not data[0].output)

    while (before := _before(graph[names[-1]])) and fits(before, names[-1], before):
        names.append(before)
        inside.add(before)
    names.reverse()
    while len(after := taking[names[-1]]) == 1 and fits(names[-1], after[0], after[0]):
        names.append(after[0])
        inside.add(after[0])
    return names
