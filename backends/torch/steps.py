"""Which steps are valid, and where sequences begin, as tensors."""

import torch
from torch import Tensor

from rnnspec.valid import Valid


def steps(valid: Valid, x: Tensor, reverse: bool) -> tuple[Tensor | None, Tensor | None]:
    """Two booleans (batch, time) for x (batch, time, …): whether the step is valid, None where all are, and whether a
    sequence begins there in the order of visits, None where there is no reset.

    Visited backward, it is the step before a reset that begins anew (UNROLL-12).
    """
    mask, begins = valid.mask, valid.reset
    if valid.lengths is not None:
        mask = torch.arange(x.shape[1], device=x.device) < valid.lengths.to(x.device)[:, None]
    if begins is not None and reverse:
        begins = torch.cat([begins[:, 1:], begins.new_zeros(begins.shape[0], min(1, begins.shape[1]))], 1)
    return mask, begins
