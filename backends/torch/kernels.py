"""torch's own fused layers, where they mean exactly what the cell means.

The weights need no conversion: `kernel (gates, units, inputs)`, flattened, *is* torch's `weight_ih (gates·units,
inputs)`, since torch has the gates in the order of the specification (`rnnspec.conventions.torch`).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from msgspec.structs import fields
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from rnnspec.backends.fused import trace
from rnnspec.backends.torch.steps import compact, reversed_, spread
from rnnspec.cells import GRU, LSTM, RNN, Cell, CellDropout, Residual, Stack
from rnnspec.cells.wrapper import Wrapper
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Recurrent
from rnnspec.ops import States, scope, under
from rnnspec.valid import Valid

_ALL = Valid()
_NAMES = {LSTM: "torch.lstm", GRU: "torch.gru"}
# The fields that torch's layers do not have, with the values that leave them out. (A table, and not a cell to compare
# with, which torch.compile could not make.)
_PRESENT = {"units", "bias", "activation", "projection", "reset_after"}
_ABSENT: dict[type, dict] = {
    RNN: {field.name: field.default for field in fields(RNN) if field.name not in _PRESENT},
    LSTM: {field.name: field.default for field in fields(LSTM) if field.name not in _PRESENT},
    GRU: {field.name: field.default for field in fields(GRU) if field.name not in _PRESENT - {"activation"}},
}
_FUNCTIONS = {
    "torch.rnn_tanh": torch.rnn_tanh,
    "torch.rnn_relu": torch.rnn_relu,
    "torch.lstm": torch.lstm,
    "torch.gru": torch.gru,
}


def name(cell: Cell) -> str:
    """The function of torch that serves the cell."""
    if isinstance(cell, Stack):
        return " + ".join(dict.fromkeys(name(inner) for inner in cell.cells))
    if isinstance(cell, Wrapper):
        return name(cell.cell)
    return f"torch.rnn_{cell.activation}" if isinstance(cell, RNN) else _NAMES[type(cell)]


def obstacle(cell: Cell, training: bool = False) -> str | None:
    """Why torch has no fused layer with the cell's meaning; None where it has one.

    Types are compared exactly: a cell derived from one of these may mean something else.
    """
    if type(cell) is Stack:
        return next((reason for inner in cell.cells if (reason := obstacle(inner, training))), None)
    if type(cell) is CellDropout and cell.state and training:
        return "torch has no dropout on the recurrent state"
    if isinstance(cell, Wrapper) and type(cell) in (CellDropout, Residual):
        return obstacle(cell.cell, training)
    if type(cell) not in (RNN, LSTM, GRU):
        return f"torch has no {type(cell).__name__}"
    if type(cell) is RNN and cell.activation not in ("tanh", "relu"):
        return f"torch has no RNN with activation {cell.activation}"
    if type(cell) is GRU and not cell.reset_after:
        return "torch's GRU resets after the product"
    if type(cell) is LSTM and cell.projection and cell.projection >= cell.units:
        return "torch's LSTM projects to fewer outputs than units"
    other = next((name for name, value in _ABSENT[type(cell)].items() if getattr(cell, name) != value), None)
    return other and f"torch's {type(cell).__name__} has no {other}={getattr(cell, other)!r}"


def layer_obstacle(layer: Recurrent, training: bool = False) -> str | None:
    """Why a direction of the layer has no fused path."""
    return next((reason for cell, _ in layer.directions.values() if (reason := obstacle(cell, training))), None)


def call_obstacle(valid: Valid) -> str | None:
    """Why torch's own layers cannot run this call."""
    if valid.reset is not None:
        return "torch's layers never begin anew"
    ragged = valid.lengths is not None or valid.mask is not None
    return "torch.func sees into no packed rows" if ragged and torch._C._are_functorch_transforms_active() else None


