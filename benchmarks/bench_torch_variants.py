"""Cells that torch has not, against the nearest of its layers, and against the script module that people copy."""

from collections.abc import Iterator

import torch
from timing import Comparison, Rival, flatten
from torch import Tensor, nn
from variants import incomparable, others, variants

import rnnspec.backends.torch as backend

TARGETS = {"ours": 2.0}


def versions() -> dict[str, str]:
    """Package → version."""
    return {"torch": torch.__version__}


def comparisons(quick: bool, threads: int | None) -> Iterator[Comparison]:
    """Forward and training; the peer is the plain nn.LSTM."""
    if threads:
        torch.set_num_threads(threads)
    for name, case in variants(quick):
        x, units = torch.from_numpy(case.x), case.cell.units
        stock, ours = nn.LSTM(case.inputs, units, batch_first=True), backend.load(case.checkpoint, return_state=False)
        runs = {"nn.LSTM": (stock, lambda x, m=stock: m(x)[0]), "ours": (ours, ours)}
        script = torch.jit.script(ScriptLSTM(case.inputs, units))
        runs["layer-norm script module"] = (script, lambda x, m=script: m(x))
        yield Comparison(
            "forward", name, case.size, {k: Rival(_forward(r, x), incomparable) for k, (_, r) in runs.items()}
        )
        rivals = {k: Rival(_training(m, r, x), incomparable) for k, (m, r) in runs.items()}
        yield Comparison("training", name, case.size, rivals)
    for name, kind, case in others(quick):
        x, stock = torch.from_numpy(case.x), getattr(nn, kind)(case.inputs, case.cell.units, batch_first=True)
        ours = backend.load(case.checkpoint, return_state=False)
        runs = {"nearest layer": (stock, lambda x, m=stock: m(x)[0]), "ours": (ours, ours)}
        name = f"{name}; nn.{kind}"
        forward = {k: Rival(_forward(r, x), incomparable) for k, (_, r) in runs.items()}
        yield Comparison("forward of other cells", name, case.size, forward)
        training = {k: Rival(_training(m, r, x), incomparable) for k, (m, r) in runs.items()}
        yield Comparison("training of other cells", name, case.size, training)


def _forward(run, x: Tensor):
    return torch.no_grad()(lambda: run(x))


def _training(module: nn.Module, run, x: Tensor):
    x = x.clone().requires_grad_()
    dy = torch.randn(run(x).shape, generator=torch.Generator().manual_seed(3)) / 2
    leaves = [x, *module.parameters()]
    return lambda: torch.autograd.grad(flatten(run(x)), leaves, [dy], allow_unused=True)


class ScriptLSTM(nn.Module):
    """A layer-norm LSTM as in torch's benchmarks/fastrnns/custom_lstms, its loop over x.unbind."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(4 * units, inputs) / inputs**0.5)
        self.weight_hh = nn.Parameter(torch.randn(4 * units, units) / units**0.5)
        self.norm_i, self.norm_h = nn.LayerNorm(4 * units), nn.LayerNorm(4 * units)
        self.norm_c = nn.LayerNorm(units)
        self.units = units

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(x.size(0), self.units)
        c = torch.zeros(x.size(0), self.units)
        outputs: list[Tensor] = []
        for x_t in x.unbind(1):
            gates = self.norm_i(torch.mm(x_t, self.weight_ih.t())) + self.norm_h(torch.mm(h, self.weight_hh.t()))
            i, f, g, o = gates.chunk(4, 1)
            c = self.norm_c(torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g))
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, 1)
