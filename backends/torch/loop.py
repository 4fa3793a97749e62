"""The time loop of a cell that torch has no layer for."""

from typing import Any

import torch
from torch import Tensor

from rnnspec.backends.fused.trace import obstacle
from rnnspec.backends.torch import fused
from rnnspec.backends.torch.steps import steps
from rnnspec.cells import Cell
from rnnspec.ops import Parameters, States, leaves, nest_like
from rnnspec.valid import Valid


def unroll(
    ops: Any, cell: Cell, p: dict[str, Tensor], x: Tensor, valid: Valid, state: States, start: States, reverse: bool
) -> tuple[Tensor, States]:
    """`Ops.unroll` for any cell, fused where it has a fused loop and `ops.path` is not "generic": UNROLL-1 to UNROLL-6,
    UNROLL-12."""
    mask, begins = (None if m is None else m.T.unsqueeze(-1) for m in steps(valid, x, reverse))
    if not x.shape[1]:
        return x.new_zeros(x.shape[0], 0, cell.outputs(x.shape[-1])), state
    loop = generic if ops.path == "generic" or obstacle(cell) or not fused.fits(x) else fused.unroll
    return loop(ops, cell, p, x.transpose(0, 1), mask, begins, state, start, reverse)


def generic(
    ops: Any,
    cell: Cell,
    p: Parameters,
    x: Tensor,
    mask: Tensor | None,
    begins: Tensor | None,
    state: States,
    start: States,
    reverse: bool,
) -> tuple[Tensor, States]:
    """The loop over `cell.step` on x (time, batch, inputs), with mask and begins (time, batch, 1) → outputs (batch,
    time, outputs), final states.

    Time is taken apart once with `unbind`: indexing z[t] inside the loop would make the gradient of every step a tensor
    as large as the sequence.
    """
    p = cell.prepare(ops, p)
    projected = cell.project(ops, p, x)
    parts = [leaf.unbind(0) for leaf in leaves(projected)]
    time = x.shape[0]
    keeps = None if mask is None else mask.unbind(0)
    resets = None if begins is None else begins.unbind(0)
    outputs: list = [None] * time
    for t in reversed(range(time)) if reverse else range(time):
        ops.t = t
        if resets is not None:
            state = {name: torch.where(resets[t], start[name], state[name]) for name in state}
        outputs[t], new = cell.step(ops, p, nest_like(projected, iter([part[t] for part in parts])), state)
        if keeps is not None:
            new = {name: torch.where(keeps[t], new[name], state[name]) for name in state}
        state = new
    y = torch.stack(outputs, 1)
    return (y if mask is None else torch.where(mask.transpose(0, 1), y, y.new_zeros(()))), state
