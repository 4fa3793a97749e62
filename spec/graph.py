"""The graph that a model's layers make: what each reads, and what stands at each place (GRAPH-1 to GRAPH-6)."""

from collections.abc import Mapping, Sequence

from rnnspec.config import Config, Size
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Layer, Place, Recurrent
from rnnspec.layers.base import Features
from rnnspec.shown import quoted


class Input(Config, frozen=True, kw_only=True):
    """What a model is given under a name.

    `features` a step; left out: integer ids. `sequence`: (batch, time, features), or with False (batch, features).
    `like`: the input whose time it shares, and which steps count; else it has a time of its own. `padding`: the number
    that fills up short sequences (MODEL-5).

    Raises:
        SpecError: a vector with a time or padding; a padding between ids.
    """

    features: Size | None = None
    sequence: bool = True
    like: str | None = None
    padding: float | None = None

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        self._check()

    def _check(self) -> None:
        if not self.sequence and (self.like is not None or self.padding is not None):
            raise SpecError(f"{'like' if self.like else 'padding'}: a vector has no steps; leave it out")
        if self.like is not None and self.padding is not None:
            raise SpecError(f"padding: which steps count is said by {self.like!r}, whose time it shares; give it there")
        if self.features is None and self.padding is not None and self.padding != int(self.padding):
            raise SpecError(f"padding: expected an id, an integer, found {self.padding}")


class Node:
    """A layer in its place: the names of what it reads, what stands there, and what stands after it.

    `one`: the place that it reads, where its kind reads one. `features`: what reaches it, of one place or of several.
    `states`: its own, name → size; `start`: state → where it starts from (GRAPH-5).
    """

    def __init__(self, layer: Layer, of: tuple[str, ...], reads: tuple[Place, ...], gives: Place) -> None:
        several, features = layer.most > 1, tuple(place.features for place in reads)
        self.layer = layer
        self.of = of
        self.reads = reads
        self.gives = gives
        self.name = layer.name
        self.one = None if several else of[0]
        self.features: Features = features if several else features[0]
        self.states = layer.states(self.features)
        self.start: Mapping[str, str] | None = layer.start if isinstance(layer, Recurrent) else None


