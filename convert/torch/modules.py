"""Which of torch's stock modules hold a model, without torch: what `to_native` and `--to torch` share."""

import keyword
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnspec.cells import GRU, LSTM, RNN, Cell
from rnnspec.checkpoint import Checkpoint
from rnnspec.conventions import torch
from rnnspec.convert.outward import at_inference, check_said, unstacked
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Convolution, Dense, Dropout, Embedding, Layer, Norm, Recurrent
from rnnspec.ops import grouped, scope, under


@dataclass
class Stock:
    """A module of torch for one layer of ours, or for several recurrent ones: its class in `torch.nn`, arguments, and
    state dict. `kind` is empty where a layer needs no module, or has parameters that no module of torch has: then
    `state` holds those.
    """

    name: str
    kind: str
    arguments: dict[str, Any]
    state: dict[str, np.ndarray]
    layer: Layer  # the last one
    initial: dict[str, np.ndarray] = field(default_factory=dict)  # learned states, under `name_initial`


@dataclass
class Modules:
    """The modules in order; `bare`: the model is one recurrent module and nothing else; `notes`: what they do without,
    a line each."""

    each: list[Stock]
    bare: bool
    notes: list[str] = field(default_factory=list)

    def state_dict(self) -> dict[str, np.ndarray]:
        """The state dict of `to_native(checkpoint)`."""
        if self.bare:
            return self.each[0].state
        found: dict[str, np.ndarray] = {}
        for module in self.each:
            found |= under(module.name, module.state) | under(f"{module.name}_initial", module.initial)
        return found


def modules(checkpoint: Checkpoint) -> Modules:
    """The stock modules of a model.

    Recurrent layers that one module can hold, with the same dropout between all of them, become one module if they are
    the whole model, or if they are named `lstm_0`, `lstm_1`, …: then it is called `lstm`. Stacks of cells that run
    forward count as layers.

    Raises:
        UnsupportedError: stock modules cannot say it; the message names the layer and the option.
    """
    checkpoint, notes = at_inference(checkpoint, "torch")
    checkpoint = unstacked(checkpoint, "the writer of torch's stock modules")
    if checkpoint.model.padding is not None:
        padding = f"padding={checkpoint.model.padding}"
        raise UnsupportedError(f"{padding}: torch's modules do not look for it; give lengths instead")
    for layer in checkpoint.model.layers:
        if isinstance(layer, Recurrent):
            _check(layer, _UNROLL)
    return _chain(checkpoint, notes)


def modules_of_each(checkpoint: Checkpoint) -> Modules:
    """The modules of any graph, for a source that says what they read (`rnnspec.convert.torch.source`): those of
    `modules` where that has any but for `Model.padding`, else one for each layer. Their names are identifiers.

    Raises:
        UnsupportedError: torch has no such layer or cell; the message names the layer and the option.
    """
    checkpoint, notes = at_inference(checkpoint, "torch")
    model, weights = checkpoint.model, grouped(checkpoint.weights)
    for name, padding in model.paddings:
        notes.append(f"{name}: steps that hold {padding:g} alone do not count; torch's modules do not look for them")
    if model.version == 1:
        checkpoint = unstacked(checkpoint, "torch")
        model, weights = checkpoint.model, grouped(checkpoint.weights)
        if all(_in_a_row(layer) for layer in model.layers):
            for layer in model.layers:
                if isinstance(layer, Recurrent):
                    _check(layer, _UNROLL)
            return _identified(_chain(checkpoint, notes))
    each = []
    for layer, features in model.chain():
        if isinstance(layer, Recurrent):
            _check(layer, _WRITTEN, _FREE | {"projection": (None,)} if looped(layer.cell) else None)
            each.append(_recurrent(layer.name, [(layer, features)], weights))
        else:
            each.append(_plain(layer, features, weights.get(layer.name, {}), True))
    return _identified(Modules(each, False, notes))


def _identified(found: Modules) -> Modules:
    """The same, each named as a module may be named in Python."""
    taken = {*torch.ATTRIBUTES, *keyword.kwlist}
    for module in found.each:
        module.name = module.name.replace("-", "_")
        while {module.name, f"{module.name}_initial"} & taken:
            module.name += "_"
        taken |= {module.name, f"{module.name}_initial"}
    return found


