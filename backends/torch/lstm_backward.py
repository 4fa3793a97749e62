"""The gradients of `lstm`'s loop."""

from typing import Any

import torch
from torch import Tensor

_sigmoid = torch.ops.aten.sigmoid_backward.grad_input
_tanh = torch.ops.aten.tanh_backward.grad_input


def backward(kept, dy, dh, dc, z, h, c, h0, c0, kernel, gamma, beta, cell_gamma, cell_beta, peephole):
    """The gradients of z, h, c, h0, c0 and the parameters, from those of the outputs, h and c."""
    loop, units, time = kept.loop, kept.loop.cell.units, z.shape[0]
    kind = loop.cell.layer_norm
    norm, joint, cell_kind = kept.norm, kind is not None and kind.gates == "joint", kind.cell if kind else None
    keeps = None if loop.mask is None else loop.mask.unbind(0)
    resets = None if loop.begins is None else loop.begins.unbind(0)
    matrix = kernel.flatten(0, 1)
    h_old, c_old, c_new = kept.before(kept.hs, h0), kept.before(kept.cs, c0), kept.after(kept.cs)
    da = torch.empty_like(z)  # of the preactivations
    dr = torch.empty_like(z) if norm else da  # of R h, or what is normalised with it
    dn: Any = torch.empty_like(c_new) if cell_kind else None  # of N_c(…)
    dh0: Any = torch.zeros_like(dh) if resets is not None else None
    dc0: Any = torch.zeros_like(dc) if resets is not None else None
    dys = (dy if loop.mask is None else torch.where(loop.mask.transpose(0, 1), dy, dy.new_zeros(()))).unbind(1)
    zero = dy.new_zeros(())
    tmp = torch.empty_like(dh)
    for t in range(time) if loop.reverse else reversed(range(time)):
        (a, s, stats, cell_stats), d = kept.steps[t], da[t]
        i, f, g, o = a.split(units, 1)
        di, df, dg, do = d.split(units, 1)
        dh = dh + dys[t]
        if keeps is not None:
            skip_h, skip_c = torch.where(keeps[t], zero, dh), torch.where(keeps[t], zero, dc)
            dh, dc = torch.where(keeps[t], dh, zero), torch.where(keeps[t], dc, zero)
        _sigmoid(torch.mul(dh, s, out=tmp), o, grad_input=do)
        ds = torch.mul(dh, o)
        _tanh(ds, s, grad_input=ds)
        if cell_kind == "output":
            dn[t] = ds
            ds = kept.cell_norm.grad(ds, c_new[t], cell_stats)
        dc = ds.add_(dc)
        if peephole is not None:
            dc.addcmul_(do, peephole[2])
        if cell_kind == "carry":
            dn[t] = dc
            dc = kept.cell_norm.grad(dc, kept.carried[t], cell_stats)
        _sigmoid(torch.mul(dc, g, out=tmp), i, grad_input=di)
        _sigmoid(torch.mul(dc, c_old[t], out=tmp), f, grad_input=df)
        _tanh(torch.mul(dc, i, out=tmp), g, grad_input=dg)
        dc = dc * f
        if peephole is not None:
            dc.addcmul_(di, peephole[0]).addcmul_(df, peephole[1])
        if norm:
            d = dr[t].copy_(norm.grad(d, kept.product[t], stats))
        dh = torch.mm(d, matrix)
        if keeps is not None:
            dh, dc = dh.add_(skip_h), dc.add_(skip_c)
        if resets is not None:
            dh0.add_(torch.where(resets[t], dh, zero))
            dc0.add_(torch.where(resets[t], dc, zero))
            dh, dc = torch.where(resets[t], zero, dh), torch.where(resets[t], zero, dc)
    dkernel = torch.mm(dr.flatten(0, 1).T, h_old.flatten(0, 1)).view(kernel.shape)
    dgamma, dbeta = norm.grad_parameters(da, kept.product) if norm else (None, None)
    dcg = dcb = None
    if cell_kind:
        dcg, dcb = kept.cell_norm.grad_parameters(dn, c_new if cell_kind == "output" else kept.carried)
    norms = _as(dgamma, gamma), _as(dbeta, beta), _as(dcg, cell_gamma), _as(dcb, cell_beta)
    return dr if joint else da, dh, dc, dh0, dc0, dkernel, *norms, _peephole(peephole, da, c_old, c_new)


def _as(gradient: Tensor | None, parameter: Tensor | None) -> Tensor | None:
    return None if gradient is None or parameter is None else gradient.view(parameter.shape)


def _peephole(peephole: Tensor | None, da: Tensor, c_old: Tensor, c_new: Tensor) -> Tensor | None:
    """Of the input, forget and output gate's."""
    if peephole is None:
        return None
    di, df, _, do = da.chunk(4, -1)
    return torch.stack([(d * c).sum((0, 1)) for d, c in ((di, c_old), (df, c_old), (do, c_new))])
