"""Our models as parameter trees for linen."""

import io
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rnnspec.atomic import write_atomically
from rnnspec.cells import GRU, LSTM, RNN, UGRNN, Cell
from rnnspec.checkpoint import Checkpoint
from rnnspec.conventions.flax import CELLS, linen
from rnnspec.convert.flax.files import CHUNK
from rnnspec.convert.outward import at_inference, check_said, unstacked
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Dense, Dropout, Embedding, Recurrent
from rnnspec.ops import grouped, scope

Arrays = dict[str, np.ndarray]


def write(checkpoint: Checkpoint, target: Path) -> list[str]:
    """Write the tree `variables["params"]` of linen modules that run the model.

    A single recurrent layer is `nn.RNN(cell)`, so its tree is {"cell": …}, or `nn.Bidirectional(nn.RNN(cell),
    nn.RNN(cell))`, with `forward_rnn` and `backward_rnn` around that. Any other model is a compact module that calls
    its layers in order, with the names that linen gives: `Embed_0`, `LSTMCell_0`, `LSTMCell_1` (two for a
    `Bidirectional`, forward first), `Dense_0`. Cells are `SimpleCell`, `LSTMCell`, `GRUCell`, and for a UGRNN
    `MGUCell(reset_gate=False)`. Activations are arguments of the cells, and not in the tree; a cell of ours without a
    bias has biases of zeros.

    Args:
        target: .msgpack, which `flax.serialization.from_bytes` reads, or .npz, with names joined by "/".

    Returns:
        What the modules do without, a line each.

    Raises:
        SpecError: another suffix.
        UnsupportedError: linen's modules cannot say it; the message names the layer and the option.
    """
    checkpoint, notes = at_inference(checkpoint, "linen")
    arrays: dict[str, Any] = parameters(checkpoint)
    if target.suffix == ".msgpack":
        if large := [name for name, array in arrays.items() if array.nbytes > CHUNK]:
            raise UnsupportedError(f"{target}: {large[0]} is larger than msgpack holds; write .npz")
        write_atomically(target, msgspec.msgpack.encode(_tree(arrays)))
    elif target.suffix == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_atomically(target, buffer.getvalue())
    else:
        raise SpecError(f"{target}: expected a name in .msgpack or .npz")
    return notes


def parameters(checkpoint: Checkpoint) -> Arrays:
    """The tree that `write` writes, flat: name, joined by "/", → array.

    Raises:
        UnsupportedError: Flax has no such cell.
    """
    checkpoint = unstacked(checkpoint, "the writer of linen's parameters")
    model = checkpoint.model
    if model.padding is not None:
        raise UnsupportedError(f"padding={model.padding}: linen's modules do not look for it; give seq_lengths instead")
    lone = len(model.layers) == 1
    numbers: Counter[str] = Counter()
    arrays: Arrays = {}
    by_layer = grouped(checkpoint.weights)

    def add(kind: str, leaves: Arrays, place: str | None = None) -> None:
        place = place or f"{kind}_{numbers[kind]}"
        numbers[kind] += 1
        arrays.update({f"{place}/{name}": array for name, array in leaves.items()})

    for layer in model.layers:
        weights = by_layer.get(layer.name, {})
        if type(layer) is Embedding:
            add("Embed", {"embedding": weights["embeddings"]})
        elif type(layer) is Dense:
            bias = {"bias": weights["bias"]} if layer.bias else {}
            add("Dense", {"kernel": weights["kernel"].T} | bias)
        elif isinstance(layer, Recurrent):
            said: dict[str, Any] = dict.fromkeys(("name", "cell", "backward_cell", "return_sequences"))
            said |= {"direction": ("forward", "bidirectional")}
            check_said(layer, said, f"layer {layer.name!r}: the tree")
            for prefix, (cell, _) in layer.directions.items():
                place = (f"{prefix}_rnn/cell" if prefix else "cell") if lone else None
                add(*_cell(cell, scope(weights, prefix), layer.name), place)
        elif type(layer) is not Dropout:
            raise UnsupportedError(f"layer {layer.name!r}: linen has no {type(layer).__name__}")
    return arrays


def _cell(cell: Cell, weights: Arrays, name: str) -> tuple[str, Arrays]:
    """linen's class and its variables."""
    if type(cell) not in CELLS:
        raise UnsupportedError(f"layer {name!r}: linen has no {type(cell).__name__}")
    assert isinstance(cell, RNN | LSTM | GRU | UGRNN)
    said: dict[str, Any] = dict.fromkeys(("units", "bias", "activation", "gate_activation", "cell_activation"))
    said |= {"reset_after": (True,)}
    if isinstance(cell, LSTM):
        said |= {"output_activation": (cell.cell_activation,)}
    check_said(cell, said, f"layer {name!r}: linen's cell")
    kind = CELLS[type(cell)]
    return kind.__name__, dict(linen(kind, kind.to_theirs(weights)))


def _tree(arrays: Arrays) -> dict[str, Any]:
    """Nested dicts, with arrays as Flax packs them: extension 1 of (shape, name of the dtype, bytes)."""
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *path, leaf = name.split("/")
        inner = tree
        for part in path:
            inner = inner.setdefault(part, {})
        packed = msgspec.msgpack.encode((array.shape, array.dtype.name, array.tobytes("C")))
        inner[leaf] = msgspec.msgpack.Ext(1, packed)
    return tree