_UNROLL: dict[str, Any] = {"direction": ("forward", "bidirectional")}  # what modules in a row can say of a layer
_WRITTEN: dict[str, Any] = {  # and what a line of Python beside them
    "direction": None,
    "merge": ("concat", "sum", "mul", "ave"),
    "reverse_output": None,
    "learned_state": None,
    "start": None,
    "of": None,
}


def _in_a_row(layer: Layer) -> bool:
    """Whether it is no recurrent layer of which a line of Python must say more than its module."""
    if not isinstance(layer, Recurrent):
        return True
    said = (layer.direction != "backward", layer.merge == "concat", not layer.reverse_output, not layer.learned_state)
    return all(said) and not looped(layer.cell)


def looped(cell: Cell) -> bool:
    """Whether torch's own module is another function only by its activations, or by where a GRU resets."""
    if isinstance(cell, RNN):
        return cell.activation not in torch.NONLINEARITIES
    if isinstance(cell, LSTM):
        return (cell.gate_activation, cell.cell_activation, cell.output_activation) != ("sigmoid", "tanh", "tanh")
    own = ("sigmoid", "tanh", True)
    return isinstance(cell, GRU) and (cell.gate_activation, cell.activation, cell.reset_after) != own


# What of a cell can be said where its step is written out.
_FREE: dict[str, Any] = dict.fromkeys(
    ("activation", "gate_activation", "cell_activation", "output_activation", "reset_after")
)


def _chain(checkpoint: Checkpoint, notes: list[str]) -> Modules:
    layers = list(checkpoint.model.chain())
    whole = [layer for layer, _ in layers]
    taken, weights = {layer.name for layer in whole}, grouped(checkpoint.weights)
    if isinstance(whole[-1], Recurrent) and whole[-1].return_sequences and _dropout(whole) is not None:
        return Modules([_recurrent(whole[0].name, layers, weights)], True, notes)
    each = []
    start = 0
    while start < len(layers):
        end = _end_of_run(whole, start, taken)
        layer, features = layers[start]
        if isinstance(layer, Recurrent):
            name = layer.name.removesuffix("_0") if end > start + 1 else layer.name
            each.append(_recurrent(name, layers[start:end], weights))
        else:
            each.append(_plain(layer, features, weights.get(layer.name, {})))
        start = end
    return Modules(each, False, notes)


def _end_of_run(layers: Sequence[Layer], start: int, taken: Set[str]) -> int:
    """Where the layers from `start` on end that are one module, by their names too."""
    first = layers[start]
    base = first.name.removesuffix("_0")
    if not isinstance(first, Recurrent) or first.name == base or base in taken:
        return start + 1
    between = layers[start + 1] if start + 1 < len(layers) else None
    step = 2 if isinstance(between, Dropout) else 1
    end = start + 1
    for count, k in enumerate(range(start + step, len(layers), step), start=1):
        layer, gap = layers[k], layers[k - 1]
        if not isinstance(layer, Recurrent):
            break
        if (layer.name, layer.cell, layer.direction) != (f"{base}_{count}", first.cell, first.direction):
            break
        if isinstance(between, Dropout) and not (isinstance(gap, Dropout) and gap.rate == between.rate):
            break
        end = k + 1
    return end


def _dropout(layers: Sequence[Layer]) -> float | None:
    """The dropout between recurrent layers that one module can hold; None if it cannot."""
    step = 1 if all(isinstance(layer, Recurrent) for layer in layers) else 2
    recurrent = [layer for layer in layers[::step] if isinstance(layer, Recurrent)]
    rates = [layer.rate for layer in layers[1::2] if isinstance(layer, Dropout)]
    complete = len(recurrent) + len(rates) == len(layers) and len(rates) in (0, len(recurrent) - 1)
    same = len({(layer.cell, layer.direction) for layer in recurrent}) == 1 and len(set(rates)) < 2
    if not (complete and same and all(layer.return_sequences for layer in recurrent[:-1])):
        return None
    return rates[0] if rates else 0.0


