"""torch's own fused cells, for one step."""

import torch
from torch import Tensor

from rnnspec.backends.torch import kernels
from rnnspec.cells import LSTM, Cell, CellDropout, Residual, Stack
from rnnspec.cells.wrapper import Wrapper
from rnnspec.ops import States, scope, under

_STEPS = {
    "torch.rnn_tanh": torch.rnn_tanh_cell,
    "torch.rnn_relu": torch.rnn_relu_cell,
    "torch.lstm": torch.lstm_cell,
    "torch.gru": torch.gru_cell,
}


def fits(cell: Cell, training: bool) -> bool:
    """Whether fused cells run it: torch's have no projection, and no noise."""
    if type(cell) is Stack:
        return all(fits(inner, training) for inner in cell.cells)
    if isinstance(cell, Wrapper) and type(cell) in (CellDropout, Residual):
        return not (training and type(cell) is CellDropout) and fits(cell.cell, training)
    return kernels.obstacle(cell) is None and not (isinstance(cell, LSTM) and cell.projection)


def step(cell: Cell, p: dict[str, Tensor], x: Tensor, state: States) -> tuple[Tensor, States]:
    """One step by torch's fused cells: x (batch, inputs)."""
    if isinstance(cell, Stack):
        new: States = {}
        for k, inner in enumerate(cell.cells):
            prefix = f"cells.{k}"
            x, s = step(inner, scope(p, prefix), x, scope(state, prefix))
            new |= under(prefix, s)
        return x, new
    if isinstance(cell, CellDropout):
        return step(cell.cell, p, x, state)
    if isinstance(cell, Residual):
        y, new = step(cell.cell, p, x, state)
        return x + y, new
    function, weights = _STEPS[kernels.name(cell)], kernels.weights(cell, p)
    if isinstance(cell, LSTM):
        h, c = function(x, (state["h"], state["c"]), *weights)
        return h, {"h": h, "c": c}
    h = function(x, state["h"], *weights)
    return h, {"h": h}
