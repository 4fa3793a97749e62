"""The weights of one layer of ours, by the names that torch's modules give them."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rnnspec.cells import GRU, LSTM, RNN, Cell, Stack
from rnnspec.cells.wrapper import Wrapper
from rnnspec.conventions import torch
from rnnspec.convert.same import check_same
from rnnspec.convert.variables import Variables
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Convolution, Dense, Layer, Norm, Recurrent
from rnnspec.ops import under

Arrays = dict[str, np.ndarray]


def weights_of(
    layer: Layer,
    shapes: Mapping[str, tuple[int, ...]],
    variables: Variables,
    prefix: str,
    index: int | None,
    where: str,
) -> Arrays:
    """Those of `shapes` that a module of torch has, whose names begin with `prefix`; or all, by our names.

    Args:
        index: which layer of a recurrent module; None: the first.
        where: the architecture, for messages.

    Raises:
        SpecError: one is missing.
        UnsupportedError: torch's recurrent module is another function.
    """
    if all(f"{prefix}{name}" in variables for name in shapes):
        return {name: variables.take(f"{prefix}{name}", *shape) for name, shape in shapes.items()}
    if isinstance(layer, Recurrent):
        return _recurrent(layer, variables, prefix, index, where)
    leaves = torch.leaves(type(layer).__name__, tuple(shapes))
    found = {}
    for name, leaf in leaves.items():
        if isinstance(layer, Norm) and name in ("gamma", "beta") and f"{prefix}weight" not in variables:
            found[name] = (np.ones if name == "gamma" else np.zeros)(shapes[name], np.float32)  # affine=False
            continue
        array = variables.take(f"{prefix}{leaf}")
        if isinstance(layer, Convolution) and name == "kernel":
            array = torch.conv1d(variables.take(f"{prefix}{leaf}", None, None, None))
        elif isinstance(layer, Dense) and array.ndim == 3 and array.shape[2] == 1:
            array = array[:, :, 0]  # a Conv1d of one step
        found[name] = array
    return found


def _recurrent(layer: Recurrent, variables: Variables, prefix: str, index: int | None, where: str) -> Arrays:
    """Of `nn.RNN`, `nn.LSTM`, `nn.GRU`, or their cells; the cells of a stack are layers of the module."""
    first, found = index or 0, Arrays()
    cellular = index is None and f"{prefix}weight_ih" in variables
    for direction, end in zip(layer.directions, ("", "_reverse"), strict=False):
        cell = layer.directions[direction][0]
        for k, (place, inner) in enumerate(_cells(cell, "")):
            suffix = end if cellular else f"_l{first + k}{end}"
            weights = _module(inner, variables, prefix, suffix, f"{where}: layer {layer.name!r}")
            found |= under(direction, under(place, weights))
    return found


def _cells(cell: Cell, place: str) -> Iterator[tuple[str, Cell]]:
    """The cells with weights in a cell, and the place of each in names."""
    while isinstance(cell, Wrapper):
        cell = cell.cell
    if not isinstance(cell, Stack):
        yield place, cell
        return
    for k, inner in enumerate(cell.cells):
        yield from _cells(inner, f"{place}.cells.{k}" if place else f"cells.{k}")


def _module(cell: Cell, variables: Variables, prefix: str, suffix: str, where: str) -> Arrays:
    """The weights of one cell, and no others: what torch's cell is must be what ours is."""
    if not isinstance(cell, RNN | LSTM | GRU) or type(cell) not in torch.CELLS:
        fix = "give each of its tensors a place, in places"
        raise UnsupportedError(f"{where}: torch has no {type(cell).__name__}; {fix}")
    names = {leaf: f"{prefix}{leaf}{suffix}" for leaf in torch.LEAVES}
    needed = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if cell.bias else ()))
    arrays: dict[str, Any] = {leaf: variables.take(names[leaf]) for leaf in needed}
    if isinstance(cell, LSTM) and cell.projection:
        arrays["weight_hr"] = variables.take(names["weight_hr"])
    rows = len(torch.CELLS[type(cell)].gates.ours) * cell.units
    variables.take(names["weight_ih"], rows, None)
    variables.take(names["weight_hh"], rows, cell.outputs(1))
    if isinstance(cell, RNN) and cell.activation in torch.NONLINEARITIES:
        arrays["activation"] = cell.activation
    theirs, weights = torch.CELLS[type(cell)].to_ours(**arrays)
    check_same(cell, theirs, "torch", where)
    return weights
