"""torch's own fused layers, where they mean exactly what the cell means.

The weights need no conversion: `kernel (gates, units, inputs)` in the order of the specification, flattened, *is*
torch's `weight_ih (gates·units, inputs)`, for the LSTM (i, f, g, o) and for the GRU (r, z, n) alike.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from rnnspec.cells import GRU, LSTM, RNN, Cell, Stack
from rnnspec.errors import UnsupportedError
from rnnspec.ops import States, scope, under
from rnnspec.valid import Valid

_NAMES = {LSTM: "torch.lstm", GRU: "torch.gru"}
_FUNCTIONS = {
    "torch.rnn_tanh": torch.rnn_tanh,
    "torch.rnn_relu": torch.rnn_relu,
    "torch.lstm": torch.lstm,
    "torch.gru": torch.gru,
}
_STEPS = {
    "torch.rnn_tanh": torch.rnn_tanh_cell,
    "torch.rnn_relu": torch.rnn_relu_cell,
    "torch.lstm": torch.lstm_cell,
    "torch.gru": torch.gru_cell,
}


def name(cell: Cell) -> str:
    """The function of torch that serves the cell."""
    if isinstance(cell, Stack):
        return " + ".join(dict.fromkeys(name(inner) for inner in cell.cells))
    return f"torch.rnn_{cell.activation}" if isinstance(cell, RNN) else _NAMES[type(cell)]


def obstacle(cell: Cell) -> str | None:
    """Why torch has no fused layer with the cell's meaning; None where it has one.

    Types are compared exactly: a cell derived from one of these may mean something else.
    """
    if type(cell) is Stack:
        return next((reason for inner in cell.cells if (reason := obstacle(inner))), None)
    if type(cell) is RNN and cell.activation not in ("tanh", "relu"):
        return f"torch has no RNN with activation {cell.activation}"
    if type(cell) is GRU and not cell.reset_after:
        return "torch's GRU resets after the product"
    return None if type(cell) in (RNN, LSTM, GRU) else f"torch has no {type(cell).__name__}"


def chosen(layer, valid: Valid, path: str) -> bool:
    """Whether the fused layer runs. Raises UnsupportedError where it was asked for and cannot."""
    if path == "generic":
        return False
    reason = "torch's packed sequences hold no masks, only lengths" if valid.mask is not None else obstacle(layer.cell)
    if reason and path == "native":
        raise UnsupportedError(f"layer {layer.name!r}: no native path: {reason}; use path='auto'")
    return reason is None


def run(layer, p: dict[str, Tensor], x: Tensor, lengths: Tensor | None, state: States) -> tuple[Tensor, States]:
    """The layer by fused calls: x (batch, time, inputs), lengths (batch,) on the CPU."""
    if lengths is not None and (lengths == x.shape[1]).all():
        lengths = None
    if x.shape[1] == 0:
        width = layer.cell.outputs * len(layer.directions)
        return (x.new_zeros(x.shape[0], 0, width) if layer.return_sequences else x.new_zeros(x.shape[0], width)), state
    if layer.direction == "bidirectional" and not isinstance(layer.cell, Stack):
        return _call(layer.cell, p, x, lengths, state, ("forward", "backward"), layer.return_sequences)
    outputs: list[Tensor] = []
    new: States = {}
    for prefix, reverse in layer.directions.items():
        y = _reverse(x, lengths) if reverse else x
        y, s = _chain(layer.cell, scope(p, prefix), y, lengths, scope(state, prefix), layer.return_sequences)
        outputs.append(_reverse(y, lengths) if reverse and layer.return_sequences else y)
        new |= under(prefix, s)
    return (torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]), new


def step(cell: Cell, p: dict[str, Tensor], x: Tensor, state: States) -> tuple[Tensor, States]:
    """One step by torch's fused cells: x (batch, inputs)."""
    if isinstance(cell, Stack):
        new: States = {}
        for k, inner in enumerate(cell.cells):
            prefix = f"cells.{k}"
            x, s = step(inner, scope(p, prefix), x, scope(state, prefix))
            new |= under(prefix, s)
        return x, new
    function, weights = _STEPS[name(cell)], _weights(cell, p)
    if isinstance(cell, LSTM):
        h, c = function(x, (state["h"], state["c"]), *weights)
        return h, {"h": h, "c": c}
    h = function(x, state["h"], *weights)
    return h, {"h": h}


