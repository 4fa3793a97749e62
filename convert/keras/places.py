"""The graph of ours that a Keras model becomes, as it grows: inputs, layers, and what is known of each value."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from rnnspec.convert.keras.saved import Saved
from rnnspec.convert.names import unique, valid
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.convert.variables import Variables
from rnnspec.errors import UnsupportedError
from rnnspec.graph import Input
from rnnspec.layers import Embedding, Layer, Place, Recurrent

ALONE = "x"  # the one input of a model, which needs no name


@dataclass(frozen=True)
class Value:
    """What a tensor of the model is here.

    Args:
        of: the place: an input, a layer, or a final state.
        features: a step; None: ids.
        time: the input or layer where its time begins; None: a vector.
        steps: how many there are, where the source says it.
        mask: the input whose padding Keras's mask looks for.
        shape: of an input that may be ids or a vector, until it is read: its shape without the batch.
        flat: this is that sequence with all its steps in one vector, which has no place.
        repeated: this is that vector at each step.
    """

    of: str
    features: int | None = None
    time: str | None = None
    steps: int | None = None
    mask: str | None = None
    shape: tuple[int | None, ...] | None = None
    flat: "Value | None" = None
    repeated: "Value | None" = None

    def but(self, **changes: Any) -> "Value":
        """The same with these changes."""
        return replace(self, **changes)


@dataclass
class Places:
    """Inputs, layers with what they read, and whose padding counts where."""

    request: Request
    inputs: dict[str, Input] = field(default_factory=dict)
    layers: dict[str, tuple[WithWeights, tuple[str, ...]]] = field(default_factory=dict)
    padding: dict[str, float] = field(default_factory=dict)  # input → what its mask looks for
    masked: dict[str, list[str]] = field(default_factory=dict)  # input → layers that its mask reaches
    unmasked: dict[str, list[str]] = field(default_factory=dict)  # and those along its time that see no mask
    _like: dict[str, str] = field(default_factory=dict)  # input → the one whose time it shares
    _taken: set[str] = field(default_factory=set)

    def name(self, saved: Saved) -> str:
        """Keras's name, made valid and unique."""
        name = unique(valid(saved.name, digit="_"), {*self._taken, ALONE})
        self._taken.add(name)
        if name != saved.name:
            self.request.note(f"{saved.name}: is called {name} here")
        return name

    def helper(self, name: str) -> str:
        """A name for a layer that Keras has no layer for."""
        name = unique(name, self._taken)
        self._taken.add(name)
        return name

    def root(self, time: str | None) -> str | None:
        """The input whose time it is, where inputs share theirs."""
        while time in self._like:
            time = self._like[time]
        return time

    def place(self, value: Value) -> Place:
        """As our layers know it."""
        return Place(value.features, self.root(value.time))

    def add(self, layer: Layer, weights: Mapping, *reads: Value) -> Value:
        """A layer that reads these, and what it gives; how many steps that are is known where its time is theirs.

        Raises:
            SpecError: it does not fit.
        """
        place = layer.place(*map(self.place, reads))
        self.layers[layer.name] = (layer, dict(weights)), tuple(value.of for value in reads)
        first = next((value for value in reads if self.root(value.time) == place.time), None)
        steps, mask = (first.steps, first.mask) if first and place.time else (None, None)
        return Value(layer.name, place.features, place.time, steps, mask)

    def typed(self, value: Value, saved: Saved, ids: bool = False) -> Value:
        """An input as what it is read as: ids, or features.

        Raises:
            UnsupportedError: it is read as both; or it has no features, or too many axes.
        """
        if value.flat is not None:
            raise UnsupportedError(f"{saved.where}: reads all steps in one vector; only a Dense has an equal that does")
        if value.shape is None:
            if ids:
                raise UnsupportedError(f"{saved.where}: reads what a layer gives; only integers of an input are ids")
            return value
        if ids:
            given = Input() if len(value.shape) == 1 else None
        elif len(value.shape) == 1 and value.shape[0]:
            given = Input(features=value.shape[0], sequence=False)
        else:
            given = Input(features=value.shape[1]) if len(value.shape) == 2 and value.shape[1] else None
        if given is None:
            raise UnsupportedError(
                f"{saved.where}: reads {value.of!r} of shape {value.shape}: ours are ids (time,), vectors (features,) "
                "and sequences (time, features)"
            )
        if self.inputs.setdefault(value.of, given) != given:
            raise UnsupportedError(
                f"{saved.where}: reads {value.of!r} as {_said(given)}, another layer as ids; no equal"
            )
        time, steps = (value.of, value.shape[0]) if given.sequence else (None, None)
        return value.but(features=given.features, time=time, steps=steps, shape=None)

    def as_sequence(self, value: Value) -> Value:
        """An input (time,) of numbers as a sequence of one feature."""
        self.inputs[value.of] = Input(features=1)
        return Value(value.of, 1, value.of, value.shape[0] if value.shape else None)

    def together(self, values: list[Value], saved: Saved) -> None:
        """Make these of one time, if they can be.

        Raises:
            UnsupportedError: their times are others, or their masks.
        """
        if len({value.mask for value in values}) > 1:
            raise UnsupportedError(f"{saved.where}: joins what has other masks: no equal here")
        first, *others = values
        for other in others:
            one, two = self.root(first.time), self.root(other.time)
            if one == two:
                continue
            if one not in self.inputs or two not in self.inputs or not self.inputs[two].sequence:
                raise UnsupportedError(
                    f"{saved.where}: joins {first.of!r} and {other.of!r}, whose steps are not the same: no equal here"
                )
            self._like[str(two)] = str(one)

    def counts(self, value: Value, name: str, mask: bool) -> None:
        """The layer reads steps that count, those of the mask or all."""
        if (root := self.root(value.time)) is not None:
            (self.masked if mask else self.unmasked).setdefault(root, []).append(name)

    def masks(self, value: Value, number: float, saved: Saved) -> Value:
        """The input's mask looks for the number. Raises UnsupportedError: it is no input; another mask does not."""
        if value.of not in self.inputs or value.time is None:
            raise UnsupportedError(f"{saved.where}: masks what other layers made; only of an input it has an equal")
        if self.padding.setdefault(value.of, number) != number:
            raise UnsupportedError(f"{saved.where}: masks {number}, another layer {self.padding[value.of]}: no equal")
        return value.but(mask=value.of)

    def _padding(self, where: str) -> dict[str, float]:
        """The inputs whose padding counts."""
        found: dict[str, float] = {}
        for name, number in self.padding.items():
            root = self.root(name)
            reached, others = self.masked.get(str(root), []), self.unmasked.get(str(root), [])
            if reached and others:
                raise UnsupportedError(
                    f"{where}: {others[0]!r} sees no mask, {reached[0]!r} does; padding is for all that read an input"
                )
            if reached and root != name:
                raise UnsupportedError(f"{where}: {name!r} is masked, and shares its time with {root!r}: no equal here")
            if reached:
                found[name] = number
            elif number:
                raise UnsupportedError(f"{where}: Masking makes steps zero that are {number}; no layer sees the mask")
        return found

    def network(self, ends: list[Value], order: list[str], variables: Variables) -> Network:
        """What the outputs need, in a form that says no more than it must.

        Args:
            ends: what the model returns.
            order: the inputs in the model's order.
        """
        needed = self._needed([end.of for end in ends])
        layers = [self.layers[name] for name in self.layers if name in needed]
        padding = self._padding(variables.where)
        inputs = {
            name: msgspec.structs.replace(
                self.inputs[name], padding=padding.get(name), like=self.root(name) if name in self._like else None
            )
            for name in order
            if name in needed
        }
        if gone := [name for name in order if name not in inputs]:
            self.request.note(f"nothing reads the input {', '.join(gone)}: left out")
        outputs = [end.of for end in ends]
        one = next(iter(inputs)) if len(inputs) == 1 else None
        given = inputs[one] if one else None
        unnamed = given is not None and given.sequence and (given.features or isinstance(layers[0][0][0], Embedding))
        names = {one: ALONE} if unnamed else {}
        before = names.get(one, one)
        found: list[WithWeights] = []
        for (layer, weights), of in layers:
            read = tuple(names.get(name, name) for name in of)
            if read != (before,):
                layer = msgspec.structs.replace(layer, of=read[0] if len(read) == 1 else read)
            if isinstance(layer, Recurrent) and layer.start:
                layer = msgspec.structs.replace(layer, start={k: names.get(v, v) for k, v in layer.start.items()})
            found.append((layer, weights))
            before = layer.name
        ended = None if outputs == [found[-1][0].name] else outputs
        if len(outputs) > 1:
            self.request.note(f"the outputs of the source are, in its order: {', '.join(outputs)}")
        if unnamed and given:
            return Network(found, given.features, variables, given.padding, ended)
        return Network(found, inputs, variables, None, ended)

    def _needed(self, ends: list[str]) -> set[str]:
        """The layers and inputs that lead to these."""
        waiting, found = list(ends), set()
        while waiting:
            if (name := waiting.pop().partition(".")[0]) in found:
                continue
            found.add(name)
            if name in self.layers:
                (layer, _), of = self.layers[name]
                waiting += [*of, *((layer.start or {}).values() if isinstance(layer, Recurrent) else ())]
        return found


def _said(given: Input) -> str:
    if given.features is None:
        return "ids"
    return "a sequence" if given.sequence else "a vector"
