"""`rnnspec.ops.Ops` in PyTorch, with the generic time loop."""

import torch
import torch.nn.functional as F
from torch import Tensor

from rnnspec.backends.torch import kernels
from rnnspec.ops import Parameters, States
from rnnspec.valid import Valid


class TorchOps:
    """One call's operations: `training` switches dropout, `path` is "auto", "native" or "generic"."""

    def __init__(self, training: bool, path: str) -> None:
        self.training = training
        self.path = path

    sigmoid = staticmethod(torch.sigmoid)
    tanh = staticmethod(torch.tanh)
    relu = staticmethod(torch.relu)

    def linear(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        if kernel.ndim > 2:
            kernel = kernel.flatten(0, -2)
            bias = None if bias is None else bias.flatten()
        return F.linear(x, kernel, bias)

    def split(self, x: Tensor, parts: int | tuple[int, ...]) -> tuple[Tensor, ...]:
        return x.chunk(parts, -1) if isinstance(parts, int) else x.split(parts, -1)

    def concat(self, parts: list[Tensor]) -> Tensor:
        return torch.cat(parts, -1)

    def take(self, table: Tensor, ids: Tensor) -> Tensor:
        return F.embedding(ids, table)

    def dropout(self, x: Tensor, rate: float) -> Tensor:
        return F.dropout(x, rate, self.training)

    def recurrent(self, layer, p: dict[str, Tensor], x: Tensor, valid: Valid, state: States) -> tuple[Tensor, States]:
        if kernels.chosen(layer, valid, self.path):
            return kernels.run(layer, p, x, valid.lengths, state)
        return layer.unroll(self, p, x, valid, state)

    def recurrent_step(self, layer, p: dict[str, Tensor], x: Tensor, state: States) -> tuple[Tensor, States]:
        if kernels.chosen(layer, Valid(), self.path):
            return kernels.step(layer.cell, p, x, state)
        return layer.cell_step(self, p, x, state)

    def unroll(
        self, cell, p: Parameters, x: Tensor, valid: Valid, state: States, *, reverse: bool, sequences: bool
    ) -> tuple[Tensor, States]:
        """The time loop: UNROLL-1 to UNROLL-7.

        Time goes first and is taken apart once with `unbind`: indexing z[t] inside the loop would make the gradient of
        every step a tensor as large as the sequence.
        """
        x = x.transpose(0, 1)
        time, batch = x.shape[:2]
        mask = valid.mask
        if valid.lengths is not None:
            mask = torch.arange(time, device=x.device) < valid.lengths.to(x.device)[:, None]
        keeps = None if mask is None else mask.T.unsqueeze(-1).unbind(0)
        p = cell.prepare(self, p)
        projected = cell.project(self, p, x).unbind(0)
        last = zero = x.new_zeros(batch, cell.outputs)
        outputs = [zero] * time
        for t in reversed(range(time)) if reverse else range(time):
            y, new = cell.step(self, p, projected[t], state)
            if keeps is None:
                outputs[t], last, state = y, y, new
            else:
                outputs[t] = torch.where(keeps[t], y, zero)
                last = torch.where(keeps[t], y, last)
                state = {name: torch.where(keeps[t], new[name], state[name]) for name in state}
        if not sequences:
            return last, state
        return (torch.stack(outputs, 1) if time else x.new_zeros(batch, 0, cell.outputs)), state
