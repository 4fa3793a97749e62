"""Our models as parameter trees for linen."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rnnspec.atomic import write_atomically
from rnnspec.cells import GRU, LSTM, RNN, UGRNN, Cell
from rnnspec.checkpoint import Checkpoint
from rnnspec.config import Config
from rnnspec.conventions.flax import ACTIVATION, CELLS, GATE_ACTIVATION, linen
from rnnspec.convert.flax.files import CHUNK
from rnnspec.convert.outward import at_inference, check_said, unstacked
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Dense, Dropout, Embedding, Recurrent
from rnnspec.model import Model
from rnnspec.ops import grouped, scope

Arrays = dict[str, np.ndarray]


def write(checkpoint: Checkpoint, target: Path) -> list[str]:
    """Write the tree `variables["params"]` of linen modules that run the model.

    A single recurrent layer is `nn.RNN(cell)`, so its tree is {"cell": …}, or `nn.Bidirectional(nn.RNN(cell),
    nn.RNN(cell))`, with `forward_rnn` and `backward_rnn` around that. Any other model is a compact module that calls
    its layers in order, with the names that linen gives: `Embed_0`, `LSTMCell_0`, `LSTMCell_1` (two for a
    `Bidirectional`, forward first), `Dense_0`. Cells are `SimpleCell`, `LSTMCell`, `GRUCell`, and for a UGRNN
    `MGUCell(reset_gate=False)`. A cell of ours without a bias has biases of zeros. What modules are told and a tree
    does not hold, activations, directions, how both are joined, which steps count, is among the notes.

    Args:
        target: .msgpack, which `flax.serialization.from_bytes` reads, or .npz, with names joined by "/".

    Returns:
        What the modules do without, what the tree does not say, and where each layer is in it, a line each.

    Raises:
        SpecError: another suffix.
        UnsupportedError: linen's modules cannot say it; the message names the layer and the option.
    """
    checkpoint, notes = at_inference(checkpoint, "linen")
    checkpoint = unstacked(checkpoint, "the writer of linen's parameters")
    arrays, places = placed(checkpoint)
    tree: dict[str, Any] = dict(arrays)
    notes += _unsaid(checkpoint.model)
    if len(places) > 1:
        named = ", ".join(f"{name} {place}" for name, place in places.items())
        notes.append(f"names in the tree, and for the places of a --config: {named}")
    if target.suffix == ".msgpack":
        if large := [name for name, array in arrays.items() if array.nbytes > CHUNK]:
            raise UnsupportedError(f"{target}: {large[0]} is larger than msgpack holds; write .npz")
        write_atomically(target, msgspec.msgpack.encode(_tree(arrays)))
    elif target.suffix == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, **tree)
        write_atomically(target, buffer.getvalue())
    else:
        raise SpecError(f"{target}: expected a name in .msgpack or .npz")
    return notes


def placed(checkpoint: Checkpoint) -> tuple[Arrays, dict[str, str]]:
    """The tree that `write` writes of layers without a `Stack`, flat: name, joined by "/", → array; and where each
    layer is in it, or each direction: "both.forward" → "LSTMCell_0".

    Raises:
        UnsupportedError: linen's modules cannot say it; the message names the layer and the option.
    """
    lone = len(checkpoint.model.layers) == 1
    numbers: Counter[str] = Counter()
    arrays: Arrays = {}
    places: dict[str, str] = {}
    by_layer = grouped(checkpoint.weights)

    def add(layer: str, kind: str, leaves: Arrays, place: str | None = None) -> None:
        place = places[layer] = place or f"{kind}_{numbers[kind]}"
        numbers[kind] += 1
        arrays.update({f"{place}/{name}": array for name, array in leaves.items()})

    for layer in checkpoint.model.layers:
        weights = by_layer.get(layer.name, {})
        if type(layer) is Embedding:
            add(layer.name, "Embed", {"embedding": weights["embeddings"]})
        elif type(layer) is Dense:
            bias = {"bias": weights["bias"]} if layer.bias else {}
            add(layer.name, "Dense", {"kernel": weights["kernel"].T} | bias)
        elif isinstance(layer, Recurrent):
            check_said(layer, _SAID, f"layer {layer.name!r}: linen")
            if layer.reverse_output and layer.direction != "backward":
                raise UnsupportedError(
                    f"layer {layer.name!r}: linen cannot say reverse_output=True of {layer.direction}"
                )
            for prefix, (cell, _) in layer.directions.items():
                place = (f"{prefix}_rnn/cell" if prefix else "cell") if lone else None
                name = f"{layer.name}.{prefix}" if prefix else layer.name
                add(name, *_cell(cell, scope(weights, prefix), layer.name), place)
        elif type(layer) is not Dropout:
            raise UnsupportedError(f"layer {layer.name!r}: linen has no {type(layer).__name__}")
    return arrays, places


_SAID: dict[str, Any] = dict.fromkeys(  # what `nn.RNN` and `nn.Bidirectional` are told of a layer
    ("name", "cell", "backward_cell", "return_sequences", "direction", "reverse_output")
) | {"merge": ("concat", "sum", "mul", "ave")}


def _unsaid(model: Model) -> Iterator[str]:
    """What modules are told that is not in the tree."""
    if model.padding is not None:
        yield f"steps that hold {model.padding:g} alone do not count: linen's modules are told so by seq_lengths"
    said = []
    for layer in model.layers:
        if isinstance(layer, Recurrent):
            plain = Recurrent(name=layer.name, cell=layer.cell)
            options = {
                name: getattr(layer, name) for name in ("direction", "merge", "reverse_output", "return_sequences")
            }
            told = {name: value for name, value in options.items() if value != getattr(plain, name)}
            told |= {name: value for cell, _ in layer.directions.values() for name, value in _told(cell)}
        else:
            told = {"activation": layer.activation} if isinstance(layer, Dense) else {}
            told = {name: value for name, value in told.items() if value != "linear"}
        said += [f"{layer.name}.{name}={_shown(value)}" for name, value in told.items()]
    if said:
        yield f"not in the tree, for you to say where its modules are called: {', '.join(said)}"


def _told(cell: Cell) -> Iterator[tuple[str, Any]]:
    """The activations of a cell that are not linen's by default."""
    assert isinstance(cell, RNN | LSTM | GRU | UGRNN)
    activation = cell.cell_activation if isinstance(cell, LSTM) else cell.activation
    if activation != ACTIVATION:
        yield "activation", activation
    if not isinstance(cell, RNN) and cell.gate_activation != GATE_ACTIVATION:
        yield "gate_activation", cell.gate_activation


def _shown(value: Any) -> str:
    return json.dumps(value.to_builtins() if isinstance(value, Config) else value).strip('"')


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