def describe(layer: Recurrent, path: str, training: bool = False) -> str:
    """The paths that the layer's cells take, with torch's functions, or why it is not one of these."""
    if path == "generic":
        return "generic: asked for"
    cells = [part for cell, _ in layer.directions.values() for part in _parts(cell, training)]
    native = [cell for cell in cells if path != "fused" and obstacle(cell, training) is None]
    names = " + ".join(dict.fromkeys(name(cell) for cell in native))
    found = [f"native: {names}"] if names else []
    for cell in cells:
        if (slow := trace.obstacle(cell)) is not None:
            found.append(f"generic: {slow}")
        elif cell not in native:
            found.append(f"fused: {obstacle(cell, training) or 'asked for'}")
    return "; ".join(dict.fromkeys(found))


def _parts(cell: Cell, training: bool) -> Iterator[Cell]:
    """The cells that run apart, as their `unroll` takes them."""
    if type(cell) is Stack:
        for inner in cell.cells:
            yield from _parts(inner, training)
    elif isinstance(cell, Wrapper) and (
        type(cell) is Residual or (type(cell) is CellDropout and not (cell.state and training))
    ):
        yield from _parts(cell.cell, training)
    else:
        yield cell


def insist(layer: Recurrent, valid: Valid = _ALL, training: bool = False) -> None:
    """Raise UnsupportedError where torch's own layer was asked for and cannot run."""
    reason = call_obstacle(valid) or layer_obstacle(layer, training)
    if reason:
        raise UnsupportedError(f"layer {layer.name!r}: no native path: {reason}; use path='auto'")


def insist_fused(layer: Recurrent) -> None:
    """Raise UnsupportedError where the fused loop was asked for and there is none."""
    for cell, _ in layer.directions.values():
        if reason := trace.obstacle(cell):
            raise UnsupportedError(f"layer {layer.name!r}: no fused path: {reason}; use path='auto'")


def pairs(layer: Recurrent) -> bool:
    """Whether one fused call can run both directions."""
    cell, other = layer.cell, layer.backward_cell
    same = layer.direction == "bidirectional" and (other is None or other == cell)
    return same and type(cell) in (RNN, LSTM, GRU) and obstacle(cell) is None


def both(cell: Cell, p: dict[str, Tensor], x: Tensor, valid: Valid, state: States) -> tuple[list[Tensor], States]:
    """Both directions in one fused call: x (batch, time, inputs) → their outputs, final states."""
    prefixes = ("forward", "backward")
    outputs = cell.outputs(x.shape[-1])
    packed, lengths = compact(x, valid)
    y, final = _call(cell, [scope(p, k) for k in prefixes], packed, lengths, [scope(state, k) for k in prefixes])
    y = spread(y, valid, lengths)
    return list(y.split(outputs, -1)), under(prefixes[0], final[0]) | under(prefixes[1], final[1])


def unroll(
    cell: Cell, p: dict[str, Tensor], x: Tensor, valid: Valid, state: States, reverse: bool
) -> tuple[Tensor, States]:
    """One direction by a fused call: x (batch, time, inputs) → outputs, final states."""
    packed, lengths = compact(x, valid)
    y, final = _call(cell, [p], reversed_(packed, lengths) if reverse else packed, lengths, [state])
    return spread(reversed_(y, lengths) if reverse else y, valid, lengths), final[0]


