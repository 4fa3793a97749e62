"""Axes of one place, in a graph that is written for one step, or for one row.

Which axis is which cannot be seen from the elements there. So it is followed from node to node; and an operator that
acts along such an axis is refused, since with more steps it would mean something else.
"""

from typing import NamedTuple

import numpy as np
from onnx import AttributeProto

from rnnspec.convert.onnx.graph import RECURRENT, Node
from rnnspec.convert.onnx.streams import Kind, Tensor
from rnnspec.errors import UnsupportedError

Axes = tuple[str, ...]

OTHER, UNKNOWN = "other", "unknown"
_ONE_AXIS = {"Concat": 0, "Gather": 0, "GatherElements": 0, "Split": 0, "LogSoftmax": -1, "Softmax": -1}


class Frozen:
    """What the axes of each value are: "batch", "time", "other", or "unknown" where a Reshape leaves it open.

    `names`: those of batch and time that have one place; without any, nothing is followed.
    """

    def __init__(self, batch: int, time: int) -> None:
        self.names = {name for name, size in (("batch", batch), ("time", time)) if size == 1}
        self.axes: dict[str, Axes] = {}

    def enter(self, name: str, axes: Axes) -> None:
        """A graph input."""
        self.axes[name] = axes

    def has_time(self, name: str) -> bool:
        """Whether a value still has an axis of time, or may have."""
        return not {"time", UNKNOWN}.isdisjoint(self.axes.get(name, (UNKNOWN,)))

    def follow(self, node: Node, inputs: list[Tensor | None], results: list[Tensor], opset: int) -> None:
        """Enter what a node gives.

        Raises:
            UnsupportedError: it acts along an axis of time or rows that has one place, or along one that may be such.
        """
        if not self.names:
            return
        moved = [k for k, tensor in enumerate(inputs) if tensor is not None and tensor.kind is Kind.ELEMENTS]
        if not moved:
            return
        name, tensor = node.inputs[moved[0]], inputs[moved[0]]
        assert tensor is not None
        given = _Value(self.axes.get(name, (UNKNOWN,) * tensor.array.ndim), tensor.array.shape)
        for axis in _along(node, inputs, given, opset):
            if given.shape[axis] == 1 and given.axes[axis] in {*self.names, UNKNOWN}:
                raise UnsupportedError(
                    f"{node}: along axis {axis}, which is {_named(given.axes[axis])} of a graph that is written for "
                    f"one: what it does with more is not known; export the model with free sizes, or with larger ones"
                )
        for output, result in zip(node.outputs, results, strict=False):
            self.axes[output] = self._after(node, inputs, given, result.array.shape)

    def _after(self, node: Node, inputs: list[Tensor | None], given: "_Value", shape: tuple[int, ...]) -> Axes:
        axes, rank = given.axes, len(given.shape)
        if node.kind in RECURRENT:
            if len(shape) == 4:
                return ("batch", "time", OTHER, OTHER) if node.integer("layout") else ("time", OTHER, "batch", OTHER)
            return ("batch", OTHER, OTHER) if node.integer("layout") else (OTHER, "batch", OTHER)
        if node.kind == "Transpose":
            order = node.get("perm", AttributeProto.INTS, list(range(rank))[::-1])
            return tuple(axes[k] for k in order)
        if node.kind == "Squeeze":
            squeezed = _listed(node, inputs, rank) or [k for k, size in enumerate(given.shape) if size == 1]
            return tuple(axis for k, axis in enumerate(axes) if k not in squeezed)
        if node.kind == "Unsqueeze":
            rest = iter(axes)
            added = _listed(node, inputs, len(shape))
            return tuple(OTHER if k in added else next(rest) for k in range(len(shape)))
        if node.kind == "Gather":
            indices = inputs[1]
            assert indices is not None
            axis = node.integer("axis")
            if indices.kind is Kind.ELEMENTS:  # ids → rows of a table
                return (*self.axes.get(node.input(1), (UNKNOWN,) * indices.array.ndim), OTHER)
            axis += rank * (axis < 0)
            return (
                *axes[:axis],
                *[axes[axis] if indices.array.ndim == 1 else OTHER] * indices.array.ndim,
                *axes[axis + 1 :],
            )
        if node.kind.startswith("Reduce") and len(shape) < rank:
            reduced = _listed(node, inputs, rank)
            return tuple(axis for k, axis in enumerate(axes) if k not in reduced)
        return axes if len(shape) == rank and node.kind != "Reshape" else self._reshaped(given, shape)

    def _reshaped(self, given: "_Value", shape: tuple[int, ...]) -> Axes:
        """By the sizes: those above 1 keep their axes; those of 1 too, if as many are between the same others."""
        before, after = _gaps(given.shape), _gaps(shape)
        if [size for size, _ in before] != [size for size, _ in after]:
            lost = any(given.axes[k] in {*self.names, UNKNOWN} for k, size in enumerate(given.shape) if size == 1)
            return tuple(UNKNOWN if size == 1 and lost else OTHER for size in shape)
        axes = [OTHER] * len(shape)
        for (_, old), (_, new) in zip(before, after, strict=True):
            kept = [given.axes[k] for k in old]
            lost = len(old) != len(new) and any(axis in {*self.names, UNKNOWN} for axis in kept)
            for place, k in enumerate(new):
                axes[k] = UNKNOWN if lost else kept[place] if len(old) == len(new) else OTHER
        return tuple(axes)


