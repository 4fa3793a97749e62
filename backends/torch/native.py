"""To and from torch's stock modules."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from rnnspec.activations import activate
from rnnspec.backends.torch.ops import TorchOps
from rnnspec.checkpoint import Checkpoint
from rnnspec.conventions.torch import ACTIVATIONS
from rnnspec.convert.assumed import assumed, dense_activation
from rnnspec.convert.chain import inputs, note_chain
from rnnspec.convert.layers import activated, dense, embedding
from rnnspec.convert.names import names
from rnnspec.convert.request import Network, Request, WithWeights, assemble
from rnnspec.convert.settings import Settings
from rnnspec.convert.torch.folded import folded
from rnnspec.convert.torch.live import to_numpy
from rnnspec.convert.torch.modules import Stock, modules
from rnnspec.convert.torch.recurrent import Stacked
from rnnspec.convert.variables import Variables, some
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Activation, Dense, Dropout, Layer, Norm, Recurrent

_RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)
_CELLS = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)
_LEAVES = (*_RECURRENT, *_CELLS, nn.Embedding, nn.Linear, nn.LayerNorm, nn.Dropout, nn.Identity)

_ACTIVATIONS = {getattr(nn, name): meaning for name, meaning in ACTIVATIONS.items()}


def from_native(module: nn.Module, part: str | None = None, settings: Mapping[str, Any] | None = None) -> Checkpoint:
    """The model of a stock module, or of a chain of them, with its weights.

    `nn.RNN`, `nn.LSTM`, `nn.GRU` (several layers become several of ours, with `Dropout` between), their cells,
    `nn.Embedding`, `nn.Linear`, `nn.LayerNorm`, `nn.Dropout`, and activations; in `nn.Sequential`, or as the children
    of any module, at any depth, **in the order of their registration**: what a custom `forward` does between them or
    in another order is not seen, and so they are taken as a chain with notes. `batch_first` is the caller's at run
    time.

    Args:
        part: a module inside, by its name, or several, "encoder.lstm,head": these alone, whatever else there is.
        settings: what a custom `forward` does, as `rnnspec.convert.convert` takes it: {"lstm.return_sequences": False},
            {"lstm.summary": "mean"}, {"head.activation": "relu"}.

    Raises:
        SpecError: the modules do not fit each other, or a parameter belongs to none of them; there is no such part.
        UnsupportedError: a module that is none of these, by name, with the parts that could be taken; or an option that
            ours do not have.
    """
    where = type(module).__name__
    request = Request(Settings(settings))
    names_of = None if part is None else part.split(",")
    leaves = dict(_leaves(module, names_of, where))
    arrays = {name: to_numpy(tensor, f"{where}: {name}").copy() for name, tensor in _state(module, names_of).items()}
    variables = Variables(folded(arrays, request), where)
    ours = names(leaves, ".", ("module", "_orig_mod"))
    layers: list[WithWeights] = []
    for place, leaf in leaves.items():
        if type(leaf) in _ACTIVATIONS:
            layers[-1:] = _activated(layers[-1:], leaf, ours[place], f"{where}: {place}")
        else:
            layers += _layers(leaf, f"{place}." if place else "", ours[place], variables, request)
    if not any(weights for _, weights in layers):
        raise UnsupportedError(f"{where}: no module in it has a layer of ours")
    custom = len(leaves) > 1 and any(_is_custom(each) for each in module.modules())
    if custom:
        note_chain(list(leaves), request)
    if (custom or settings) and any(isinstance(layer, Recurrent) for layer, _ in layers):
        layers = assumed(layers, request, {layer.name: ("activation",) for layer, _ in layers if _is_said(layer)})
    request.settings.finish()
    return assemble(Network(layers, inputs(layers), variables), request, "torch", where)


def _is_said(layer: Layer) -> bool:
    return isinstance(layer, Dense) and layer.activation != "linear"


def _state(module: nn.Module, parts: list[str] | None) -> dict[str, Tensor]:
    """The state dict, or what of it is in the parts."""
    state = module.state_dict()
    if parts is None:
        return state
    return {name: tensor for name, tensor in state.items() if any(name.startswith(f"{part}.") for part in parts)}


def _leaves(module: nn.Module, parts: list[str] | None, where: str) -> Iterator[tuple[str, nn.Module]]:
    """The modules that mean something, by place, in the order of registration; one that is used twice comes twice."""
    every = dict(module.named_modules(remove_duplicate=False))
    for part in parts or ():
        if part not in every:
            raise SpecError(f"{where}: part {part!r}: no such module; it has {some([name for name in every if name])}")
    for place, each in every.items():
        inside = parts is None or any(f"{place}.".startswith(f"{part}.") for part in parts)
        if not inside or _is_within(place, every):
            continue
        if _is_leaf(each):
            yield place, each
        elif _is_unknown(each):
            found = f"{where}: module {place or 'itself'}: {_kind(each).__name__} is no layer of ours"
            could = _takeable(every)
            fix = f"; part takes one of {some(could)}, or several as 'a,b'" if could and parts is None else ""
            raise UnsupportedError(found + fix)


def _is_within(place: str, every: Mapping[str, nn.Module]) -> bool:
    """Whether a module is a part of one that means something as a whole, or means nothing."""
    above = [place[: found.start()] for found in re.finditer(r"\.", place)] + ([""] if place else [])
    return any(_is_leaf(every[name]) or _is_unknown(every[name]) for name in above if name in every)


def _takeable(every: Mapping[str, nn.Module]) -> list[str]:
    """The outermost modules with something recurrent in them, and nothing unknown."""
    found: list[str] = []
    for place in every:
        inside = [
            each for name, each in every.items() if f"{name}.".startswith(f"{place}.") and not _is_within(name, every)
        ]
        recurrent = any(_kind(each) in (*_RECURRENT, *_CELLS) for each in inside)
        outermost = place and not any(f"{place}.".startswith(f"{other}.") for other in found)
        if recurrent and outermost and not any(_is_unknown(each) or _loose(each) for each in inside):
            found.append(place)
    return found


def _kind(module: nn.Module) -> type:
    """The class, under what `torch.nn.utils.parametrize` makes of it."""
    return parametrize.type_before_parametrizations(module)


def _is_leaf(module: nn.Module) -> bool:
    return _kind(module) in _LEAVES or _kind(module) in _ACTIVATIONS


def _is_unknown(module: nn.Module) -> bool:
    """Whether it does something that ours do not have."""
    stock = type(module).__module__.startswith("torch.nn.modules") and not _container(module)
    return not _is_leaf(module) and (not module._modules or stock)


def _loose(module: nn.Module) -> bool:
    """Whether it has parameters of its own that no layer uses."""
    return not _is_leaf(module) and bool(module._parameters)


def _is_custom(module: nn.Module) -> bool:
    """Whether it has a `forward` of its own, which may do anything with its children."""
    return bool(module._modules) and not isinstance(module, nn.Sequential)


def _container(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)


def _layers(leaf: nn.Module, prefix: str, name: str, variables: Variables, request: Request) -> list[WithWeights]:
    if parametrize.is_parametrized(leaf) and any(name.startswith(f"{prefix}parametrizations.") for name in variables):
        fix = "torch.nn.utils.parametrize.remove_parametrizations"
        raise UnsupportedError(
            f"module {prefix[:-1] or 'itself'}: its weight is parametrised; make it plain with {fix}"
        )
    if isinstance(leaf, nn.Embedding):
        if leaf.max_norm is not None:
            raise UnsupportedError(f"module {prefix[:-1] or 'itself'}: Embedding with max_norm has no layer of ours")
        return [embedding(variables.take(f"{prefix}weight", None, None), name)]
    if isinstance(leaf, nn.Linear):
        bias = None if leaf.bias is None else variables.take(f"{prefix}bias", None)
        kernel = variables.take(f"{prefix}weight", None, None).T
        return [dense(kernel, bias, name, dense_activation(request, name))]
    if isinstance(leaf, nn.LayerNorm):
        return [_layer_norm(leaf, prefix, name, variables)]
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


def _layer_norm(leaf: nn.LayerNorm, prefix: str, name: str, variables: Variables) -> WithWeights:
    """Over the features of a step."""
    if len(leaf.normalized_shape) != 1:
        raise UnsupportedError(
            f"module {prefix[:-1] or 'itself'}: LayerNorm over {leaf.normalized_shape}, not one axis"
        )
    if f"{prefix}weight" not in variables:  # elementwise_affine=False
        return Norm(name=name, kind="layer", epsilon=leaf.eps, beta=False), {
            "gamma": np.ones(leaf.normalized_shape, "f")
        }
    weights = {"gamma": variables.take(f"{prefix}weight")}
    if f"{prefix}bias" in variables:
        weights["beta"] = variables.take(f"{prefix}bias")
    return Norm(name=name, kind="layer", epsilon=leaf.eps, beta="beta" in weights), weights


def _activated(before: list[WithWeights], leaf: nn.Module, name: str, where: str) -> list[WithWeights]:
    """The layer before with what follows it: the activation of a linear one, else a layer of its own."""
    activation = _ACTIVATIONS[type(leaf)](leaf)
    if activation is None:
        raise UnsupportedError(f"{where}: {leaf} is no activation of ours")
    if not before:
        raise UnsupportedError(f"{where}: {leaf} comes first; put it behind a layer")
    followed = activated(before[0], activation)
    return [followed] if followed else [*before, (Activation(name=name, function=activation), {})]


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
