"""The generic time loop."""

import torch
from torch import Tensor

from rnnspec.backends.torch import lstm
from rnnspec.backends.torch.steps import steps
from rnnspec.ops import States, leaves, nest_like
from rnnspec.valid import Valid


def unroll(
    ops, cell, p: dict[str, Tensor], x: Tensor, valid: Valid, state: States, start: States, reverse: bool
) -> tuple[Tensor, States]:
    """`Ops.unroll` for any cell: UNROLL-1 to UNROLL-6, UNROLL-12."""
    mask, begins = (None if m is None else m.T.unsqueeze(-1) for m in steps(valid, x, reverse))
    outputs = cell.outputs(x.shape[-1])
    if not x.shape[1]:
        return x.new_zeros(x.shape[0], 0, outputs), state
    prepared = cell.prepare(ops, p)
    projected = cell.project(ops, prepared, x.transpose(0, 1))
    if lstm.fits(cell, x):

        def plain(z, h, c, h0, c0, *values):
            given = dict(zip(names, values, strict=True))
            prepared = cell.prepare(ops, {name: value for name, value in given.items() if value is not None})
            y, new = run(ops, cell, prepared, z, mask, begins, {"h": h, "c": c}, {"h": h0, "c": c0}, reverse)
            return y, new["h"], new["c"]

        names = lstm.parameters(cell)
        whole = lstm.Loop(cell, mask, begins, reverse, plain)
        states = state["h"], state["c"], start.get("h"), start.get("c")
        y, h, c = lstm.run(whole, projected, *states, *(p.get(name) for name in names))
        return y, {"h": h, "c": c}
    return run(ops, cell, prepared, projected, mask, begins, state, start, reverse)


def run(
    ops, cell, p, projected, mask: Tensor | None, begins: Tensor | None, state: States, start: States, reverse: bool
) -> tuple[Tensor, States]:
    """The loop over `cell.step`, with mask and begins (time, batch, 1) → outputs (batch, time, outputs), final states.

    Time is taken apart once with `unbind`: indexing z[t] inside the loop would make the gradient of every step a tensor
    as large as the sequence.
    """
    parts = [leaf.unbind(0) for leaf in leaves(projected)]
    time = len(parts[0])
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
