"""torch's own fused layers, where they mean exactly what the cell means.

The weights need no conversion: `kernel (gates, units, inputs)` in the order of the specification, flattened, *is*
torch's `weight_ih (gates·units, inputs)`, for the LSTM (i, f, g, o) and for the GRU (r, z, n) alike.
"""

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.nn.utils.rnn import PackedSequence

from rnnspec.cells import GRU, LSTM, RNN, Cell, Stack
from rnnspec.errors import UnsupportedError
from rnnspec.ops import States, scope, under
from rnnspec.valid import Valid


def name(cell: Cell) -> str:
    """The function of torch that serves the cell."""
    match cell:
        case Stack(cells=cells):
            return " + ".join(dict.fromkeys(name(inner) for inner in cells))
        case RNN(activation=activation):
            return f"torch.rnn_{activation}"
        case _:
            return {LSTM: "torch.lstm", GRU: "torch.gru"}[type(cell)]


def obstacle(cell: Cell) -> str | None:
    """Why torch has no fused layer with the cell's meaning; None where it has one."""
    match cell:
        case Stack(cells=cells):
            return next((reason for inner in cells if (reason := obstacle(inner))), None)
        case RNN(activation="tanh" | "relu") | LSTM() | GRU(reset_after=True):
            return None
        case RNN(activation=activation):
            return f"torch has no RNN with activation {activation}"
        case GRU():
            return "torch's GRU resets after the product"
        case _:
            return f"torch has no {type(cell).__name__}"


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
    outputs, new = [], {}
    for prefix, reverse in layer.directions.items():
        y = _reverse(x, lengths) if reverse else x
        y, s = _chain(layer.cell, scope(p, prefix), y, lengths, scope(state, prefix), layer.return_sequences)
        outputs.append(_reverse(y, lengths) if reverse and layer.return_sequences else y)
        new |= under(prefix, s)
    return (torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]), new


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
    cell: Cell, p: dict[str, Tensor], x: Tensor, lengths, state: States, directions: tuple[str, ...], sequences: bool
) -> tuple[Tensor, States]:
    """One fused call over the directions named by prefix."""
    weights = [w for prefix in directions for w in _weights(cell, scope(p, prefix))]
    if x.is_cuda:
        weights = _contiguous(weights, len(directions))
    names = list(cell.states())
    initial = [torch.stack([scope(state, prefix)[name] for prefix in directions]) for name in names]
    options = (p_bias := "bias" in scope(p, directions[0])), 1, 0.0, torch.is_grad_enabled(), len(directions) == 2
    del p_bias
    function = {
        "lstm": torch.lstm,
        "gru": torch.gru,
        "rnn_tanh": torch.rnn_tanh,
        "rnn_relu": torch.rnn_relu,
    }[name(cell).removeprefix("torch.")]
    hx = initial if isinstance(cell, LSTM) else initial[0]
    if lengths is None:
        y, *final = function(x, hx, weights, *options, True)
    else:
        packed = pack_padded_sequence(x, lengths.clamp(min=1), batch_first=True, enforce_sorted=False)
        order, back = packed.sorted_indices, packed.unsorted_indices
        hx = [h.index_select(1, order) for h in initial] if isinstance(cell, LSTM) else initial[0].index_select(1, order)
        data, *final = function(packed.data, packed.batch_sizes, hx, weights, *options)
        y, _ = pad_packed_sequence(
            PackedSequence(data, packed.batch_sizes, order, back), batch_first=True, total_length=x.shape[1]
        )
        # torch refuses rows of length 0, so they ran one step: undo it (UNROLL-4).
        some = (lengths > 0).to(x.device)[:, None]
        final = [torch.where(some, h.index_select(1, back), h0) for h, h0 in zip(final, initial, strict=True)]
        y = torch.where(some[:, None], y, torch.zeros((), dtype=y.dtype, device=y.device))
    ends = dict(zip(names, final, strict=True))
    new = {k: h for i, prefix in enumerate(directions) for k, h in under(prefix, {n: f[i] for n, f in ends.items()}).items()}
    if sequences:
        return y, new
    last = torch.cat(list(ends["h"]), -1)
    return (last if lengths is None else torch.where(some, last, torch.zeros((), dtype=y.dtype, device=y.device))), new


def _weights(cell: Cell, p: dict[str, Tensor]) -> list[Tensor]:
    """torch's weight_ih, weight_hh and, with a bias, bias_ih, bias_hh: views of ours, or zero."""
    weights = [p["kernel"].flatten(0, 1), p["recurrent_kernel"].flatten(0, 1)]
    if "bias" in p:
        bias = p["bias"].flatten()
        recurrent = torch.zeros_like(bias)
        if "recurrent_bias" in p:
            recurrent = torch.cat([recurrent[: -cell.outputs], p["recurrent_bias"]])
        weights += [bias, recurrent]
    return weights


def _contiguous(weights: list[Tensor], directions: int) -> list[Tensor]:
    """The same weights as views of one buffer in cuDNN's order, all matrices and then all biases, which spares a
    warning and a copy inside cuDNN."""
    each = len(weights) // directions
    order = sorted(range(len(weights)), key=lambda i: (i % each >= 2, i))
    parts = torch.cat([weights[i].flatten() for i in order]).split([weights[i].numel() for i in order])
    views = dict(zip(order, parts, strict=True))
    return [views[i].view_as(weight) for i, weight in enumerate(weights)]
