"""A Keras model that is no chain → the graph that it is: joins, several inputs and outputs, models inside of models,
layers that are called more than once."""

from rnnspec import limits
from rnnspec.convert.keras.cells import Cells
from rnnspec.convert.keras.graph import Call, KerasTensor, ends_of, every_call, tensors
from rnnspec.convert.keras.nodes import Nodes
from rnnspec.convert.keras.places import Places, Value
from rnnspec.convert.keras.saved import GRAPHS, JOINS, MASKS, MODELS, OPERATIONS, READABLE, Saved
from rnnspec.convert.names import valid
from rnnspec.convert.request import Network
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Activation

_Call = tuple[str, int]  # a layer, and which of its calls


class Walk:
    """Goes through a model from its outputs on; the variables must have been located (`locate`)."""

    def __init__(self, cells: Cells) -> None:
        self.cells, self.request = cells, cells.request
        self.places = Places(cells.request)
        self.nodes = Nodes(cells, self.places)
        self.order: list[str] = []  # the inputs
        self.called: set[int] = set()
        self.calls = 0
        self.inside = False  # whether there are models inside of the model

    def network(self, model: Saved) -> Network:
        """All of it.

        Raises:
            SpecError: a variable is missing or of another shape; a tensor is of no layer; layers go round in a circle.
            UnsupportedError: ours has no such layer, or not with that option.
        """
        where = self.cells.variables.where
        if model.kind not in MODELS:
            raise UnsupportedError(
                f"{model.where}: a model of its own class, whose code is never run; convert its layers"
            )
        self.order = [valid(name).replace("-", "_") for name in _inputs(model)]
        ends = [self._end(value, where) for value in self._model(model, None)]
        if len({end.of for end in ends}) < len(ends):
            raise UnsupportedError(f"{model.where}: returns one tensor twice: no equal here")
        return self.places.network(ends, self.order, self.cells.variables)

    def _end(self, value: Value, where: str) -> Value:
        """What the model returns must be of a layer."""
        if value.flat is not None or value.shape is not None:
            raise UnsupportedError(f"{where}: returns {value.of!r} as it is, or all its steps in one vector: no equal")
        if "." not in value.of and value.of not in self.places.inputs:
            return value
        name = self.places.helper(value.of.replace(".", "_") if "." in value.of else f"{value.of}_again")
        self.request.note(f"{name}: {value.of}, which the source returns")
        return self.places.add(Activation(name=name, function="linear"), {}, value)

    def _model(self, model: Saved, given: list[Value] | None) -> list[Value]:
        """What a model returns, where it is given these; None: its own inputs."""
        graph = every_call(model)
        values: dict[_Call, tuple[Value, ...]] = {}
        inputs = _inputs(model)
        if model.kind == "Sequential":
            values |= {place: tuple(given) for place, call in graph.items() if given and _is_input(call)}
        elif given is not None:
            if len(inputs) != len(given):
                raise SpecError(f"{model.where}: is called with {len(given)} tensors, and has {len(inputs)} inputs")
            values |= {(name, 0): (value,) for name, value in zip(inputs, given, strict=True)}
        ends = _returned(model, graph)
        for place in self._in_order(graph, [(end.layer, end.call) for end in ends], model):
            if place not in values:
                values[place] = self._call(
                    graph, graph[place], values, first=given if model.kind == "Sequential" else None
                )
        return [_number(values[end.layer, end.call], end, model) for end in ends]

    def _in_order(self, graph: dict[_Call, Call], ends: list[_Call], model: Saved) -> list[_Call]:
        """The calls that lead to these, each behind those that it reads."""
        done: dict[_Call, bool] = {}  # False: on the way to it
        order: list[_Call] = []
        waiting = [(end, False) for end in reversed(ends)]
        while waiting:
            place, left = waiting.pop()
            if left:
                done[place] = True
                order.append(place)
                continue
            if place in done:
                if not done[place]:
                    raise SpecError(f"{model.where}: {place[0]!r} reads what it gives itself")
                continue
            done[place] = False
            waiting.append((place, True))
            call = graph[place]
            reads = [(tensor.layer, tensor.call) for tensor in (*call.data, *call.states)]
            waiting += [(each, False) for each in reversed(reads)]
        return order

    def _call(
        self, graph: dict[_Call, Call], call: Call, values: dict[_Call, tuple[Value, ...]], first: list[Value] | None
    ) -> tuple[Value, ...]:
        """What one call gives. `first`: what a Sequential is given."""
        saved = call.layer
        self.calls += 1
        if self.calls > limits.CALLS:
            raise SpecError(f"{saved.where}: more than {limits.CALLS:,} calls of layers; convert a part")
        if saved.kind == "InputLayer":
            return (self._input(saved.name, saved, graph),)
        data = [_number(values[tensor.layer, tensor.call], tensor, saved) for tensor in call.data]
        states = [_number(values[tensor.layer, tensor.call], tensor, saved) for tensor in call.states]
        if not data:
            data = first if first else [self._input(f"{saved.name}_input", saved, graph)]
        if id(saved) in self.called:
            self.request.note("is called more than once: its weights are there as often", saved.name)
        self.called.add(id(saved))
        if saved.kind in MODELS:
            self.inside = True
            return tuple(self._model(saved, data))
        if saved.kind in (*READABLE, *JOINS, *GRAPHS) and call.other:
            raise UnsupportedError(f"{saved.where}: is called with {', '.join(call.other)}: no equal here")
        if (key := GRAPHS.get(saved.kind)) and saved.kind not in OPERATIONS and key not in saved.config:
            raise UnsupportedError(f"{saved.where}: says nothing of {key}, and so is a layer of its own: no equal here")
        if call.numbers and saved.kind not in ("GetItem", *JOINS, "Subtract"):
            raise UnsupportedError(f"{saved.where}: is called with the constant {call.numbers[0]!r}: no equal here")
        if call.mask is not None:
            self._check_mask(graph, call, data)
        return self.nodes.read(call, data, states, self._written(call, data, states))

    def _input(self, name: str, saved: Saved, graph: dict[_Call, Call]) -> Value:
        """An input, of a Sequential that of its first layer; what it holds is known once it is read."""
        shape = saved.config.get("batch_shape", saved.config.get("batch_input_shape"))
        if not isinstance(shape, list | tuple) or not all(size is None or type(size) is int for size in shape):
            raise SpecError(f"{saved.where}: the shape of the input is nowhere; give batch_shape in the JSON")
        ours = valid(name).replace("-", "_")
        if ours not in self.order:
            self.order.append(ours)
        return Value(ours, shape=tuple(shape[1:]))

    def _written(self, call: Call, data: list[Value], states: list[Value]) -> bool:
        """Whether a mask reaches the layer. Keras 2 does not write that down, and Keras 3 not in models inside and
        behind them; there a mask goes on by itself, but for where states are given too."""
        if self.cells.version.major == 3 and not self.inside:
            return call.mask is not None
        return data[0].mask is not None and not (states and self.cells.version.major == 3)

    def _check_mask(self, graph: dict[_Call, Call], call: Call, data: list[Value]) -> None:
        """Raise UnsupportedError where the mask that is written down is not that of the padding."""
        waiting, found = [call.mask], set[tuple[str, float]]()
        while waiting:
            tensor = waiting.pop()
            if tensor is None:
                continue
            made = graph[tensor.layer, tensor.call]
            kind, numbers = made.layer.kind, [n for n in made.numbers if type(n) in (int, float)]
            source = graph[made.data[0].layer, made.data[0].call].layer if made.data else None
            if kind == "NotEqual" and source and source.kind == "InputLayer" and len(numbers) == len(made.data) == 1:
                found.add((valid(source.name).replace("-", "_"), float(numbers[0])))
            elif kind in MASKS[1:]:
                waiting += made.data if kind != "ZerosLike" else []
            else:
                raise UnsupportedError(
                    f"{call.layer.where}: its mask is computed by {made.layer.name!r}; only padding has an equal"
                )
        mask = data[0].mask
        if mask is None or found != {(mask, self.places.padding[mask])}:
            raise UnsupportedError(f"{call.layer.where}: its mask is not that of what it reads: no equal here")


def _inputs(model: Saved) -> list[str]:
    """The names of a model's inputs in their order."""
    if model.kind == "Sequential":
        return []
    named = [tensor.layer for tensor in tensors(model.config.get("input_layers"))]
    return named or [layer.name for layer in model.inner.values() if layer.kind == "InputLayer"]


def _is_input(call: Call) -> bool:
    return call.layer.kind == "InputLayer"


def _returned(model: Saved, graph: dict[_Call, Call]) -> list[KerasTensor]:
    """The tensors that a model returns. Raises SpecError: of no layer."""
    ends = [] if model.kind == "Sequential" else ends_of(model, graph)
    ends = ends or [KerasTensor(*place, 0) for place in list(graph)[-1:]]
    if not ends:
        raise SpecError(f"{model.where}: no layers; nothing to convert")
    return ends


def _number(values: tuple[Value, ...], tensor: KerasTensor, saved: Saved) -> Value:
    if not 0 <= tensor.output < len(values):
        raise SpecError(f"{saved.where}: output {tensor.output} of {tensor.layer!r} is taken, but it has {len(values)}")
    return values[tensor.output]
