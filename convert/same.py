"""Whether the cell that a framework's weights are is the one that an architecture says."""

from msgspec.structs import fields

from rnnspec.cells import Cell
from rnnspec.errors import UnsupportedError


def check_same(cell: Cell, theirs: Cell, framework: str, where: str) -> None:
    """Compare field by field.

    Args:
        cell: as the architecture has it.
        theirs: what the framework's cell with these weights is.
        framework: its name, for messages.

    Raises:
        UnsupportedError: another cell, or one with another size, activation or option.
    """
    kind = type(theirs).__name__
    if type(cell) is not type(theirs):
        raise UnsupportedError(f"{where}: a {type(cell).__name__}, and {framework}'s cell there is a {kind}")
    for field in fields(type(cell)):
        value, has = getattr(cell, field.name), getattr(theirs, field.name)
        if value != has:
            found = f"{framework}'s {kind} has {field.name}={has!r}"
            raise UnsupportedError(f"{where}: {field.name}={value!r}, and {found}")
