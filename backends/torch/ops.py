"""`rnnspec.ops.Ops` in PyTorch."""

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from rnnspec import scores
from rnnspec.backends.torch import attention, compute, kernel_step, kernels, loop, noise, sequences
from rnnspec.backends.torch.direct import Direct
from rnnspec.backends.torch.steps import steps
from rnnspec.cells import Cell
from rnnspec.layers import Recurrent
from rnnspec.ops import States
from rnnspec.valid import Valid

NATIVE = ("auto", "native")  # the paths on which torch's own layers run
_ALL = Valid()


class TorchOps:
    """One call's operations. `path` is "auto" or one of `PATHS`; with `training`, noise is keyed by `seed` and the
    number of the `call`, or without a seed drawn from torch's generator. `direct`: the layers that need nothing but a
    function of torch, by name."""

    def __init__(
        self,
        training: bool = False,
        path: str = "auto",
        seed: int | None = None,
        call: int = 0,
        direct: Mapping[str, Direct] = MappingProxyType({}),
    ) -> None:
        self.training = training
        self.direct = direct
        self.path = path
        self.t = 0
        self._seed = seed
        self._call = call
        self._place = ""

    sigmoid = staticmethod(torch.sigmoid)
    tanh = staticmethod(torch.tanh)
    relu = staticmethod(torch.relu)
    exp = staticmethod(torch.exp)
    erf = staticmethod(torch.erf)
    sqrt = staticmethod(torch.sqrt)
    clip = staticmethod(torch.clamp)
    greater = staticmethod(torch.gt)
    where = staticmethod(torch.where)
    flat = staticmethod(torch.flatten)
    softplus = staticmethod(compute.softplus)

    def linear(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.linear(x, kernel.flatten(0, -2), None if bias is None else bias.flatten())

    def split(self, x: Tensor, parts: int | tuple[int, ...]) -> tuple[Tensor, ...]:
        return x.chunk(parts, -1) if isinstance(parts, int) else x.split(parts, -1)

    def concat(self, parts: list[Tensor]) -> Tensor:
        return torch.cat(parts, -1)

    def take(self, table: Tensor, ids: Tensor) -> Tensor:
        return F.embedding(ids.long(), table)  # which takes no small integers

    def zeros(self, x: Tensor, size: int) -> Tensor:
        return x.new_zeros(*x.shape[:-1], size)

    def softmax(self, x: Tensor) -> Tensor:
        return torch.softmax(x, -1)

    def log_softmax(self, x: Tensor) -> Tensor:
        return torch.log_softmax(x, -1)

    def layer_norm(self, x: Tensor, gamma: Tensor, beta: Tensor | None, epsilon: float, groups: int) -> Tensor:
        return compute.layer_norm(x, gamma.flatten(), None if beta is None else beta.flatten(), epsilon, groups)

    def at(self, place: str) -> Self:
        inner = copy.copy(self)
        inner._place = f"{self._place}.{place}" if place else self._place
        return inner

    def noise(self, x: Tensor, size: int, rate: float, place: str, per: str) -> Tensor | None:
        if not self.training or not rate:
            return None
        each = range(x.shape[0]) if x.ndim == 3 else range(self.t, self.t + 1)
        kept = self._noise(x, x.shape[-2], each, size, rate, place, per)
        return kept if x.ndim == 3 else kept[0]

    def _noise(self, x: Tensor, batch: int, each: range, size: int, rate: float, place: str, per: str) -> Tensor:
        """Ones and zeros (steps, batch, size)."""
        visited = each if per == "step" else range(min(len(each), 1))
        if self._seed is None:
            kept = x.new_empty(len(visited), batch, size).bernoulli_(1 - rate)
        else:
            key = self._seed & 0xFFFFFFFF, f"{self._place}.{place}"
            kept = noise.kept(visited, batch, size, rate, key, self._call, x.device).to(x.dtype)
        return kept.expand(len(each), batch, size)

    def dropout(self, x: Tensor, rate: float, place: str = "", per: str = "step") -> Tensor:
        if not self.training or not rate:
            return x
        if self._seed is None and per == "step":
            return F.dropout(x, rate)
        each = range(x.shape[1]) if x.ndim == 3 else range(self.t, self.t + 1)
        kept = self._noise(x, x.shape[0], each, x.shape[-1], rate, place, per)
        return x * (kept.transpose(0, 1) if x.ndim == 3 else kept[0]) * (1 / (1 - rate))

    def recurrent(
        self, layer: Recurrent, p: dict[str, Tensor], x: Tensor, valid: Valid, state: States
    ) -> tuple[list[Tensor], States]:
        if valid == _ALL and x.shape[1] and not x.is_cuda and (direct := self.direct.get(layer.name)):
            y, new = direct.sequence(p, x, state)
            return [y], new
        if self.path == "native":
            kernels.insist(layer, valid, self.training)
        x = self.masked(x, valid)
        if self.path in NATIVE and kernels.call_obstacle(valid) is None and kernels.pairs(layer):
            return kernels.both(layer.cell, p, x, valid, state)
        return layer.unroll(self, p, x, valid, state)

    def recurrent_step(self, layer: Recurrent, p: dict[str, Tensor], x: Tensor, state: States) -> tuple[Tensor, States]:
        if layer.name in self.direct:
            return self.direct[layer.name].step(p, x, state)
        if self.path in NATIVE and kernel_step.fits(layer.cell, self.training):
            return kernel_step.step(layer.cell, p, x, state)
        return layer.cell_step(self, p, x, state)

    def unroll(
        self, cell: Cell, p: dict[str, Tensor], x: Tensor, valid: Valid, state: States, start: States, reverse: bool
    ) -> tuple[Tensor, States]:
        obstacle = kernels.call_obstacle(valid) or kernels.obstacle(cell, self.training)
        if self.path in NATIVE and obstacle is None:
            return kernels.unroll(cell, p, x, valid, state, reverse)
        return loop.unroll(self, cell, p, x, valid, state, start, reverse)

    def masked(self, x: Tensor, valid: Valid) -> Tensor:
        mask, _ = steps(valid, x, False)
        return x if mask is None else torch.where(mask.unsqueeze(-1), x, x.new_zeros(()))

    def unpadded(self, x: Tensor, padding: float, valid: Valid) -> Valid:
        given, _ = steps(valid, x, False)
        mask = x.ne(padding) if x.ndim == 2 else x.ne(padding).any(-1)
        return Valid(mask=mask if given is None else mask & given, reset=valid.reset)

    def hold(self, y: Tensor, valid: Valid, reverse: bool) -> Tensor:
        index, time = self._markers(y, valid, reverse), y.shape[1]
        if not time:
            return y
        index = index.flip(1).cummin(1).values.flip(1) if reverse else index.cummax(1).values
        found = ((index >= 0) & (index < time)).unsqueeze(-1)
        held = y.gather(1, index.clamp(0, time - 1).unsqueeze(-1).expand_as(y))
        return torch.where(found, held, y.new_zeros(()))

    def last(self, y: Tensor, valid: Valid, reverse: bool) -> Tensor:
        time = y.shape[1]
        if not time:
            return y.new_zeros(y.shape[0], y.shape[-1])
        if valid.all:
            return y[:, 0 if reverse else -1]
        index = self._markers(y, valid, reverse)
        index = index.amin(1) if reverse else index.amax(1)
        found = ((index >= 0) & (index < time)).unsqueeze(-1)
        index = index.clamp(0, time - 1)[:, None, None].expand(-1, 1, y.shape[-1])
        return torch.where(found, y.gather(1, index).squeeze(1), y.new_zeros(()))

    def _markers(self, y: Tensor, valid: Valid, reverse: bool) -> Tensor:
        """(batch, time): the step's own index where the output counts, elsewhere one before the first visited."""
        mask, begins = steps(valid, y, reverse)
        time = torch.arange(y.shape[1], device=y.device).expand(y.shape[:2])
        if mask is None:
            return time
        marked = mask if begins is None else mask | begins
        return torch.where(marked, time, y.shape[1] if reverse else -1)

    def flip(self, y: Tensor) -> Tensor:
        return y.flip(1)

    repeat = staticmethod(sequences.repeat)
    counted = staticmethod(sequences.counted)
    total = staticmethod(sequences.total)
    largest = staticmethod(sequences.largest)
    taps = staticmethod(sequences.taps)
    windows = staticmethod(sequences.windows)
    convolve = staticmethod(sequences.convolve)
    products = staticmethod(attention.products)
    additive = staticmethod(attention.additive)
    attend = staticmethod(attention.attend)

    def heads(self, query: Tensor, keys: Tensor, values: Tensor, valid: Valid, count: int, scale: float) -> Tensor:
        if self.path in NATIVE and keys.shape[1]:
            return attention.heads(query, keys, values, valid, count, scale)
        return scores.heads(self, query, keys, values, valid, count, scale)
