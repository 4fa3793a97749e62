"""Layer normalisation step by step, with its gradients apart: the input's in the loop, the parameters' after it."""

import torch
from torch import Tensor


class Norm:
    """`Ops.layer_norm` of x (batch, features), in `groups`."""

    def __init__(self, gamma: Tensor, beta: Tensor | None, epsilon: float, groups: int) -> None:
        self.gamma = gamma.flatten()
        self.beta = None if beta is None else beta.flatten()
        self.epsilon = epsilon
        self.groups = groups
        self.shape = [self.gamma.numel() // groups]
        # torch's own has the same gamma and beta in all groups; with several they are applied outside.
        self._inside = (self.gamma, self.beta) if groups == 1 else (None, None)

    def __call__(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """N(x), and what `grad` needs."""
        y, mean, scale = torch.native_layer_norm(self._parts(x), self.shape, *self._inside, self.epsilon)
        if self.groups > 1:
            y = y.view(x.shape)
            y = y.mul_(self.gamma) if self.beta is None else torch.addcmul(self.beta, y, self.gamma, out=y)
        return y, (mean, scale)

    def grad(self, dy: Tensor, x: Tensor, stats: tuple[Tensor, Tensor]) -> Tensor:
        """The gradient of x, for that of N(x)."""
        if self.groups > 1:
            dy = dy * self.gamma
        return self._backward(dy, x, stats, [True, False, False])[0].view(x.shape)

    def grad_parameters(self, dy: Tensor, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The gradients of γ and β (features,), for all steps: dy, x (time, batch, features)."""
        y = torch.native_layer_norm(self._parts(x), self.shape, None, None, self.epsilon)[0].view(x.shape)
        return (dy * y).sum((0, 1)), None if self.beta is None else dy.sum((0, 1))

    def _parts(self, x: Tensor) -> Tensor:
        return x if self.groups == 1 else x.unflatten(-1, (self.groups, -1))

    def _backward(self, dy: Tensor, x: Tensor, stats: tuple[Tensor, Tensor], mask: list[bool]):
        backward = torch.ops.aten.native_layer_norm_backward.default
        return backward(self._parts(dy), self._parts(x), self.shape, *stats, *self._inside, mask)
