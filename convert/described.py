"""An architecture of ours, a chain or a graph, as what a source of weights alone does not say.

    {"inputs": 40, "layers": [{"type": "convolution", "name": "conv", …}, {"type": "recurrent", "name": "lstm", …}]}

Each layer's weights stand under its name, with "." or "/" where ours has "_", or under "places", beside the
architecture:

    {"model": {…}, "places": {"conv": "front.0", "lstm": "encoder.rnn", "lstm.initial.h": "h0"}}

They are named as the framework names those of its modules; in a state dict of torch also as we do. A recurrent layer
`lstm_1` is the second one of the module `lstm`, where there are such modules. A tensor may be some rows of a variable,
`h0[1]`, or `attention.in_proj_weight[0:8]`; then each of its rows is to be used. Two modules are both directions of a
layer as `lstm.forward` and `lstm.backward`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnspec import strict_json
from rnnspec.convert.blocks import scopes_of, shared
from rnnspec.convert.names import valid
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.convert.variables import Variables, some
from rnnspec.errors import SpecError
from rnnspec.layers import Layer, Norm, Recurrent
from rnnspec.model import Model
from rnnspec.ops import scope, under
from rnnspec.shown import quoted

_ROWS = re.compile(r"(.+)\[(\d{1,9})(?::(\d{1,9}))?\]")
Places = Mapping[str, str]
Shape = tuple[int, ...]
Arrays = dict[str, np.ndarray]
_BOTH = ("forward", "backward")


@dataclass(frozen=True)
class Naming:
    """How a framework calls variables: what joins the parts of a name, which parts say nothing, and what gives the
    weights of a layer at a scope: layer, shapes by our names, variables, prefix, which layer of a module, where."""

    separator: str
    dropped: tuple[str, ...]
    weights_of: Callable[[Layer, Mapping[str, Shape], Variables, str, int | None, str], Arrays]


def architecture(config: Path) -> tuple[Model, Places] | None:
    """The architecture in a file, and where in the state dict its layers stand; None where it gives places alone.

    Raises:
        SpecError: it is neither.
    """
    data, where = strict_json.load(config), str(config)
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("layers"), list):
        return Model.from_builtins(data, where), {}
    if not isinstance(data.get("model"), dict):
        return None
    places = data.get("places", {})
    if unknown := set(data) - {"model", "places"}:
        raise SpecError(f"{where}: expected model and places, found {', '.join(sorted(unknown))} too")
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise SpecError(f"{where}: places: expected the place of each layer, or of a tensor, by its name")
    return Model.from_builtins(data["model"], f"{where}: model"), places


def with_weights(
    model: Model, places: Places, naming: Naming, variables: Variables, request: Request, where: str
) -> Network:
    """The layers of `model` with their weights from a source.

    Raises:
        SpecError: a layer's weights are not there, or of another shape; `places` names what there is not.
        UnsupportedError: a layer is given weights of a module that is another function.
    """
    directions = {f"{layer.name}.{each}" for layer in model.layers if isinstance(layer, Recurrent) for each in _BOTH}
    known = {layer.name for layer in model.layers} | set(model.parameters()) | directions
    for name in places:
        if name not in known:
            raise SpecError(f"{where}: places: {quoted(name)} is no layer or tensor; it has {some(sorted(known))}")
    scopes, slices = Scopes(variables, places, naming, where), Slices(variables)
    layers: list[WithWeights] = []
    for layer, inputs in model.chain():
        shapes = layer.parameters(inputs)
        given = {name: places[f"{layer.name}.{name}"] for name in shapes if f"{layer.name}.{name}" in places}
        weights = {name: slices.take(place, shapes[name]) for name, place in given.items()}
        rest = {name: shape for name, shape in shapes.items() if name not in given}
        if rest and isinstance(layer, Norm) and layer.kind == "layer" and layer.name not in scopes:
            request.note("no weights of it are in the file: gamma is 1 and beta 0", layer.name)
            weights |= {name: np.full(shape, name == "gamma", np.float32) for name, shape in rest.items()}
        elif isinstance(layer, Recurrent) and any(f"{layer.name}.{each}" in places for each in _BOTH):
            for each, (cell, _) in layer.directions.items():  # modules of their own
                alone = Recurrent(name=f"{layer.name}.{each}".replace(".", "_"), cell=cell)
                of_one = _named(alone, scope(rest, each), variables, *scopes.of(f"{layer.name}.{each}"), naming, where)
                weights |= under(each, of_one)
        elif rest:
            weights |= _named(layer, rest, variables, *scopes.of(layer.name), naming, where)
        if strange := [name for name, array in weights.items() if array.dtype.kind != "f"]:
            found = f"expected floating-point numbers, found {weights[strange[0]].dtype}"
            raise SpecError(f"{variables.where}: layer {layer.name!r}: {strange[0]}: {found}")
        layers.append((layer, weights))
    slices.finish()
    request.note(f"the architecture is that of {Path(where).name}")
    return Network(layers, model.inputs, variables, model.padding, model.outputs)


def _named(
    layer: Layer,
    shapes: Mapping[str, Shape],
    variables: Variables,
    place: str,
    index: int | None,
    naming: Naming,
    where: str,
) -> Arrays:
    """The weights of a layer that stand at `place`. Raises SpecError: one is not there."""
    prefix = f"{place}{naming.separator}" if place else ""
    taken = naming.weights_of(layer, shapes, variables, prefix, index, where)
    for name in shapes:
        if name not in taken:
            fix = f'say where it stands, in places: {{"{layer.name}.{name}": "…"}}'
            raise SpecError(f"{where}: layer {layer.name!r}: its {name} is not what its modules have; {fix}")
    if twice := [name for name in taken if name not in shapes]:
        raise SpecError(f"{where}: places: {layer.name}.{twice[0]} stands at {place} with the rest; leave it out")
    return taken


class Scopes:
    """Where in a source the layers stand."""

    def __init__(self, variables: Variables, places: Places, naming: Naming, where: str) -> None:
        self.places, self.where = places, where
        ends = dict.fromkeys(name.rpartition(naming.separator)[0] for name in variables.left())
        self.all = list(dict.fromkeys(scope for end in ends for scope in (*scopes_of(end), end)))
        paths = {
            scope: [part for part in scope.split(naming.separator) if part not in naming.dropped] for scope in self.all
        }
        depth = shared([paths[end] for end in ends if end])
        self.called: list[dict[str, list[str]]] = [{}, {}]  # by the whole name, and without what all begin with
        for place, path in paths.items():
            for named, parts in zip(self.called, (path, path[depth:]), strict=True):
                named.setdefault(valid("_".join(parts)) if parts else "", []).append(place)

    def __contains__(self, name: str) -> bool:
        """Whether a scope is called so, or said to be that of the layer."""
        return name in self.places or any(name in named for named in self.called)

    def of(self, name: str) -> tuple[str, int | None]:
        """The scope of a layer; and which layer of a recurrent module it is: `lstm_1` is the second of `lstm`.

        Raises:
            SpecError: there is none, or there are several.
        """
        base, _, number = name.rpartition("_")
        numbered = [(base, int(number))] if base and number.isascii() and number.isdigit() and len(number) < 6 else []
        for called, index in ((name, None), *numbered):
            if called in self.places:
                return self.places[called], index
            found = next((named[called] for named in self.called if called in named), [])
            if len(found) > 1:
                raise SpecError(f"{self.where}: layer {name!r} may be {' or '.join(found)}; say which, in places")
            if found:
                return found[0], index
        if self.all == [""]:
            return "", numbered[0][1] if numbered else None
        fix = f'say where it stands, in places: {{"{name}": "…"}}'
        raise SpecError(f"{self.where}: layer {name!r}: no scope is called so; there are {some(self.all)}; {fix}")


class Slices:
    """Variables, and rows of variables, `h0[1]` or `in_proj_weight[0:8]`, of which each is to be used."""

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.used: dict[str, np.ndarray] = {}

    def take(self, place: str, shape: Shape) -> np.ndarray:
        """What stands there, axes of one element left aside: h0 (1, 1, units) is (units,).

        Raises:
            SpecError: there is no such variable, or it has other sizes.
        """
        match = _ROWS.fullmatch(place)
        if not match:
            array = self.variables.take(place)
        else:
            array = self.variables.take(match[1])
            first = int(match[2])
            rows = slice(first, first + 1 if match[3] is None else int(match[3]))
            self.used.setdefault(match[1], np.zeros(array.shape[:1], bool))[rows] = True
            array = array[rows]
        if [size for size in array.shape if size != 1] != [size for size in shape if size != 1]:
            raise SpecError(
                f"{self.variables.where}: variable {quoted(place)}: expected shape {shape}, found {array.shape}"
            )
        return array.reshape(shape)

    def finish(self) -> None:
        """Raise SpecError where rows are left over."""
        for name, used in self.used.items():
            if not used.all():
                raise SpecError(
                    f"{self.variables.where}: no layer uses {name}[{int(used.argmin())}]; nothing was converted"
                )
