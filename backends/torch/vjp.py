"""Gradients by name, for whoever does not write a training loop (CONF-4)."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from rnnspec import inputs
from rnnspec.backends.torch.arguments import as_tensor
from rnnspec.backends.torch.module import Net


def vjp(
    net: Net,
    cotangents: Mapping[str, Tensor | ArrayLike],
    x: Tensor | ArrayLike | Mapping[str, Tensor | ArrayLike],
    lengths: Tensor | ArrayLike | Mapping[str, Any] | None = None,
    mask: Tensor | ArrayLike | Mapping[str, Any] | None = None,
    state: Mapping[str, Tensor | ArrayLike] | None = None,
    reset: Tensor | ArrayLike | Mapping[str, Any] | None = None,
    training: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The results, y and final states by name, and the gradients of Σ cotangent ⊙ result over all results.

    Gradients are with respect to every weight, x (or each input by name) where it is floating, and every given state,
    by name.

    Args:
        cotangents: result name → array of its shape; a result without one counts as 0.
        training: whether the call draws noise; `net` is left in the mode in which it was.
    """
    dtype = net.dtype
    arguments = dict(net.named())
    given = x if isinstance(x, Mapping) else {"x": x}
    tensors = {name: as_tensor(value, name) for name, value in given.items()}
    for name, tensor in tensors.items():
        known = net.model.given.get(name)
        if known is not None and known.features is not None:
            tensors[name] = tensor.detach().to(dtype)
        if tensor.is_floating_point():
            arguments[name] = tensors[name].requires_grad_()
    x = tensors if isinstance(x, Mapping) else tensors["x"]
    start = {name: as_tensor(value, name).detach().to(dtype).requires_grad_() for name, value in (state or {}).items()}
    before = net.training
    try:
        y, new = net.train(training)(x, lengths, mask, start or None, reset)
    finally:
        net.train(before)
    results = {**net.model.named(y), **new}
    pulled = {name: as_tensor(value, f"cotangents: {name!r}").to(dtype) for name, value in cotangents.items()}
    shapes = ({name: tuple(tensor.shape) for name, tensor in tensors.items()} for tensors in (results, pulled))
    inputs.check_cotangents(*shapes)
    arguments |= start
    reached = [name for name in pulled if results[name].requires_grad]  # not where there is no step
    if not reached:
        found = {name: torch.zeros_like(argument) for name, argument in arguments.items()}
        return {name: result.detach() for name, result in results.items()}, found
    gradients = torch.autograd.grad(
        [results[name] for name in reached],
        list(arguments.values()),
        [pulled[name] for name in reached],
        allow_unused=True,
        materialize_grads=True,
    )
    found = dict(zip(arguments, gradients, strict=True))
    return {name: result.detach() for name, result in results.items()}, found
