"""How queries read a memory, in PyTorch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from rnnspec.backends.torch.steps import steps
from rnnspec.ops import LOW
from rnnspec.valid import Valid


def products(query: Tensor, keys: Tensor) -> Tensor:
    """`Ops.products`."""
    if query.ndim == 2:
        return (keys @ query.unsqueeze(-1)).squeeze(-1)
    return query @ keys.transpose(1, 2)


def additive(query: Tensor, keys: Tensor, scale: Tensor) -> Tensor:
    """`Ops.additive`."""
    keys = keys if query.ndim == 2 else keys.unsqueeze(1)
    return torch.tanh(query.unsqueeze(-2) + keys) @ scale


def attend(scores: Tensor, values: Tensor, valid: Valid) -> Tensor:
    """`Ops.attend`."""
    if not values.shape[1]:
        return scores.sum(-1, keepdim=True).expand(*scores.shape[:-1], values.shape[-1]) * 0.0
    mask, _ = steps(valid, values, False)
    if mask is not None:
        mask = mask if scores.ndim == 2 else mask.unsqueeze(1)
        scores = torch.where(mask, scores, LOW)
    weights = torch.softmax(scores, -1)
    weights = weights if mask is None else weights * mask
    if weights.ndim == 2:
        return (weights.unsqueeze(1) @ values).squeeze(1)
    return weights @ values


def heads(query: Tensor, keys: Tensor, values: Tensor, valid: Valid, count: int, scale: float) -> Tensor:
    """`Ops.heads`, by torch's own, which knows no row without valid keys: it reads all of them there, times 0."""
    vector = query.ndim == 2
    query = query.unsqueeze(1) if vector else query
    parts = (x.unflatten(-1, (count, -1)).transpose(1, 2) for x in (query, keys, values))
    mask, _ = steps(valid, values, False)
    if mask is None:
        y = F.scaled_dot_product_attention(*parts, scale=scale)
    else:
        some = mask.any(1)[:, None, None, None]
        y = F.scaled_dot_product_attention(*parts, attn_mask=mask[:, None, None] | ~some, scale=scale)
        y = torch.where(some, y, 0.0)
    y = y.transpose(1, 2).flatten(2)
    return y.squeeze(1) if vector else y