def _chain(cell: Cell, p, x: Tensor, lengths, state: States, sequences: bool) -> tuple[Tensor, States]:
    """One direction of a cell; a stack is its cells one after the other (STACK-1)."""
    if not isinstance(cell, Stack):
        return _call(cell, p, x, lengths, state, ("",), sequences)
    new: States = {}
    for k, inner in enumerate(cell.cells):
        prefix = f"cells.{k}"
        whole = sequences or k < len(cell.cells) - 1
        x, s = _chain(inner, scope(p, prefix), x, lengths, scope(state, prefix), whole)
        new |= under(prefix, s)
    return x, new


def _reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """The valid steps of each row in reverse; the rest stays."""
    if lengths is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1])
    index = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps).to(x.device)
    return x.gather(1, index.unsqueeze(-1).expand_as(x))


def _call(
    cell: Cell,
    p: dict[str, Tensor],
    x: Tensor,
    lengths: Tensor | None,
    state: States,
    directions: tuple[str, ...],
    sequences: bool,
) -> tuple[Tensor, States]:
    """One fused call over the directions, each named by its prefix."""
    each = [scope(p, prefix) for prefix in directions]
    weights = [weight for q in each for weight in _weights(cell, q)]
    if x.is_cuda:
        weights = _contiguous(weights, len(directions))
    names = list(cell.states())
    initial = [_stack([scope(state, prefix)[name] for prefix in directions]) for name in names]
    options = ("bias" in each[0], 1, 0.0, torch.is_grad_enabled(), len(directions) == 2)
    function = _FUNCTIONS[name(cell)]
    if lengths is None:
        y, *final = function(x, _states(initial), weights, *options, True)
        last = final[0]
    else:
        y, final, last = _ragged(function, x, lengths, initial, weights, options)
    new = {
        f"{prefix}.{name}" if prefix else name: value.select(0, i)
        for i, prefix in enumerate(directions)
        for name, value in zip(names, final, strict=True)
    }
    # The first state is h, and h is the output.
    return (y if sequences else last.transpose(0, 1).flatten(1)), new


def _ragged(
    function, x: Tensor, lengths: Tensor, initial: list[Tensor], weights: list[Tensor], options: tuple
) -> tuple[Tensor, list[Tensor], Tensor]:
    """The call on packed rows → outputs, final states, last outputs (directions, batch, units).

    torch refuses rows of length 0, so they run one step, which is undone (UNROLL-4).
    """
    packed = pack_padded_sequence(x, lengths.clamp(min=1), batch_first=True, enforce_sorted=False)
    order, back = packed.sorted_indices, packed.unsorted_indices
    hx = _states([h.index_select(1, order) for h in initial])
    data, *sorted_final = function(packed.data, packed.batch_sizes, hx, weights, *options)
    y, _ = pad_packed_sequence(
        PackedSequence(data, packed.batch_sizes, order, back), batch_first=True, total_length=x.shape[1]
    )
    final = [h.index_select(1, back) for h in sorted_final]
    if lengths.min() > 0:
        return y, final, final[0]
    some = (lengths > 0).to(x.device)[:, None]
    kept = [torch.where(some, h, start) for h, start in zip(final, initial, strict=True)]
    return y * some[:, None], kept, final[0] * some


def _states(values: list[Tensor]) -> Tensor | list[Tensor]:
    """torch takes (h, c) for an LSTM and a bare h for the others."""
    return values if len(values) > 1 else values[0]


def _stack(values: list[Tensor]) -> Tensor:
    return values[0].unsqueeze(0) if len(values) == 1 else torch.stack(values)


def _weights(cell: Cell, p: dict[str, Tensor]) -> list[Tensor]:
    """torch's weight_ih, weight_hh and, with a bias, bias_ih, bias_hh: views of ours, or zero."""
    weights = [p["kernel"].flatten(0, 1), p["recurrent_kernel"].flatten(0, 1)]
    if "bias" in p:
        bias = p["bias"].flatten()
        if "recurrent_bias" in p:  # of the new gate, the last
            weights += [bias, F.pad(p["recurrent_bias"], (bias.numel() - cell.outputs, 0))]
        else:
            weights += [bias, torch.zeros_like(bias)]
    return weights


def _contiguous(weights: list[Tensor], directions: int) -> list[Tensor]:
    """The same weights as views of one buffer in cuDNN's order, all matrices and then all biases, which spares a
    warning and a copy inside cuDNN."""
    each = len(weights) // directions
    order = sorted(range(len(weights)), key=lambda i: (i % each >= 2, i))
    parts = torch.cat([weights[i].flatten() for i in order]).split([weights[i].numel() for i in order])
    views = dict(zip(order, parts, strict=True))
    return [views[i].view_as(weight) for i, weight in enumerate(weights)]
