"""The tree of cells that a cell is: a stack has several inside, a wrapper or one that reads a memory has one."""

from collections.abc import Iterable

import msgspec

from rnnspec.cells.attending import Attending
from rnnspec.cells.base import Cell
from rnnspec.cells.stack import Stack
from rnnspec.cells.wrapper import Wrapper


def inside(cell: Cell) -> dict[str, Cell]:
    """The cells of which it is made, one level down, by their places in the names of parameters and states: `cells.0`,
    … in a stack, `cell` in one that reads a memory, "" in a wrapper, which has no place of its own.
    """
    if isinstance(cell, Stack):
        return {f"cells.{k}": each for k, each in enumerate(cell.cells)}
    if isinstance(cell, Attending):
        return {"cell": cell.cell}
    return {"": cell.cell} if isinstance(cell, Wrapper) else {}


def with_inside(cell: Cell, cells: Iterable[Cell]) -> Cell:
    """The same cell made of others, in the order of `inside`."""
    if isinstance(cell, Stack):
        return msgspec.structs.replace(cell, cells=tuple(cells))
    one = isinstance(cell, (Wrapper, Attending))
    return msgspec.structs.replace(cell, cell=next(iter(cells))) if one else cell


def plain(cell: Cell, place: str = "") -> dict[str, Cell]:
    """The cells in it that are made of no others, by their places.

    Stack(cells=(lstm, Residual(cell=gru))) → {"cells.0": lstm, "cells.1": gru};  lstm → {"": lstm}
    """
    found: dict[str, Cell] = {}
    for name, each in inside(cell).items():
        found |= plain(each, joined(place, name))
    return found or {place: cell}


def joined(*places: str) -> str:
    """Places one inside the other, of which any may be ""."""
    return ".".join(filter(None, places))