def _call(
    cell: Cell, each: list[dict[str, Tensor]], x: Tensor, lengths: Tensor | None, states: list[States]
) -> tuple[Tensor, list[States]]:
    """One fused call over the directions, with the parameters and states of each."""
    if not x.shape[1]:
        return x.new_zeros(x.shape[0], 0, cell.outputs(x.shape[-1]) * len(each)), states
    each_weight = [weight for p in each for weight in weights(cell, p)]
    if x.is_cuda and "projection" not in each[0]:
        each_weight = _contiguous(each_weight, len(each))
    names = list(cell.states(x.shape[-1]))
    initial = [_stack([state[name] for state in states]) for name in names]
    options = ("bias" in each[0], 1, 0.0, recording(), len(each) == 2)
    function = _FUNCTIONS[name(cell)]
    if lengths is None and "projection" in each[0]:  # torch warns of projections in all but packed sequences
        lengths = torch.full((x.shape[0],), x.shape[1])
    if lengths is None:
        y, *final = call(function, x, _states(initial), each_weight, *options, True)
    else:
        y, final = _ragged(function, x, lengths, initial, each_weight, options)
    return y, [{name: value.select(0, i) for name, value in zip(names, final, strict=True)} for i in range(len(each))]


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """One of torch's own functions. `torch.compile` cannot differentiate them (it takes mkldnn's LSTM, which has no
    gradient there), and as around torch's own modules its graph ends before them and begins behind them."""
    if not (torch.is_grad_enabled() and torch.compiler.is_compiling()):
        return function(*arguments)
    if not _OUTSIDE:  # made here, where torch's compiler has been imported: that takes a second
        _OUTSIDE.append(torch.compiler.disable(lambda function, *arguments: function(*arguments)))
    return _OUTSIDE[0](function, *arguments)


_OUTSIDE: list[Callable[..., Any]] = []


def recording() -> bool:
    """What torch calls training: whether a gradient may be asked for; a trace is for all who do or do not."""
    return torch.is_grad_enabled() or torch._C._get_tracing_state() is not None


def _ragged(
    function, x: Tensor, lengths: Tensor, initial: list[Tensor], weights: list[Tensor], options: tuple
) -> tuple[Tensor, list[Tensor]]:
    """The call on packed rows → outputs, final states.

    torch refuses rows of length 0, so they run one step, which is undone (UNROLL-4).
    """
    packed = pack_padded_sequence(x, lengths.clamp(min=1), batch_first=True, enforce_sorted=False)
    order, back = packed.sorted_indices, packed.unsorted_indices
    hx = _states([h.index_select(1, order) for h in initial])
    data, *sorted_final = call(function, packed.data, packed.batch_sizes, hx, weights, *options)
    y, _ = pad_packed_sequence(
        PackedSequence(data, packed.batch_sizes, order, back), batch_first=True, total_length=x.shape[1]
    )
    final = [h.index_select(1, back) for h in sorted_final]
    if lengths.min() > 0:
        return y, final
    some = (lengths > 0).to(x.device)[:, None]
    kept = [torch.where(some, h, start) for h, start in zip(final, initial, strict=True)]
    return torch.where(some[:, None], y, y.new_zeros(())), kept


def _states(values: list[Tensor]) -> Tensor | list[Tensor]:
    """torch takes (h, c) for an LSTM and a bare h for the others."""
    return values if len(values) > 1 else values[0]


def _stack(values: list[Tensor]) -> Tensor:
    return values[0].unsqueeze(0) if len(values) == 1 else torch.stack(values)


def weights(cell: Cell, p: dict[str, Tensor]) -> list[Tensor]:
    """torch's weight_ih, weight_hh, with a bias bias_ih and bias_hh, views of ours or zero, and weight_hr."""
    parts = [p["kernel"].flatten(0, 1), p["recurrent_kernel"].flatten(0, 1)]
    if "bias" in p:
        bias = p["bias"].flatten()
        if "recurrent_bias" in p:  # of the new gate, the last
            parts += [bias, F.pad(p["recurrent_bias"], (bias.numel() - p["bias"].shape[-1], 0))]
        else:
            parts += [bias, torch.zeros_like(bias)]
    return parts + ([p["projection"]] if "projection" in p else [])


def _contiguous(weights: list[Tensor], directions: int) -> list[Tensor]:
    """The same weights as views of one buffer in cuDNN's order, all matrices and then all biases, which spares a
    warning and a copy inside cuDNN."""
    each = len(weights) // directions
    order = sorted(range(len(weights)), key=lambda i: (i % each >= 2, i))
    parts = torch.cat([weights[i].flatten() for i in order]).split([weights[i].numel() for i in order])
    views = dict(zip(order, parts, strict=True))
    return [views[i].view_as(weight) for i, weight in enumerate(weights)]
