"""What goes wrong around cells: directions, padding, the last output, wrappers, dropout."""

from collections.abc import Iterator
from functools import partial

import msgspec

from rnnspec.cells import LSTM, Cell, Residual, Zoneout
from rnnspec.cells.tree import inside, with_inside
from rnnspec.diagnosis.change import Changed, Mistake, PartMistake
from rnnspec.diagnosis.trial import Arrays, Trial, with_part
from rnnspec.layers import Recurrent
from rnnspec.ops import Array
from rnnspec.reference.ops import NumpyOps

with_fields = msgspec.structs.replace


def layer_mistakes() -> Iterator[PartMistake]:
    """In the configuration of recurrent layers, and in their learned states."""
    for sentence, fields in (
        ("the direction is backward", {"direction": "backward"}),
        ("the direction is forward", {"direction": "forward"}),
        ("time runs backward, in the output too", {"direction": "backward", "reverse_output": True}),
        ("the layer's output is reversed in time", {"reverse_output": True}),
        ("the layer's output is not reversed in time", {"reverse_output": False}),
        ("outputs at padding hold the last valid one", {"padded_output": "hold"}),
        ("outputs at padding are 0", {"padded_output": "zero"}),
    ):
        yield PartMistake(sentence, sentence, partial(_fields, fields), reach="row")
    yield PartMistake("no learned state", "the learned states are left out", _no_learned_state, reach="row")
    for kind, what in ((Residual, "the residual connection"), (Zoneout, "zoneout")):
        yield PartMistake(f"no {kind.__name__}", f"{what} is left out", partial(_without, kind))


def _fields(fields: dict, layer, p: Arrays) -> Changed:
    if not isinstance(layer, Recurrent) or any(getattr(layer, name) == value for name, value in fields.items()):
        return None
    if "direction" in fields and layer.direction == "bidirectional":
        return None
    return with_fields(layer, **fields), p


def _no_learned_state(layer, p: Arrays) -> Changed:
    learned = {name: 0 * array for name, array in p.items() if name.startswith("initial.")}
    return (layer, p | learned) if learned else None


def _without(kind: type, layer, p: Arrays) -> Changed:
    if not isinstance(layer, Recurrent):
        return None
    cell, backward = _bare(kind, layer.cell), layer.backward_cell and _bare(kind, layer.backward_cell)
    changed = with_fields(layer, cell=cell, backward_cell=backward)
    return None if changed == layer else (changed, p)


def _bare(kind: type, cell: Cell) -> Cell:
    """The cell without wrappers of one kind."""
    below = [_bare(kind, each) for each in inside(cell).values()]
    return below[0] if isinstance(cell, kind) else with_inside(cell, below)


def last_layer_mistakes(trial: Trial) -> Iterator[Mistake]:
    """In what the last recurrent layer returns."""
    chain = list(trial.model.chain())
    found = [(layer, inputs) for layer, inputs in chain if isinstance(layer, Recurrent)]
    if not found:
        return
    layer, inputs = found[-1]
    changes: dict[str, dict] = {"only the last output is returned": {"return_sequences": False}}
    if not layer.return_sequences:
        changes = {"all outputs are returned": {"return_sequences": True}}
    if layer.direction == "bidirectional" and inputs is not None:
        forward, backward = (cell.outputs(inputs) for cell, _ in layer.directions.values())
        merges = ("concat", "sum", "ave", "mul") if forward == backward else ("concat",)
        for merge in merges:
            changed = with_fields(layer, merge=merge)
            if merge != layer.merge and (layer is chain[-1][0] or changed.outputs(inputs) == layer.outputs(inputs)):
                changes[f"the directions are merged by {merge}"] = {"merge": merge}
    for sentence, fields in changes.items():
        yield Mistake(sentence, sentence, partial(_changed_layer, layer.name, fields))


def _changed_layer(name: str, fields: dict, trial: Trial) -> Trial:
    layer = next(layer for layer in trial.model.layers if layer.name == name)
    p = {k.removeprefix(name + "."): array for k, array in trial.weights.items() if k.startswith(name + ".")}
    return with_part(trial, name, with_fields(layer, **fields), p)


class _BackwardNotFlipped(NumpyOps):
    def recurrent(self, layer, p, x: Array, valid, state):
        each, new = super().recurrent(layer, p, x, valid, state)
        return [each[0], *(self.flip(y) for y in each[1:])], new


class _PaddingReversed(NumpyOps):
    def unroll(self, cell, p, x: Array, valid, state, start, reverse: bool):
        if not reverse:
            return super().unroll(cell, p, x, valid, state, start, reverse)
        y, new = super().unroll(cell, p, self.flip(x), valid, state, start, False)
        return self.flip(y), new


class _DirectionsExchanged(NumpyOps):
    def recurrent(self, layer, p, x: Array, valid, state):
        each, new = super().recurrent(layer, p, x, valid, state)
        if not layer.return_sequences:
            reversals = [reverse for _, reverse in layer.directions.values()]
            each = [self.last(y, valid, reverse) for y, reverse in zip(each, reversals, strict=True)]
        return each[::-1], new

    def last(self, y: Array, valid, reverse: bool):
        return y if y.ndim == 2 else super().last(y, valid, reverse)


class _LastStep(NumpyOps):
    def last(self, y: Array, valid, reverse: bool):
        return y[:, 0 if reverse else -1]


class _LastIndex(NumpyOps):
    def last(self, y: Array, valid, reverse: bool):
        return super().last(y, valid, False)


class _DropoutScales(NumpyOps):
    def dropout(self, x: Array, rate: float, place: str = "", per: str = "step"):
        return x * (1 - rate)


class _OldPeephole(NumpyOps):
    def unroll(self, cell, p, x: Array, valid, state, start, reverse: bool):
        if isinstance(cell, LSTM) and cell.peephole:
            cell = _SeesOldCell(cell)
        return super().unroll(cell, p, x, valid, state, start, reverse)


class _SeesOldCell:
    """An LSTM whose output gate sees the old c."""

    def __init__(self, cell: LSTM) -> None:
        self.cell = cell
        self.outputs, self.project, self.prepare = cell.outputs, cell.project, cell.prepare

    def step(self, ops, p, projected, state):
        *others, o = ops.split(projected, len(self.cell.gates))
        seen = ops.concat([*others, o + state["c"] * p["peephole_o"]])
        return self.cell.step(ops, p | {"peephole_o": 0 * p["peephole_o"]}, seen, state)


def operation_mistakes(trial: Trial) -> Iterator[Mistake]:
    """In the operations around cells, which no configuration can say."""
    layers = [layer for layer in trial.model.layers if isinstance(layer, Recurrent)]
    both = any(layer.direction == "bidirectional" for layer in layers)
    last = not all(layer.return_sequences for layer in layers)
    peephole = any(name.endswith(".peephole") for name in trial.weights)
    for applies, sentence, ops in (
        (both, "the backward outputs are not flipped back", _BackwardNotFlipped),
        (any(layer.direction != "forward" for layer in layers), "backward begins in the padding", _PaddingReversed),
        (both, "backward outputs come before forward ones", _DirectionsExchanged),
        (last, "the last step is taken, be it valid or not", _LastStep),
        (last and both, "the backward output is that of the last step in time", _LastIndex),
        ('"dropout"' in trial.model.to_json(), "dropout multiplies by 1 - rate", _DropoutScales),
        (peephole, "the output gate's peephole sees the old c", _OldPeephole),
    ):
        if applies:
            yield Mistake(sentence, sentence, partial(_on, ops))


def _on(ops: type[NumpyOps], trial: Trial) -> Trial:
    return trial.on(ops)
