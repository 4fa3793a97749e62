"""The weights of one layer of ours, by the names that Flax's modules give them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnspec.activations import Function
from rnnspec.cells import GRU, LSTM, MGU, RNN, UGRNN, Cell
from rnnspec.cells.wrapper import Wrapper
from rnnspec.conventions import flax
from rnnspec.convert.flax.cells import recognise
from rnnspec.convert.request import Request
from rnnspec.convert.same import check_same
from rnnspec.convert.settings import Settings
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError
from rnnspec.layers import Convolution, Dense, Layer, Norm, Recurrent
from rnnspec.ops import under

Arrays = dict[str, np.ndarray]
_CELLS = (RNN, LSTM, GRU, MGU, UGRNN)


def weights_of(
    layer: Layer,
    shapes: Mapping[str, tuple[int, ...]],
    variables: Variables,
    prefix: str,
    index: int | None,
    where: str,
) -> Arrays:
    """Those of `shapes` that a module of Flax has, whose names begin with `prefix`.

    Args:
        index: for modules of several layers, which Flax does not have.
        where: the architecture, for messages.

    Raises:
        SpecError: one is missing, or of another shape.
        UnsupportedError: the cell is another function.
    """
    if isinstance(layer, Recurrent):
        return _recurrent(layer, variables, prefix, where)
    found = {}
    for name, leaf in flax.leaves(type(layer).__name__, tuple(shapes)).items():
        if isinstance(layer, Norm) and name in ("gamma", "beta") and f"{prefix}{leaf}" not in variables:
            found[name] = np.full(shapes[name], name == "gamma", np.float32)  # use_scale=False, use_bias=False
            continue
        array = variables.take(f"{prefix}{leaf}")
        if isinstance(layer, Convolution) and name == "kernel":
            array = flax.conv(variables.take(f"{prefix}{leaf}", None, None, None))
        elif isinstance(layer, Dense):
            array = _dense(array, shapes[name], f"{variables.where}: variable '{prefix}{leaf}'")
        found[name] = array
    return found


def _dense(array: np.ndarray, shape: tuple[int, ...], where: str) -> np.ndarray:
    """A kernel or bias of `Dense`, or of `DenseGeneral`, whose heads are axes. Raises SpecError: of other sizes."""
    ours = flax.dense(array, shape) if len(shape) == 2 and array.ndim > 1 else array.reshape(-1)
    if ours is None:
        raise SpecError(f"{where}: expected inputs and units {shape[::-1]}, found {array.shape}")
    return ours


def _recurrent(layer: Recurrent, variables: Variables, prefix: str, where: str) -> Arrays:
    """Of a cell, of an `RNN` with one, or of a `Bidirectional` of these."""
    found = Arrays()
    for direction, (cell, _) in layer.directions.items():
        scope = f"{prefix}{direction}_rnn/" if direction else prefix
        inside = {name.removeprefix(scope).rpartition("/")[0] for name in variables if name.startswith(scope)}
        nested = {name.removeprefix("cell/") for name in inside if name.startswith("cell/")}
        scope, modules = (f"{scope}cell/", nested) if nested else (scope, inside)
        at = f"{where}: layer {layer.name!r}"
        flaxen = recognise(variables, scope, modules)
        if flaxen is None:
            raise SpecError(f"{at}: no cell of Flax stands at {scope.removesuffix('/')}")
        while isinstance(cell, Wrapper):
            cell = cell.cell
        settings = Settings({"activation": _plain(_activation(cell)), "gate_activation": _plain(_gates(cell))})
        theirs, weights = flaxen.part(variables, Request(settings), layer.name)
        check_same(cell, theirs, "Flax", at)
        found |= under(direction, weights)
    return found


def _activation(cell: Cell) -> Any:
    return getattr(cell, "cell_activation", getattr(cell, "activation", "tanh"))


def _gates(cell: Cell) -> Any:
    return getattr(cell, "gate_activation", "sigmoid")


def _plain(activation: Any) -> Any:
    """An activation as a user would set it."""
    return activation.to_builtins() if isinstance(activation, Function) else activation
