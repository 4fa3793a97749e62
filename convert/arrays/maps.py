"""What `--arrays MAP.json` says of plain arrays: an architecture of ours, and where the weights of its layers are.

    {"model": {"inputs": 3, "layers": [{"type": "recurrent", "name": "lstm", "cell": {"type": "lstm", "units": 4}}, …]},
     "layers": {
       "lstm": {"convention": "torch",
                "weight_ih": {"array": "Wx", "transpose": true},
                "weight_hh": {"array": "Wh", "transpose": true},
                "bias_ih": {"join": ["bi", "bf", "bg", "bo"]},
                "bias_hh": {"zeros": [16]}},
       "out": {"kernel": {"array": "dense/w", "transpose": true}, "bias": "dense/b"}},
     "ignore": {"step": "counts the steps"}}

With a `convention` the names are those of that framework's arrays for the cell, as `rnnspec.conventions` has them;
without one, ours. A cell inside of a layer is `lstm.forward`, `rnn.cells.1`.
"""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import fields

from rnnspec import cells, strict_json
from rnnspec.cells import Cell
from rnnspec.cells.tree import plain
from rnnspec.conventions import cudnn, flax, haiku, keras, onnx, paddle, tf1, torch
from rnnspec.conventions.gates import Part
from rnnspec.convert.arrays.files import Nest, flat
from rnnspec.convert.arrays.pieces import SAID, Pieces
from rnnspec.convert.request import Network, Request
from rnnspec.convert.same import check_same
from rnnspec.convert.variables import Variables, some
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Layer, Recurrent
from rnnspec.model import Model
from rnnspec.ops import under
from rnnspec.shown import quoted

CONVENTIONS: dict[str, Mapping[type, Any]] = {
    "torch": torch.CELLS,
    "keras": keras.CELLS,
    "cudnn": {cells.LSTM: cudnn.LSTM, cells.GRU: cudnn.GRU},
    "flax": flax.CELLS,
    "haiku": {cells.RNN: haiku.VanillaRNN, cells.LSTM: haiku.LSTM, cells.GRU: haiku.GRU},
    "onnx": {cells.RNN: onnx.RNN, cells.LSTM: onnx.LSTM, cells.GRU: onnx.GRU},
    "paddle": paddle.CELLS,
    "tf1": {cells.RNN: tf1.BasicRNN, cells.LSTM: tf1.LSTM, cells.GRU: tf1.GRU, cells.UGRNN: tf1.UGRNN},
}


class Map(msgspec.Struct, forbid_unknown_fields=True):
    """The file. `model`: an architecture of ours, if `--config` does not give it; `layers`: place → name → a piece;
    `ignore`: array → why it is left out."""

    layers: dict[str, dict[str, Any]]
    model: dict[str, Any] | None = None
    ignore: dict[str, str] = {}


def network(nest: Nest, where: str, path: Path, request: Request) -> Network:
    """The layers of the architecture with their weights.

    Raises:
        SpecError: the map is none, or names what there is not; an array is left over, or of another shape.
        UnsupportedError: a framework has no such cell.
    """
    said = _decoded(strict_json.load(path), Map, str(path))
    model = _model(said, path, request)
    arrays = Arrays(Variables(flat(nest, where, said.ignore), where), str(path))
    arrays.variables.ignored |= said.ignore
    for name, reason in request.left_out(arrays.variables, "/", where).items():
        arrays.variables.ignore(name, reason)
    left = dict(said.layers)
    layers = []
    for layer, inputs in model.chain():
        shapes = layer.parameters(inputs)
        weights: dict[str, np.ndarray] = {}
        for place, cell in _places(layer):
            if (entries := left.pop(place, None)) is not None:
                found = arrays.of(place, entries, cell)
                weights |= under(place[len(layer.name) + 1 :], found)
        if missing := [name for name in shapes if name not in weights]:
            raise SpecError(f"{path}: layers: {layer.name!r}: {some(missing)} not said; it has {some(list(shapes))}")
        for name, array in weights.items():
            if shapes.get(name) != array.shape:
                expected = f"shape {shapes[name]}" if name in shapes else f"one of {some(list(shapes))}"
                raise SpecError(f"{path}: layers: {layer.name!r}: {name}: expected {expected}, found {array.shape}")
        layers.append((layer, weights))
    if left:
        raise SpecError(
            f"{path}: layers: {quoted(next(iter(left)))} is no layer of the model, and no cell inside of one"
        )
    arrays.finish()
    return Network(layers, model.inputs, arrays.variables, model.padding, model.outputs)


