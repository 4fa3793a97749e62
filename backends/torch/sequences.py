"""Sequences as vectors, vectors as sequences, and windows over time, in PyTorch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from rnnspec.backends.torch.steps import steps
from rnnspec.ops import LOW
from rnnspec.valid import Valid


def repeat(x: Tensor, along: Tensor | int) -> Tensor:
    """`Ops.repeat`."""
    count = along if isinstance(along, int) else along.shape[1]
    return x.unsqueeze(1).expand(-1, count, -1)


def counted(x: Tensor, valid: Valid) -> Tensor:
    """`Ops.counted`."""
    mask, _ = steps(valid, x, False)
    return x.new_ones(*x.shape[:2], 1) if mask is None else mask.unsqueeze(-1).to(x.dtype)


def total(x: Tensor) -> Tensor:
    """`Ops.total`."""
    return x.sum(1)


def largest(x: Tensor, valid: Valid) -> Tensor:
    """`Ops.largest`."""
    if not x.shape[1]:
        return x.new_zeros(x.shape[0], x.shape[-1])
    mask, _ = steps(valid, x, False)
    if mask is None:
        return x.amax(1)
    y = torch.where(mask.unsqueeze(-1), x, LOW).amax(1)
    return torch.where(mask.any(1, keepdim=True), y, 0.0)


def taps(x: Tensor, outside: tuple[int, int], width: int, stride: int, dilation: int) -> list[Tensor]:
    """`Ops.taps`."""
    x = F.pad(x, (0, 0, *outside))
    count = max(0, (x.shape[1] - dilation * (width - 1) - 1) // stride + 1)
    return [x[:, k * dilation : k * dilation + count * stride : stride][:, :count] for k in range(width)]


def windows(valid: Valid, span: int, stride: int) -> Valid:
    """`Ops.windows`."""
    if valid.lengths is not None:
        return Valid(lengths=(valid.lengths.sub(span).div(stride, rounding_mode="floor") + 1).clamp(min=0))
    assert valid.mask is not None
    time = valid.mask.shape[1]
    if time < span:
        return Valid(mask=valid.mask[:, :0])
    fit = [valid.mask[:, k : time - span + 1 + k : stride] for k in range(span)]
    return Valid(mask=torch.stack(fit).all(0))


def convolve(x: Tensor, kernel: Tensor, outside: tuple[int, int], stride: int, dilation: int, groups: int) -> Tensor:
    """`Ops.convolve`, by torch's own."""
    x = F.pad(x.transpose(1, 2), outside)
    if x.shape[2] < dilation * (kernel.shape[1] - 1) + 1:  # which torch refuses
        return x.new_zeros(x.shape[0], 0, kernel.shape[0])
    return F.conv1d(x, kernel.transpose(1, 2), None, stride, 0, dilation, groups).transpose(1, 2)
