"""What the writers of other frameworks' formats share."""

from collections.abc import Collection, Mapping, Set
from typing import Any

from msgspec.structs import fields, replace

from rnnspec.cells import Cell, CellDropout, Stack
from rnnspec.cells.tree import inside, with_inside
from rnnspec.checkpoint import Checkpoint
from rnnspec.config import Config
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Layer, Recurrent
from rnnspec.model import Model


def at_inference(checkpoint: Checkpoint, whose: str) -> tuple[Checkpoint, list[str]]:
    """The same numbers in every call without lengths, in what frameworks say: without dropout inside cells, which
    outside training is the identity (CELLDROP-3), and with 0 at invalid steps, of which there are none.

    Args:
        whose: what gives 0 there, for the note: "torch".

    Returns:
        The checkpoint; what was left out, a line each.
    """
    layers, notes = list(checkpoint.model.layers), []
    for k, layer in enumerate(layers):
        if not isinstance(layer, Recurrent):
            continue
        changed = replace(
            layer,
            cell=_undropped(layer.cell),
            backward_cell=layer.backward_cell and _undropped(layer.backward_cell),
            padded_output="zero",
        )
        if (changed.cell, changed.backward_cell) != (layer.cell, layer.backward_cell):
            notes.append(f"{layer.name}: its dropout is left out: outside training it is the identity")
        if layer.padded_output == "hold" and layer.return_sequences:
            held = "at padded steps its output is the last valid one"
            notes.append(f"{layer.name}: {held}; {whose} gives 0 there; where no step is padded it is the same")
        layers[k] = changed
    model = replace(checkpoint.model, layers=layers)
    return Checkpoint(model, checkpoint.weights, checkpoint.metadata, checkpoint.allow_nonfinite), notes


def _undropped(cell: Cell) -> Cell:
    cell = with_inside(cell, map(_undropped, inside(cell).values()))
    return cell.cell if type(cell) is CellDropout else cell


def unstacked(checkpoint: Checkpoint, writer: str) -> Checkpoint:
    """The same numbers with every forward `Stack` of `name` as layers `name_0`, `name_1`, …, and states of these names.

    Bidirectional stacks stay: there each cell sees its own direction only.

    Raises:
        UnsupportedError: it is no chain of layers of version 1, and `writer` has nothing else.
    """
    checkpoint.model.check_chain(writer)
    layers: list[Layer] = []
    stacks: set[str] = set()
    for layer in checkpoint.model.layers:
        if not (isinstance(layer, Recurrent) and type(layer.cell) is Stack and _plain(layer)):
            layers.append(layer)
            continue
        stacks.add(layer.name)
        last = len(layer.cell.cells) - 1
        for k, cell in enumerate(layer.cell.cells):
            sequences = layer.return_sequences or k < last
            layers.append(Recurrent(name=f"{layer.name}_{k}", cell=cell, return_sequences=sequences))
    weights = {_flat(name, stacks): array for name, array in checkpoint.weights.items()}
    model = Model(layers=tuple(layers), inputs=checkpoint.model.inputs, padding=checkpoint.model.padding)
    return Checkpoint(model, weights, checkpoint.metadata, checkpoint.allow_nonfinite)


def _flat(name: str, stacks: Set[str]) -> str:
    """`rnn.cells.1.kernel` → `rnn_1.kernel`, where `rnn` is one of the stacks."""
    layer, _, rest = name.partition(".")
    if layer not in stacks:
        return name
    _, number, leaf = rest.split(".", 2)
    return f"{layer}_{number}.{leaf}"


def _plain(layer: Recurrent) -> bool:
    """Whether nothing but `return_sequences` is set beside the cell."""
    return layer == Recurrent(name=layer.name, cell=layer.cell, return_sequences=layer.return_sequences)


def check_said(found: Config, said: Mapping[str, Collection[Any] | None], whose: str) -> None:
    """Raise UnsupportedError where a field has a value that the other framework cannot say.

    Args:
        said: field → the values that can be said; None where all can. Every other field must have its default.
        whose: what cannot, for the message: "layer 'r': torch's GRU".
    """
    for field in fields(type(found)):
        value, can = getattr(found, field.name), said.get(field.name, (field.default,))
        if can is not None and value not in can:
            raise UnsupportedError(f"{whose} cannot say {field.name}={value!r}")
