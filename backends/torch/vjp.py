"""Gradients by name, for whoever does not write a training loop (CONF-4)."""

from collections.abc import Mapping

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from rnnspec import inputs
from rnnspec.backends.torch.arguments import as_tensor
from rnnspec.backends.torch.module import Net


def vjp(
    net: Net,
    cotangents: Mapping[str, Tensor | ArrayLike],
    x: Tensor | ArrayLike,
    lengths: Tensor | ArrayLike | None = None,
    mask: Tensor | ArrayLike | None = None,
    state: Mapping[str, Tensor | ArrayLike] | None = None,
    reset: Tensor | ArrayLike | None = None,
    training: bool = False,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The results, y and final states by name, and the gradients of Σ cotangent ⊙ result over all results.

    Gradients are with respect to every weight, x where it is floating, and every given state, by name.

    Args:
        cotangents: result name → array of its shape; a result without one counts as 0.
        training: whether the call draws noise; `net` is left in the mode in which it was.
    """
    dtype = next(net.parameters()).dtype
    x = as_tensor(x, "x")
    floating = x.is_floating_point()
    arguments = dict(net.named_parameters())
    if net.model.inputs is not None:
        x = x.detach().to(dtype)
    if floating:
        arguments["x"] = x = x.requires_grad_()
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
    gradients = torch.autograd.grad(
        [results[name] for name in pulled],
        list(arguments.values()),
        list(pulled.values()),
        allow_unused=True,
        materialize_grads=True,
    )
    found = dict(zip(arguments, gradients, strict=True))
    return {name: result.detach() for name, result in results.items()}, found