class _Value(NamedTuple):
    axes: Axes
    shape: tuple[int, ...]


def _gaps(shape: tuple[int, ...]) -> list[tuple[int, list[int]]]:
    """Each size above 1, the last with 0 for the end, with the axes of one place before it."""
    found: list[tuple[int, list[int]]] = []
    ones: list[int] = []
    for k, size in enumerate((*shape, 0)):
        if size == 1:
            ones.append(k)
        else:
            found.append((size, ones))
            ones = []
    return found


def _along(node: Node, inputs: list[Tensor | None], given: _Value, opset: int) -> list[int]:
    """The axes along which a node picks, joins or normalises."""
    rank = len(given.shape)
    if node.kind in _ONE_AXIS:
        if node.kind == "Gather" and inputs[1] is not None and inputs[1].kind is Kind.ELEMENTS:
            return []
        old = node.kind in ("Softmax", "LogSoftmax") and opset < 13
        axis = node.integer("axis", 1 if old else _ONE_AXIS[node.kind])
        axis += rank * (axis < 0)
        return list(range(axis, rank)) if old else [axis] if 0 <= axis < rank else []
    if node.kind == "Slice":
        return _sliced(node, inputs, rank)
    return _listed(node, inputs, rank) if node.kind.startswith("Reduce") else []


def _sliced(node: Node, inputs: list[Tensor | None], rank: int) -> list[int]:
    """The axes of which a Slice does not take all."""
    starts, ends, axes, steps = (
        _numbers(node, inputs, place, name)
        for place, name in enumerate(("starts", "ends", "axes", "steps"), 1)
    )  # fmt: skip
    axes = axes or list(range(len(starts)))
    steps = steps or [1] * len(starts)
    whole = np.iinfo("int32").max
    return [
        axis + rank * (axis < 0)
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True)
        if start != 0 or end < whole or step != 1
    ]


def _listed(node: Node, inputs: list[Tensor | None], rank: int) -> list[int]:
    """The `axes` of a node, an input or an attribute."""
    return [axis + rank * (axis < 0) for axis in _numbers(node, inputs, 1, "axes")]


def _numbers(node: Node, inputs: list[Tensor | None], place: int, name: str) -> list[int]:
    tensor = inputs[place] if place < len(inputs) else None
    return node.get(name, AttributeProto.INTS, []) if tensor is None else tensor.array.ravel().tolist()


def _named(axis: str) -> str:
    return {"time": "the step", "batch": "the row"}.get(axis, "the step or the row")
