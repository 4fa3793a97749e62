"""The LSTM with layer norms and peepholes: its whole time loop as one function, differentiated by hand.

Plain autograd would add the gradient of the recurrent kernel up step by step, and run some thirty small functions a
step. Here the backward loop computes what the step before needs, and the parameters' gradients come from one product
over all steps after it. Where second derivatives are asked for, `plain` is differentiated instead.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from rnnspec.backends.torch.norm import Norm
from rnnspec.cells import LSTM, Cell


class Loop(NamedTuple):
    """What is no tensor to differentiate: `mask` and `begins` (time, batch, 1); `plain(z, h, c, h0, c0, *p)`."""

    cell: LSTM
    mask: Tensor | None
    begins: Tensor | None
    reverse: bool
    plain: Callable


def fits(cell: Cell, x: Tensor) -> bool:
    """Whether `run` means the cell, and torch is not transforming the program."""
    if type(cell) is not LSTM or torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    same = LSTM(units=cell.units, bias=cell.bias, layer_norm=cell.layer_norm, peephole=cell.peephole)
    return cell == same and not torch.is_autocast_enabled(x.device.type)


def parameters(cell: LSTM) -> list[str]:
    """Those that the loop uses, in order: the gates' norm is the joint one, or that of R h."""
    place = "recurrent" if cell.layer_norm and cell.layer_norm.gates == "split" else "gates"
    norms = [f"{place}_gamma", f"{place}_beta", "cell_gamma", "cell_beta"]
    return ["recurrent_kernel", *norms, "peephole"]


