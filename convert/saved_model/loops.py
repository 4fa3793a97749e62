"""Loops over time in the graph of a SavedModel (keras/src/backend/tensorflow/rnn.py): what each unrolls."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnnspec.conventions.gates import Part
from rnnspec.convert.layers import stack
from rnnspec.convert.request import Request
from rnnspec.convert.saved_model.cells import FoundCell, cell
from rnnspec.convert.saved_model.expressions import folded, integers, match, scalar
from rnnspec.convert.saved_model.graph import Operation, Tensor
from rnnspec.errors import UnsupportedError

TIME_FIRST = [1, 0, 2]
LOOPS = ("While", "StatelessWhile")


@dataclass
class Unrolled:
    """A loop over time: its cell, its input (batch, time, features), its mask (batch, time), and of each of its states
    where it starts and where it ends.
    """

    op: Operation
    part: Part
    x: Tensor
    mask: Tensor | None
    backward: bool
    hold: bool
    states: list[tuple[Tensor, Tensor]]
    path: list[str]
    summed: bool


class Loops:
    """Loops by the tensors that they give.

    Args:
        variables: the tensor of each variable → its path (Keras's names) and its array.
        where: the source, for messages.
        request: for what the graph does not say.
    """

    def __init__(self, variables: Mapping[Tensor, tuple[str, np.ndarray]], where: str, request: Request) -> None:
        self.variables, self.where, self.request = variables, where, request
        self.read: set[Tensor] = set()

    def weight(self, tensor: Tensor) -> np.ndarray | None:
        """The numbers of a variable, as operations on it alone leave them; None for anything else."""
        return folded(tensor, self._variable)

    def _variable(self, tensor: Tensor) -> np.ndarray | None:
        if tensor not in self.variables:
            return None
        self.read.add(tensor)
        return self.variables[tensor][1]

    def path(self, tensor: Tensor) -> list[str]:
        """The path of the variable that the tensor is made of."""
        while tensor not in self.variables:
            tensor = tensor.inputs[1 if tensor.type == "Split" else 0]
        return self.variables[tensor][0].split("/")

    def final(self, state: Tensor) -> Tensor:
        """The final h of the loop that has this state."""
        body = state.op.body
        emitted = [new.inputs[2] for new in body.new if new.type == "TensorListSetItem"]
        if len(emitted) != 1:
            raise self.refused(state.op)
        h = chosen(emitted[0])[0]
        for k, new in body.changed():
            if new == h or (chosen(new)[0] == h and new != emitted[0]):
                return Tensor(state.op, k)
        raise self.refused(state.op)

    def refused(self, op: Operation) -> UnsupportedError:
        place = re.sub(r"/while$", "", op.name)
        what = "is of an unrolled recurrence, no loop" if op.type not in LOOPS and "_cell" in place else "is no layer"
        return UnsupportedError(
            f"{self.where}: {place!r} ({op.type}) {what} that can be read off the graph; "
            "give the model's configuration with --config"
        )

    def loop(self, y: Tensor) -> tuple[Operation | None, bool]:
        """The loop that y is an output of, and whether it is its last output only, or its final h."""
        if (outputs := sequence(y)) is not None:
            return outputs.op, False
        if y.type == "StridedSlice" and integers(y.inputs[1]) == [-1] and y.op.number("shrink_axis_mask") == 1:
            outputs = stacked(y.inputs[0])
            return (None, True) if outputs is None else (outputs.op, True)
        return (y.op, True) if y.type in LOOPS and y == self.final(y) else (None, False)

    def unrolled(self, op: Operation, y: Tensor) -> Unrolled:
        """What a loop computes, of which y is its sequence, its last output, or its final h.

        Raises:
            UnsupportedError: it is not a cell of ours over time.
        """
        refused = self.refused(op)
        sliced, final = y.type == "StridedSlice", y.type in LOOPS
        body = op.body
        outputs, states = [], {}
        for k, new in body.changed():
            if new.type == "TensorListSetItem":
                outputs.append(new.inputs[2])
            elif not match(new, ("AddV2", "count", 1.0)):
                states[k] = new
        if len(outputs) != 1:
            raise refused
        y, mask, otherwise = chosen(outputs[0])
        before = [k for k in states if mask is not None and states[k] == outputs[0]]  # the output of the step before
        hold = any(otherwise == body.carried[k] for k in before)
        if any(not zero(body.start[k]) for k in before) or not (hold or otherwise is None or zero(otherwise)):
            raise refused
        states = {k: new for k, new in states.items() if k not in before}
        if mask is not None and not hold and sliced:
            raise UnsupportedError(
                f"{self.where}: {op.name!r} gives 0 where the last step is masked (zero_output_for_mask), and its last "
                "output only; ours is the last valid output: return the sequence"
            )
        cells: list[FoundCell] = []
        x = y
        while x.type != "TensorListGetItem":
            found = cell(x, self.weight)
            if found is None:
                raise refused
            cells.insert(0, found)
            x = found.x
        ends = []
        for found in cells:
            for carried, new in found.states.items():
                if carried not in body.carried:
                    raise refused
                k = body.carried.index(carried)
                value, m, old = chosen(states.pop(k, carried))
                if value != new or m != mask or (mask is not None and old != carried):
                    raise refused
                ends.append((body.start[k], Tensor(op, k)))
        if mask is not None and final and not all(zero(start) for start, _ in ends):
            raise UnsupportedError(
                f"{self.where}: {op.name!r} gives its final state: of a row without valid steps it is the initial "
                "state; here it would be 0: no equal"
            )
        source, backward = item(x)
        valid, backward_mask = (None, backward) if mask is None else item(mask)
        if states or source is None or backward != backward_mask or (mask is not None and valid is None):
            raise refused
        if valid is not None:
            expanded = match(valid, ("ExpandDims", "mask", "axis"))
            if not expanded or integers(expanded["axis"]) not in ([-1], [2]):
                raise refused
            valid = expanded["mask"]
        parts = [(found.cell, found.weights) for found in cells]
        part = parts[0] if len(parts) == 1 else stack(*parts)
        summed = any(found.summed for found in cells)
        return Unrolled(op, part, source, valid, backward, hold, ends, self.layer_path(op, cells[0]), summed)

    def layer_path(self, op: Operation, found: FoundCell) -> list[str]:
        """The path of the layer: that of its kernel without the cells, which are the scopes inside the loop."""
        inner = next(
            p for p in products(op.body.new) if p.inputs[0] == found.x and self.weight(p.inputs[1]) is not None
        )
        depth = inner.op.name.removeprefix(op.name + "/").count("/")
        return self.path(inner.inputs[1])[: -1 - depth]


def stacked(y: Tensor) -> Tensor | None:
    """The loop's value of which y (time, batch, features) is made, step after step."""
    return y.inputs[0] if y.type == "TensorListStack" and y.inputs[0].type in LOOPS else None


def sequence(y: Tensor) -> Tensor | None:
    """The loop's value of which y (batch, time, features) is made."""
    found = match(y, ("Transpose", "y", "order"))
    outputs = stacked(found["y"]) if found and integers(found["order"]) == TIME_FIRST else None
    if outputs is None:
        return None
    written = outputs.op.body.new[outputs.output]
    return outputs if written.type == "TensorListSetItem" and written.inputs[1].type == "Carried" else None


def flipped(y: Tensor) -> Tensor | None:
    """What y is with its steps in reverse."""
    found = match(y, ("ReverseV2", "y", "axis"))
    return found["y"] if found and integers(found["axis"]) == [1] else None


def chosen(value: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """What is taken where a step is valid, the mask, and what is taken elsewhere."""
    found = match(value, ("SelectV2", ("Tile", "mask", "times"), "new", "old"))
    return (found["new"], found["mask"], found["old"]) if found else (value, None, None)


def zero(tensor: Tensor) -> bool:
    """Whether the tensor is filled with zeros."""
    found = match(tensor, ("Fill", "shape", "value"))
    if found:
        return scalar(found["value"]) == 0
    value = tensor.op.value
    return tensor.type == "ZerosLike" or (value is not None and not value.any())


def item(tensor: Tensor) -> tuple[Tensor | None, bool]:
    """The sequence (batch, time, …) whose step the tensor is, and whether its steps come from the last to the first."""
    found = match(tensor, ("TensorListGetItem", ("TensorListFromTensor", "steps", "shape"), "k", "element"))
    if not found or found["k"].type != "Carried":
        return None, False
    steps = found["steps"]
    flipped = match(steps, ("ReverseV2", "steps", "axis"))
    if flipped and integers(flipped["axis"]) == [0]:
        steps = flipped["steps"]
    whole = match(steps, ("Transpose", "x", "order"))
    return (whole["x"] if whole and integers(whole["order"]) == TIME_FIRST else None), flipped is not None


def products(tensors: list[Tensor]) -> list[Tensor]:
    """All products of matrices in these expressions."""
    found, seen, left = [], set(), list(tensors)
    while left:
        tensor = left.pop()
        if tensor not in seen:
            seen.add(tensor)
            left += tensor.inputs
            found += [tensor] * (tensor.type == "MatMul")
    return found