class Graph:
    """The nodes, each after those that it reads, and `places`: name of an input or layer → what stands there.

    Raises:
        SpecError: a name used twice, unknown or of a later layer; layers that do not fit each other; an input or a
            layer that nothing reads.
    """

    def __init__(self, inputs: Mapping[str, Input], layers: Sequence[Layer], outputs: Sequence[str] | None) -> None:
        self.inputs = inputs
        self.places = {name: Place(given.features, self._time(name)) for name, given in inputs.items()}
        self.states: dict[str, Place] = {}
        self.nodes: list[Node] = []
        self._later = {layer.name for layer in layers}
        self._read: set[str] = set()
        self._pairs: set[str] = set()  # layers with two outputs
        named = not ("x" in inputs and len(inputs) == 1)  # a chain's x may share its name with a layer
        before = next(iter(inputs)) if len(inputs) == 1 else None
        for layer in layers:
            if layer.name not in self._later or (layer.name in inputs and (named or layer.since > 1)):
                raise SpecError(f"Model.layers: two layers are named {quoted(layer.name)}; names must be unique")
            self._later.discard(layer.name)
            self._add(layer, before)
            before = layer.name
        self.outputs = (layers[-1].name,) if outputs is None else tuple(outputs)
        self._check_outputs(outputs)

    def _time(self, name: str) -> str | None:
        given = self.inputs[name]
        if given.like is not None:
            other = self.inputs.get(given.like)
            if other is None or not other.sequence or other.like is not None:
                raise SpecError(
                    f"Model.inputs.{name}.like: {quoted(given.like)}: expected a sequence with its own time"
                )
            return given.like
        return name if given.sequence else None

    def _add(self, layer: Layer, before: str | None) -> None:
        if layer.of is None and before is None:
            raise SpecError(
                f"layer {layer.name!r}: of: missing; say which of the inputs {', '.join(self.inputs)} it reads"
            )
        of = (before,) if layer.of is None else (layer.of,) if isinstance(layer.of, str) else tuple(layer.of)
        if not 1 <= len(of) <= layer.most:
            most = f"1 to {layer.most} places" if layer.most > 1 else "one place"
            fix = "; put a Merge before it" if layer.most == 1 and of else ""
            raise SpecError(f"layer {layer.name!r}: of: expected {most}, found {len(of)}{fix}")
        reads = tuple(self._found(layer, "of", str(name)) for name in of)
        node = Node(layer, tuple(map(str, of)), reads, layer.place(*reads))
        if isinstance(layer, Recurrent):
            self._check_start(layer, node)
            self._pairs |= {layer.name} if layer.merge == "none" else set()
        for state, size in node.states.items():
            self.states[f"{layer.name}.{state}"] = Place(size, None)
        self.places[layer.name] = node.gives
        self.nodes.append(node)

    def _check_start(self, layer: Recurrent, node: Node) -> None:
        sizes = node.states
        for state, name in (layer.start or {}).items():
            where = f"start[{state!r}]"
            if state not in sizes:
                raise SpecError(f"layer {layer.name!r}: {where}: unknown state; expected some of {', '.join(sizes)}")
            place = self._found(layer, where, name)
            if place != Place(sizes[state], None):
                expected = f"expected a vector of {sizes[state]} features"
                raise SpecError(f"layer {layer.name!r}: {where}: {expected}, found {name!r}, {place}")

    def _found(self, layer: Layer, where: str, name: str) -> Place:
        """What stands at a place that the layer names."""
        if name in self.places or name in self.states:
            self._read.add(name if name in self.places else name.partition(".")[0])
            if name in self._pairs:
                raise SpecError(f"layer {name!r}: merge='none' gives two outputs; no layer may follow")
            return self.places[name] if name in self.places else self.states[name]
        at = f"layer {layer.name!r}: {where}: {quoted(name)}"
        if name.partition(".")[0] == layer.name:
            raise SpecError(f"{at} is of the layer itself; a layer reads what stands before it")
        if name.partition(".")[0] in self._later:
            raise SpecError(f"{at} comes later; a layer reads what stands before it, so change their order")
        known = ", ".join([*self.places, *self.states][:20])
        raise SpecError(f"{at} is neither an input, nor a layer, nor a final state; known: {known}")

    def _check_outputs(self, outputs: Sequence[str] | None) -> None:
        layers = [node.layer.name for node in self.nodes]
        if outputs is not None and not outputs:
            raise SpecError("Model.outputs: expected at least one layer, found none")
        for name in self.outputs:
            if name not in layers:
                why = "is a final state, which is returned without it" if name in self.states else "is no layer"
                raise SpecError(f"Model.outputs: {quoted(name)} {why}; expected some of {', '.join(layers[:20])}")
            if self.outputs.count(name) > 1:
                raise SpecError(f"Model.outputs: {quoted(name)} stands there twice")
        for name in (*self.inputs, *layers):
            if name not in self._read and name not in self.outputs:
                what = "input" if name in self.inputs and name not in layers else "layer"
                fix = "name it in outputs, or remove it" if what == "layer" else "read it, or remove it"
                raise SpecError(f"{what} {quoted(name)}: nothing reads it; {fix}")

    def times(self) -> dict[str, list[str]]:
        """Time axis → the inputs along it, of those that begin at an input."""
        axes: dict[str, list[str]] = {}
        for name in self.inputs:
            if (time := self.places[name].time) is not None:
                axes.setdefault(time, []).append(name)
        return axes

    def unbroken(self, time: str) -> str | None:
        """Why no sequence may begin anew along this axis, None where one may (GRAPH-7)."""
        for node in self.nodes:
            for k, place in enumerate(node.reads):
                if place.time == time and (k in node.layer.whole or node.gives.time not in (time, None)):
                    return f"layer {node.layer.name!r} reads a sequence whole"
            if isinstance(node.layer, Recurrent) and node.layer.start and node.reads[0].time == time:
                return f"layer {node.layer.name!r} starts from another place"
        return None

    def stepped(self) -> frozenset[str]:
        """The places that a single step has one step of; the others are given, or computed, whole (GRAPH-8).

        Raises:
            UnsupportedError: there is no single step; the message names the layer.
        """
        time = self._pace()
        found = {name for name in self.inputs if self.places[name].time == time}
        for node in self.nodes:
            for k, name in enumerate(node.of):
                if name not in found:
                    continue
                if k in node.layer.whole:
                    raise UnsupportedError(
                        f"layer {node.layer.name!r} reads a sequence whole: it has no step; run whole sequences"
                    )
                found.add(node.layer.name)
        return frozenset(found)

    def _pace(self) -> str:
        """The time axis along which steps are made: that of an output, or of what leads to it."""
        name = next((name for name in self.outputs if self.places[name].time is not None), self.outputs[0])
        for node in reversed(self.nodes):  # what a layer reads stands before it
            if node.layer.name != name:
                continue
            time = node.gives.time
            if time is not None and time not in (place.time for place in node.reads):
                raise UnsupportedError(f"layer {name!r} has a time of its own: it has no step; run whole sequences")
            name = next((n for n, place in zip(node.of, node.reads, strict=True) if place.time is not None), node.of[0])
            name = name if name in self.places else name.partition(".")[0]
        time = self._time(name)
        if time is None:
            raise UnsupportedError(f"input {name!r} is a vector: the model has no step")
        return time
