"""The cells that run apart from each other, and those among them that are plain."""

from collections.abc import Iterator

from rnnspec.cells import GRU, LSTM, RNN, Cell, CellDropout, Residual, Stack

ACTIVATIONS = ("linear", "tanh", "sigmoid", "relu")  # of an RNN, where Keras and our loops mean the same


def parts(cell: Cell, place: str = "") -> Iterator[tuple[str, Cell]]:
    """Each cell that `Cell.unroll` comes down to in training, with the place of its names."""
    match cell:
        case Stack(cells=cells):
            for k, inner in enumerate(cells):
                yield from parts(inner, f"{place}.cells.{k}")
        case Residual(cell=inner) | CellDropout(cell=inner, state=0.0):
            yield from parts(inner, place)
        case _:
            yield place, cell


def obstacle(cell: Cell) -> str | None:
    """Why the cell is not a plain RNN, LSTM or GRU; None where it is."""
    match cell:
        case RNN():
            plain: Cell = RNN(units=cell.units, bias=cell.bias, activation=cell.activation)
        case LSTM():
            plain = LSTM(units=cell.units, bias=cell.bias)
        case GRU():
            plain = GRU(units=cell.units, bias=cell.bias, reset_after=cell.reset_after)
        case _:
            return f"there is none for {type(cell).__name__}"
    if type(cell) is not type(plain):  # a cell of the user's own may mean anything
        return f"there is none for {type(cell).__name__}"
    if isinstance(cell, RNN) and cell.activation not in ACTIVATIONS:
        return f"there is none for an RNN with {cell.activation}"
    different = [name for name in cell.__struct_fields__ if getattr(cell, name) != getattr(plain, name)]
    return f"there is none for {type(cell).__name__} with {', '.join(different)}" if different else None