def _recurrent(
    name: str, layers: Sequence[tuple[Layer, int | None]], weights: Mapping[str, dict[str, np.ndarray]]
) -> Stock:
    recurrent = [layer for layer, _ in layers if isinstance(layer, Recurrent)]
    cell, directions = recurrent[0].cell, list(recurrent[0].directions)
    assert isinstance(cell, RNN | LSTM | GRU)
    arguments: dict[str, Any] = {
        "input_size": layers[0][1],
        "hidden_size": cell.units,
        "num_layers": len(recurrent),
        "bias": cell.bias,
        "batch_first": True,
        "dropout": _dropout([layer for layer, _ in layers]),
        "bidirectional": len(directions) == 2,
    }
    if isinstance(cell, RNN):
        arguments["nonlinearity"] = cell.activation
    if isinstance(cell, LSTM):
        arguments["proj_size"] = cell.projection or 0
    state: dict[str, np.ndarray] = {}
    for k, layer in enumerate(recurrent):
        for prefix, end in zip(directions, ("", "_reverse"), strict=False):
            ours = scope(weights[layer.name], prefix)
            if looped(cell):  # by other names, so that no module of torch's takes them
                state |= {f"{leaf}{end}": array for leaf, array in ours.items()}
                continue
            arrays = torch.CELLS[type(cell)].to_theirs(ours)
            state |= {f"{leaf}_l{k}{end}": array for leaf, array in arrays.items()}
    initial = scope(weights[recurrent[-1].name], "initial")
    initial = {leaf.replace(".", "_"): array for leaf, array in initial.items()}
    return Stock(name, type(cell).__name__, arguments, state, recurrent[-1], initial)


def _plain(layer: Layer, inputs: Any, weights: dict[str, np.ndarray], written: bool = False) -> Stock:
    """`written`: what has no module is said by a line of Python."""
    state = {leaf: weights[name] for name, leaf in torch.leaves(type(layer).__name__, tuple(weights)).items()}
    if type(layer) is Embedding:
        sizes = {"num_embeddings": layer.vocabulary, "embedding_dim": layer.units}
        return Stock(layer.name, "Embedding", sizes, state, layer)
    if type(layer) is Dense:
        arguments = {"in_features": inputs, "out_features": layer.units, "bias": layer.bias}
        return Stock(layer.name, "Linear", arguments, state, layer)
    if type(layer) is Dropout:
        return Stock(layer.name, "Dropout", {"p": layer.rate}, {}, layer)
    if not written:
        raise UnsupportedError(f"layer {layer.name!r}: torch has no {type(layer).__name__}")
    if type(layer) is Convolution:
        arguments = {"in_channels": inputs, "out_channels": layer.units, "kernel_size": layer.width}
        arguments |= {"stride": layer.stride, "dilation": layer.dilation, "groups": layer.groups, "bias": layer.bias}
        return Stock(layer.name, "Conv1d", arguments, state | {"weight": torch.conv1d(weights["kernel"])}, layer)
    if type(layer) is Norm and layer.kind == "layer":
        arguments = {"normalized_shape": inputs, "eps": layer.epsilon, "bias": layer.beta}
        return Stock(layer.name, "LayerNorm", arguments, state, layer)
    if type(layer) is Norm:
        state = {"bias": np.zeros_like(weights["gamma"])} | state
        return Stock(layer.name, "BatchNorm1d", {"num_features": inputs, "eps": layer.epsilon}, state, layer)
    return Stock(layer.name, "", {}, weights, layer)


def _check(layer: Recurrent, unroll: dict[str, Any], free: dict[str, Any] | None = None) -> None:
    """Raise UnsupportedError where no recurrent module of torch means the same; `unroll`: what can be said beside the
    cell; `free`: what of a cell that is written out."""
    cell, whose = layer.cell, f"layer {layer.name!r}: torch"
    said: dict[str, Any] = {"name": None, "cell": None, "return_sequences": None, "backward_cell": (None, cell)}
    check_said(layer, said | unroll, whose)
    if type(cell) not in (RNN, LSTM, GRU):
        raise UnsupportedError(f"{whose} has no {type(cell).__name__}")
    assert isinstance(cell, RNN | LSTM | GRU)
    variants: dict[str, Any] = {
        "activation": torch.NONLINEARITIES if isinstance(cell, RNN) else ("tanh",),
        "projection": (None, *range(1, cell.units)),
        "reset_after": (True,),
    }
    check_said(cell, {"units": None, "bias": None} | variants | (free or {}), f"{whose}'s {type(cell).__name__}")
