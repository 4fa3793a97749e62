"""To and from torch's stock modules."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from rnnspec.activations import activate
from rnnspec.backends.torch.ops import TorchOps
from rnnspec.checkpoint import Checkpoint
from rnnspec.conventions.torch import ACTIVATIONS
from rnnspec.convert.chain import inputs, note_chain
from rnnspec.convert.layers import activated, dense, embedding
from rnnspec.convert.names import names
from rnnspec.convert.request import Network, Request, WithWeights, assemble
from rnnspec.convert.torch.live import to_numpy
from rnnspec.convert.torch.modules import Stock, modules
from rnnspec.convert.torch.recurrent import Stacked
from rnnspec.convert.variables import Variables
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Dense, Dropout, Recurrent

_RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)
_CELLS = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)
_LEAVES = (*_RECURRENT, *_CELLS, nn.Embedding, nn.Linear, nn.Dropout, nn.Identity)

_ACTIVATIONS = {getattr(nn, name): meaning for name, meaning in ACTIVATIONS.items()}


def from_native(module: nn.Module) -> Checkpoint:
    """The model of a stock module, or of a chain of them, with its weights.

    `nn.RNN`, `nn.LSTM`, `nn.GRU` (several layers become several of ours, with `Dropout` between), their cells,
    `nn.Embedding`, `nn.Linear`, `nn.Dropout`, and activations after a linear layer; in `nn.Sequential`, or as the
    children of any module, at any depth, **in the order of their registration**: what a custom `forward` does between
    them or in another order is not seen, and so they are taken as a chain with a note. `batch_first` is the caller's at
    run time.

    Raises:
        SpecError: the modules do not fit each other, or a parameter belongs to none of them.
        UnsupportedError: a module that is none of these, by name, or an option that ours do not have.
    """
    where = type(module).__name__
    arrays = {name: to_numpy(tensor, f"{where}: {name}").copy() for name, tensor in module.state_dict().items()}
    variables, request = Variables(arrays, where), Request()
    leaves = dict(_leaves(module, ""))
    ours = names(leaves, ".", ("module", "_orig_mod"))
    layers: list[WithWeights] = []
    for place, leaf in leaves.items():
        if type(leaf) in _ACTIVATIONS:
            layers[-1:] = [_activated(layers[-1:], leaf, f"{where}: {place}")]
        else:
            layers += _layers(leaf, f"{place}." if place else "", ours[place], variables, request)
    if len(leaves) > 1 and any(_is_custom(each) for each in module.modules()):
        note_chain(list(leaves), request)
    if not layers:
        raise UnsupportedError(f"{where}: no module in it has a layer of ours")
    return assemble(Network(layers, inputs(layers), variables), request, "torch", where)


def _leaves(module: nn.Module, place: str) -> Iterator[tuple[str, nn.Module]]:
    """The modules that mean something, by place, in the order of registration; one that is used twice comes twice."""
    if type(module) in _LEAVES or type(module) in _ACTIVATIONS:
        yield place, module
    elif not module._modules or (type(module).__module__.startswith("torch.nn.modules") and not _container(module)):
        raise UnsupportedError(f"module {place or 'itself'}: {type(module).__name__} is no layer of ours")
    else:
        for name, child in module._modules.items():
            if child is not None:
                yield from _leaves(child, f"{place}.{name}" if place else name)


def _is_custom(module: nn.Module) -> bool:
    """Whether it has a `forward` of its own, which may do anything with its children."""
    return bool(module._modules) and not isinstance(module, nn.Sequential)


def _container(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)


def _layers(leaf: nn.Module, prefix: str, name: str, variables: Variables, request: Request) -> list[WithWeights]:
    if isinstance(leaf, nn.Embedding):
        if leaf.max_norm is not None:
            raise UnsupportedError(f"module {prefix[:-1] or 'itself'}: Embedding with max_norm has no layer of ours")
        return [embedding(variables.take(f"{prefix}weight", None, None), name)]
    if isinstance(leaf, nn.Linear):
        bias = None if leaf.bias is None else variables.take(f"{prefix}bias", None)
        return [dense(variables.take(f"{prefix}weight", None, None).T, bias, name)]
    if isinstance(leaf, nn.Identity):
        return []
    if isinstance(leaf, nn.Dropout):
        return [(Dropout(name=name, rate=leaf.p), {})]
    nonlinearity = getattr(leaf, "nonlinearity", "tanh")
    if isinstance(leaf, _CELLS):
        return Stacked(variables, prefix, {""}).layers(name, request, nonlinearity)
    assert isinstance(leaf, nn.RNNBase)
    ends = ["", "_reverse"] if leaf.bidirectional else [""]
    suffixes = {f"_l{k}{end}" for k in range(leaf.num_layers) for end in ends}
    layers = Stacked(variables, prefix, suffixes).layers(name, request, nonlinearity)
    if not leaf.dropout:
        return layers
    between: list[WithWeights] = [
        (Dropout(name=f"{name}_dropout_{k}", rate=leaf.dropout), {}) for k in range(len(layers) - 1)
    ]
    return [item for k, layer in enumerate(layers) for item in (layer, *between[k : k + 1])]


def _activated(before: list[WithWeights], leaf: nn.Module, where: str) -> WithWeights:
    """The linear layer before, with its activation."""
    activation = _ACTIVATIONS[type(leaf)](leaf)
    if activation is None:
        raise UnsupportedError(f"{where}: {leaf} is no activation of ours")
    followed = activated(before[0], activation) if before else None
    if followed is None:
        raise UnsupportedError(f"{where}: {leaf} does not follow a linear layer; ours have no other place for it")
    return followed


def to_native(checkpoint: Checkpoint) -> nn.Module:
    """torch's stock modules with the weights of a checkpoint, in evaluation mode.

    `nn.RNN`, `nn.LSTM` or `nn.GRU`, batch first, where the model is one run of recurrent layers that it can hold; else
    a `Chain`, with children named as our layers.

    Raises:
        UnsupportedError: stock modules cannot say it; the message names the layer and the option.
    """
    found = modules(checkpoint)
    dtype = getattr(torch, checkpoint.dtype)
    return (_build(found.each[0], dtype) if found.bare else Chain(found.each, dtype)).eval()


def _build(stock: Stock, dtype: torch.dtype) -> nn.Module:
    arguments = stock.arguments if stock.kind == "Dropout" else {**stock.arguments, "dtype": dtype}
    module = getattr(nn, stock.kind)(**arguments)
    module.load_state_dict({name: torch.tensor(array) for name, array in stock.state.items()})
    return module


class Chain(nn.Module):
    """Stock modules one after the other: `y, *states = chain(x, *states)`.

    x (batch, time, inputs) or ids (batch, time); the states are those of the recurrent modules, in order, as torch
    gives and takes them: h, or (h, c) of an LSTM.
    """

    def __init__(self, stocks: list[Stock], dtype: torch.dtype) -> None:
        super().__init__()
        self._layers = {stock.name: stock.layer for stock in stocks}
        for stock in stocks:
            self._modules[stock.name] = _build(stock, dtype)  # add_module refuses names of methods

    def forward(self, x: Tensor, *states: Any) -> Any:
        """Whole sequences → outputs, and the final state of each recurrent module."""
        given, final = iter(states), []
        for name, layer in self._layers.items():
            module = self._modules[name]
            if isinstance(layer, Recurrent):
                x, state = module(x, next(given, None))
                final.append(state)
                if not layer.return_sequences:
                    h = state[0] if isinstance(state, tuple) else state
                    x = torch.cat(list(h[-len(layer.directions) :]), -1)
            else:
                x = module(x)
            if isinstance(layer, Dense):
                x = activate(TorchOps(), layer.activation, x)
        return x, *final