def _model(said: Map, path: Path, request: Request) -> Model:
    config = request.look("config")
    if (said.model is None) == (config is None):
        found = "neither" if config is None else "both"
        raise SpecError(f"{path}: expected the architecture as its model, or by --config; found {found}")
    if said.model is not None:
        return Model.from_builtins(said.model, f"{path}: model")
    return Model.from_json(Path(config).read_bytes(), str(config))


def _places(layer: Layer) -> Iterator[tuple[str, Cell | None]]:
    """A layer by its name, and the cells in it by theirs: `rnn`, `rnn.forward`, `rnn.forward.cells.0`."""
    yield layer.name, _only(layer)
    if isinstance(layer, Recurrent):
        for direction, (cell, _) in layer.directions.items():
            for place, each in plain(cell, direction).items():
                if place:
                    yield f"{layer.name}.{place}", each


def _only(layer: Layer) -> Cell | None:
    """The cell of a layer that has one."""
    return plain(layer.cell).get("") if isinstance(layer, Recurrent) and "" in layer.directions else None


class Arrays(Pieces):
    """The arrays of a source, as weights of ours."""

    def of(self, place: str, entries: Mapping[str, Any], cell: Cell | None) -> dict[str, np.ndarray]:
        """The weights that one entry of `layers` says, by our names.

        Raises:
            SpecError: it is none, or the arrays do not fit.
            UnsupportedError: the framework has no such cell.
        """
        at = f"{self.where}: layers: {quoted(place)}"
        names = dict(entries)
        convention, options = names.pop("convention", None), names.pop("options", {})
        found = {
            name: self.piece(_decoded(value, SAID, f"{at}: {name}"), f"{at}: {name}") for name, value in names.items()
        }
        if convention is None:
            if options:
                raise SpecError(f"{at}: options: only with a convention")
            return found
        kinds = CONVENTIONS.get(convention) if isinstance(convention, str) else None
        if kinds is None:
            raise SpecError(f"{at}: convention: expected one of {', '.join(CONVENTIONS)}, found {quoted(convention)}")
        kind = kinds.get(type(cell))
        if cell is None or kind is None:
            what = "no cell" if cell is None else f"a {type(cell).__name__}"
            has = ", ".join(cls.__name__ for cls in kinds)
            raise UnsupportedError(f"{at}: {what}; {convention} has {has}: give its tensors by our names")
        theirs, weights = self._converted(kind, cell, found, options, at)
        check_same(cell, theirs, convention, at)
        return weights

    def _converted(self, kind: Any, cell: Cell, found: dict[str, np.ndarray], options: Any, at: str) -> Part:
        """A cell of `kind` with these arrays. What no convention keeps in arrays is as the model says it."""
        takes = inspect.signature(kind.to_ours).parameters
        needed = [
            name for name, each in takes.items() if each.default is each.empty and each.kind is not each.VAR_KEYWORD
        ]
        if not isinstance(options, dict):
            raise SpecError(f"{at}: options: expected names and values, found {quoted(options)}")
        for name in (*found, *options):
            if name not in takes:
                raise SpecError(f"{at}: {quoted(name)}: {kind.__name__} takes {', '.join(takes)}")
        if missing := [name for name in needed if name not in found and name not in options]:
            raise SpecError(f"{at}: {', '.join(missing)} not said")
        options = _unsaid(cell, takes) | options
        try:
            return kind.to_ours(**found, **options)
        except (ValueError, IndexError, TypeError, AttributeError):  # of arrays of other sizes than a cell has
            shapes = {name: array.shape for name, array in found.items()}
            raise SpecError(f"{at}: arrays of {shapes} are no weights of a {kind.__name__}") from None


def _unsaid(cell: Cell, takes: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """What a convention's `to_ours` takes and no array says, as the model's cell has it: activations, the reset."""
    said = {field.name: getattr(cell, field.name) for field in fields(type(cell))}
    if "cell_activation" in said:
        said.setdefault("activation", said["cell_activation"])  # of a framework that has one for both
    free = {name for name in said if name.endswith("activation") or name == "reset_after"} & set(takes)
    if "options" in takes:  # any of the cell's
        free |= {name for name in cell.__struct_fields__ if name.endswith("activation")}
    return {name: said[name] for name in free}


def _decoded(data: Any, kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise SpecError(f"{where}: {error}") from None
