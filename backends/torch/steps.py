"""Which steps are valid, and where sequences begin, as tensors; and putting them in another order."""

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


def compact(x: Tensor, valid: Valid) -> tuple[Tensor, Tensor | None]:
    """The valid steps of each row at its front, and how many there are, on the CPU; None where all are valid."""
    mask, lengths = valid.mask, valid.lengths
    if mask is not None:
        lengths = mask.sum(1).cpu()
    if lengths is None or (lengths == x.shape[1]).all():
        return x, None
    if mask is not None:
        order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
        x = x.gather(1, order.unsqueeze(-1).expand_as(x))
    return x, lengths


def spread(y: Tensor, valid: Valid, lengths: Tensor | None) -> Tensor:
    """The inverse of `compact`, with zeros at invalid steps."""
    mask = valid.mask
    if mask is None or lengths is None:
        return y
    place = (mask.cumsum(1) - 1).clamp(min=0).unsqueeze(-1)
    return torch.where(mask.unsqueeze(-1), y.gather(1, place.expand_as(y)), y.new_zeros(()))


def reversed_(x: Tensor, lengths: Tensor | None) -> Tensor:
    """The valid steps of each row in reverse; the rest stays."""
    if lengths is None:
        return x.flip(1)
    time = torch.arange(x.shape[1])
    index = torch.where(time < lengths[:, None], lengths[:, None] - 1 - time, time).to(x.device)
    return x.gather(1, index.unsqueeze(-1).expand_as(x))
