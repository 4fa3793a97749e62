"""Gradients by name, for whoever does not write a training loop (CONF-4)."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from rnnspec.backends.torch.module import Net


def vjp(
    net: Net, cotangents: Mapping, x, lengths=None, mask=None, state: Mapping | None = None, reset=None, training=False
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The results, y and final states by name, and the gradients of Σ cotangent ⊙ result over all results.

    Gradients are with respect to every weight, x where it is floating, and every given state, by name.

    Args:
        cotangents: result name → array of its shape.
        training: whether the call draws noise; `net` is left in the mode in which it was.
    """
    dtype = next(net.parameters()).dtype
    x = torch.as_tensor(np.asarray(x))
    arguments = dict(net.named_parameters())
    if x.is_floating_point():
        arguments["x"] = x = x.to(dtype).requires_grad_()
    start = {
        name: torch.tensor(np.asarray(value), dtype=dtype).requires_grad_() for name, value in (state or {}).items()
    }
    before = net.training
    y, new = net.train(training)(x, lengths, mask, start or None, reset)
    net.train(before)
    results = {**net.model.named(y), **new}
    arguments |= start
    gradients = torch.autograd.grad(
        [results[name] for name in cotangents],
        list(arguments.values()),
        [torch.as_tensor(cotangent, dtype=dtype) for cotangent in cotangents.values()],
        allow_unused=True,
        materialize_grads=True,
    )
    found = dict(zip(arguments, gradients, strict=True))
    return {name: result.detach() for name, result in results.items()}, found