def run(loop: Loop, *arguments: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """z (time, batch, 4 units), projected inputs; h, c; h0, c0, that `begins` restarts from; `parameters`, or None →
    outputs (batch, time, units), h, c."""
    if torch.is_grad_enabled() and any(a is not None and a.requires_grad for a in arguments):
        return _Unrolled.apply(loop, *arguments)
    with torch.no_grad():
        return _Forward(loop, False, *arguments).results()


class _Forward:
    """The loop. Tensors over all steps are (time, batch, …); `hs`, `cs` have one step more, the initial state, at the
    end where the loop begins. With `keep`, all that the backward loop needs stays."""

    def __init__(self, loop: Loop, keep: bool, *arguments) -> None:
        z, h, c, h0, c0, kernel, gamma, beta, cell_gamma, cell_beta, peephole = arguments
        cell, (time, batch, _), units = loop.cell, z.shape, loop.cell.units
        norm = cell.layer_norm
        self.loop = loop
        groups = 4 if norm and norm.over == "gate" else 1
        self.norm: Any = Norm(gamma, beta, norm.epsilon, groups) if norm else None
        self.cell_norm: Any = Norm(cell_gamma, cell_beta, norm.epsilon, 1) if norm and norm.cell else None
        self.hs, self.cs = z.new_empty(time + 1, batch, units), z.new_empty(time + 1, batch, units)
        many = time if keep else 1
        self.product = z.new_empty(many, batch, 4 * units)
        self.carried = z.new_empty(many, batch, units) if norm and norm.cell == "carry" else None
        self.keep = keep
        self.steps: list = [None] * time
        self._run(z, h, c, h0, c0, kernel.flatten(0, 1).T, peephole)

    def _run(self, z, h, c, h0, c0, kernel, peephole) -> None:
        loop, units = self.loop, self.loop.cell.units
        norm, kind = self.norm, self.loop.cell.layer_norm
        split, cell_kind = kind is not None and kind.gates == "split", kind.cell if kind else None
        keeps = None if loop.mask is None else loop.mask.unbind(0)
        resets = None if loop.begins is None else loop.begins.unbind(0)
        time = z.shape[0]
        product = _each(self.product, time)
        carried = None if self.carried is None else _each(self.carried, time)
        hs, cs, zs = self.hs.unbind(0), self.cs.unbind(0), z.unbind(0)
        hs[time if loop.reverse else 0].copy_(h)
        cs[time if loop.reverse else 0].copy_(c)
        for t in reversed(range(time)) if loop.reverse else range(time):
            old, new = t + loop.reverse, t + 1 - loop.reverse
            h, c, stats, cell_stats = hs[old], cs[old], None, None
            if resets is not None:
                h, c = torch.where(resets[t], h0, h), torch.where(resets[t], c0, c)
            if split:
                a, stats = norm(torch.mm(h, kernel, out=product[t]))
                a += zs[t]
            else:
                a = torch.addmm(zs[t], h, kernel, out=product[t])
                if norm:
                    a, stats = norm(a)
            i_f, g, o = a[:, : 2 * units], a[:, 2 * units : 3 * units], a[:, 3 * units :]
            i, f = a[:, :units], a[:, units : 2 * units]
            if peephole is not None:
                i.addcmul_(c, peephole[0])
                f.addcmul_(c, peephole[1])
            i_f.sigmoid_()
            g.tanh_()
            c_new = torch.mul(f, c, out=cs[new] if carried is None else carried[t]).addcmul_(i, g)
            if carried is not None:
                c_new, cell_stats = self.cell_norm(c_new)
                cs[new].copy_(c_new)
            if peephole is not None:
                o.addcmul_(c_new, peephole[2])
            o.sigmoid_()
            if cell_kind == "output":
                s, cell_stats = self.cell_norm(c_new)
                s.tanh_()
            else:
                s = torch.tanh(c_new)
            if self.keep:
                self.steps[t] = a, s, stats, cell_stats
            torch.mul(o, s, out=hs[new])
            if keeps is not None:
                torch.where(keeps[t], hs[new], h, out=hs[new])
                torch.where(keeps[t], c_new, c, out=cs[new])

    def before(self, states: Tensor, start: Tensor | None) -> Tensor:
        """The states that each step saw."""
        old = states[1:] if self.loop.reverse else states[:-1]
        return old if self.loop.begins is None else torch.where(self.loop.begins, start, old)

    def after(self, states: Tensor) -> Tensor:
        return states[:-1] if self.loop.reverse else states[1:]

    def results(self) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs (batch, time, units), h and c."""
        mask, last = self.loop.mask, 0 if self.loop.reverse else -1
        y = self.after(self.hs).transpose(0, 1)
        # A copy always: for one row the transpose is a view, and who changes the outputs must not change what is kept.
        y = (
            y.clone(memory_format=torch.contiguous_format)
            if mask is None
            else torch.where(mask.transpose(0, 1), y, y.new_zeros(()))
        )
        return y, self.hs[last].clone(), self.cs[last].clone()


def _each(a: Tensor, time: int) -> list[Tensor]:
    """Its steps, or the only one again and again."""
    return list(a.unbind(0)) if len(a) == time else [a[0]] * time


class _Unrolled(Function):
    @staticmethod
    def forward(ctx, loop, *arguments):
        kept = _Forward(loop, True, *arguments)
        ctx.kept = kept
        ctx.save_for_backward(*arguments)
        return kept.results()

    @staticmethod
    def backward(ctx, *grads):
        from rnnspec.backends.torch.lstm_backward import backward

        arguments = ctx.saved_tensors
        if torch.is_grad_enabled():
            return None, *_again(ctx.kept.loop, arguments, grads)
        return None, *backward(ctx.kept, *grads, *arguments)


def _again(loop: Loop, arguments, grads) -> list[Tensor | None]:
    """The gradients as functions of the arguments, for second derivatives."""
    wanted = [a for a in arguments if a is not None and a.requires_grad]
    found = torch.autograd.grad(loop.plain(*arguments), wanted, grads, create_graph=True, allow_unused=True)
    each = iter(found)
    return [next(each) if a is not None and a.requires_grad else None for a in arguments]
