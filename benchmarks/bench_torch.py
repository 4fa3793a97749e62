"""rnnspec.backends.torch against torch's own layers."""

from collections.abc import Iterator

import torch
from cases import Case, layers
from timing import Comparison, Rival, flatten
from torch import Tensor, nn

import rnnspec.backends.torch as backend
from rnnspec import GRU, LSTM, RNN
from rnnspec.conventions import torch as conventions

TARGETS = {"auto": 1.05}
STOCK = {LSTM: nn.LSTM, GRU: nn.GRU, RNN: nn.RNN}


def versions() -> dict[str, str]:
    """Package → version."""
    return {"torch": torch.__version__}


def comparisons(quick: bool, threads: int | None) -> Iterator[Comparison]:
    """Forward, training and one step."""
    if threads:
        torch.set_num_threads(threads)
    for layer in layers(quick, gru_before=False):
        for case in layer.sequences():
            yield _forward(case)
            yield _training(case)
        if layer.has_step:
            yield _step(layer)


def _forward(case: Case) -> Comparison:
    stock, nets = _stock(case).eval(), _nets(case)
    x, state, hx = _inputs(case)
    rivals = {"stock": Rival(lambda: stock(x, hx))}
    rivals |= {path: Rival(lambda net=net: net(x, state=state)) for path, net in nets.items()}
    return Comparison(
        "forward", case.name, case.size, {name: _without_gradients(rival) for name, rival in rivals.items()}
    )


def _step(case: Case) -> Comparison:
    stock, net = _stock(case).eval(), _nets(case)["auto"]
    x, state, hx = _inputs(case)
    x_t = x[:, 0]
    rivals = {
        "stock": Rival(lambda: stock(x, hx)),
        "net(x)": Rival(lambda: net(x, state=state)),
        "net.step": Rival(lambda: net.step(x_t, state)),
    }
    return Comparison(
        "one step", case.name, case.size, {name: _without_gradients(rival) for name, rival in rivals.items()}
    )


def _training(case: Case) -> Comparison:
    """Gradients of the input, the initial states and all weights."""
    stock, nets = _stock(case).train(), _nets(case)
    x, state, hx = _inputs(case, requires_grad=True)
    compared = 1 + len(state) + 3  # x, states, kernels and bias lie alike in memory; torch has a second bias

    def rival(run, leaves: list[Tensor], cotangents: list[Tensor]) -> Rival:
        def call() -> tuple[Tensor, ...]:
            return torch.autograd.grad(flatten(run()), leaves, cotangents)

        return Rival(call, lambda gradients: gradients[:compared])

    y, *h = map(torch.from_numpy, case.cotangents)
    rivals = {"stock": rival(lambda: stock(x, hx), [x, *flatten(hx), *stock.parameters()], [y, *(g[None] for g in h)])}
    for path, net in nets.items():
        leaves = [x, *state.values(), *net.train().parameters()]
        rivals[path] = rival(lambda net=net: net(x, state=state), leaves, [y, *h])
    return Comparison("training", case.name, case.size, rivals)


def _without_gradients(rival: Rival) -> Rival:
    return Rival(torch.no_grad()(rival.call))


def _nets(case: Case) -> dict[str, backend.Net]:
    return {path: backend.load(case.checkpoint, path=path) for path in ("auto", "fused", "generic")}


def _stock(case: Case) -> nn.Module:
    """torch's layer with the weights of the case."""
    stock = STOCK[type(case.cell)](case.inputs, case.cell.units, batch_first=True)
    theirs = conventions.CELLS[type(case.cell)].to_theirs(case.weights())
    stock.load_state_dict({f"{name}_l0": torch.from_numpy(array) for name, array in theirs.items()})
    return stock


def _inputs(case: Case, requires_grad: bool = False) -> tuple[Tensor, dict[str, Tensor], Tensor | tuple[Tensor, ...]]:
    """x, our states, and the same states as torch's layer takes them."""
    x = torch.from_numpy(case.x).requires_grad_(requires_grad)
    state = {name: torch.from_numpy(h).requires_grad_(requires_grad) for name, h in case.state.items()}
    hx = tuple(torch.from_numpy(h[None]).requires_grad_(requires_grad) for h in case.state.values())
    return x, state, hx if len(hx) > 1 else hx[0]
