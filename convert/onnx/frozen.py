"""Axes of one place, in a graph that is written for one step, or for one row.

Which axis is which cannot be seen from the elements there. So it is followed from node to node; and an operator that
acts along such an axis is refused, since with more steps it would mean something else.

    x (1, batch, 3)         time, batch, other
    Transpose(x)            other, batch, time
    Concat(x, x, axis=2)    time, batch, other          along features, whatever the number of steps: it may stay
    Concat(x, x, axis=0)    refused                     it makes two steps out of one
"""

from collections.abc import Iterable, Iterator
from math import prod
from typing import NamedTuple

import numpy as np
from onnx import AttributeProto

from rnnspec.convert.onnx.graph import RECURRENT, Node
from rnnspec.convert.onnx.sizes import Sizes
from rnnspec.convert.onnx.streams import Kind, Misfit, Traced
from rnnspec.errors import UnsupportedError

Axes = tuple[str, ...]

OTHER, UNKNOWN = "other", "unknown"
_ONE_AXIS = {"Concat": 0, "Gather": 0, "GatherElements": 0, "Split": 0, "LogSoftmax": -1, "Softmax": -1}


class Frozen:
    """What the axes of each value are: "batch", "time", "other", or "unknown" where a Reshape leaves it open.

    `names`: those of batch and time that have one place; without any, nothing is followed.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.names = {name for name, size in (("batch", sizes.batch), ("time", sizes.time)) if size == 1}
        self.freed = sizes.freed
        self.axes: dict[str, Axes] = {}

    def enter(self, name: str, axes: Axes) -> None:
        """A graph input."""
        self.axes[name] = axes

    def has_time(self, name: str) -> bool:
        """Whether a value still has an axis of time, or may have."""
        return not {"time", UNKNOWN}.isdisjoint(self.axes.get(name, (UNKNOWN,)))

    def follow(self, node: Node, inputs: list[Traced | None], results: list[Traced], opset: int) -> None:
        """Enter what a node gives.

        Raises:
            Misfit: at the sizes that are declared it does something else than at those tried.
            UnsupportedError: it acts along an axis of time or rows that has one place, or along one that may be such.
        """
        if self.freed and _by_size(node, inputs, results):
            raise Misfit(f"{node}: does not say which axes of one place it means; export the model with free sizes")
        if not self.names:
            return
        moved = [k for k, tensor in enumerate(inputs) if tensor is not None and tensor.kind is Kind.ELEMENTS]
        if not moved:
            return
        name, tensor = node.inputs[moved[0]], inputs[moved[0]]
        assert tensor is not None
        given = _Value(self.axes.get(name, (UNKNOWN,) * tensor.array.ndim), tensor.array.shape)
        for axis in _along(node, inputs, given, opset):
            if given.shape[axis] == 1 and not self._free([given.axes[axis]]):
                raise self._refusal(node, [given.axes[axis]])
        for output, result in zip(node.outputs, results, strict=False):
            if result.kind is Kind.ELEMENTS:
                self.axes[output] = self._after(node, inputs, given, result.array.shape)

    def _after(self, node: Node, inputs: list[Traced | None], given: "_Value", shape: tuple[int, ...]) -> Axes:
        axes, rank = given.axes, len(given.shape)
        if node.kind in RECURRENT:
            if len(shape) == 4:
                return ("batch", "time", OTHER, OTHER) if node.integer("layout") else ("time", OTHER, "batch", OTHER)
            return ("batch", OTHER, OTHER) if node.integer("layout") else (OTHER, "batch", OTHER)
        if node.kind == "Transpose":
            order = node.get("perm", AttributeProto.INTS, list(range(rank))[::-1])
            return tuple(axes[k] for k in order)
        if node.kind == "Squeeze":
            squeezed = _squeezed(node, inputs, given)
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
        if len(shape) == rank and node.kind not in ("Reshape", "Flatten"):
            return axes
        return self._reshaped(node, given, shape) if prod(shape) == prod(given.shape) else (UNKNOWN,) * len(shape)

    def _reshaped(self, node: Node, given: "_Value", shape: tuple[int, ...]) -> Axes:
        """By the sizes. Axes of one place stay in order between others; where some are dropped, those that are no step
        and no row.
        """
        kept, axes = list(given.axes), [OTHER] * len(shape)
        for old, new in _groups(given.shape, shape):
            inside = [kept[k] for k in range(old[0], old[-1] + 1) if k not in old] if old else []
            if not self._free(inside):
                raise self._refusal(node, inside)
            if len(old) == len(new) == 1:
                axes[new[0]] = kept[old[0]]
        for old, new in _gaps(given.shape, shape):
            ones = [kept[k] for k in old]
            frozen = [axis for axis in ones if not self._free([axis])]
            if len(new) < len(frozen):
                raise self._refusal(node, frozen)
            if len(new) not in (len(ones), len(frozen)):
                frozen = [UNKNOWN] * len(new) if frozen else [OTHER] * len(new)
            for k, axis in zip(new, ones if len(new) == len(ones) else frozen, strict=True):
                axes[k] = axis
        return tuple(axes)

    def _free(self, axes: Iterable[str]) -> bool:
        """Whether none of the axes is one of steps or rows that has one place, or may be."""
        return {*self.names, UNKNOWN}.isdisjoint(axes)

    def _refusal(self, node: Node, axes: Iterable[str]) -> UnsupportedError:
        what = " or ".join(sorted(axis for axis in {*self.names, UNKNOWN} if axis in axes))
        return UnsupportedError(
            f"{node}: along an axis of one place ({what}), in a graph that is written for one: what it does with more "
            "is not known; export the model with free sizes, or from an example with more steps and rows"
        )


class _Value(NamedTuple):
    axes: Axes
    shape: tuple[int, ...]


def _groups(old: tuple[int, ...], new: tuple[int, ...]) -> Iterator[tuple[list[int], list[int]]]:
    """The axes above 1 of two shapes of as many elements, in the smallest groups of as many elements."""
    left, right = ([k for k, size in enumerate(shape) if size != 1] for shape in (old, new))
    while left:
        mine, yours = [left.pop(0)], [right.pop(0)]
        while (a := prod(old[k] for k in mine)) != (b := prod(new[k] for k in yours)):
            (mine.append(left.pop(0)) if a < b else yours.append(right.pop(0)))
        yield mine, yours


def _gaps(old: tuple[int, ...], new: tuple[int, ...]) -> Iterator[tuple[list[int], list[int]]]:
    """The axes of one place before, between and after those groups."""
    start, begin = 0, 0
    for mine, yours in [*_groups(old, new), ([len(old)], [len(new)])]:
        yield list(range(start, mine[0])), list(range(begin, yours[0]))
        start, begin = mine[-1] + 1, yours[-1] + 1


def _by_size(node: Node, inputs: list[Traced | None], results: list[Traced]) -> bool:
    """Whether the node does something else where more axes have one place: a Squeeze without axes; a Reshape to 1, that
    joins or parts others.
    """
    if node.kind == "Reshape" and inputs[0] is not None and 1 in _numbers(node, inputs, 1, "shape"):
        sizes = [[size for size in tensor.array.shape if size != 1] for tensor in (inputs[0], *results)]
        return sizes[0] != sizes[1]
    return node.kind == "Squeeze" and not _numbers(node, inputs, 1, "axes")


def _along(node: Node, inputs: list[Traced | None], given: _Value, opset: int) -> list[int]:
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
    if node.kind == "Squeeze":  # of the rows, each row is what it was
        return [k for k in _squeezed(node, inputs, given) if given.axes[k] != "batch"]
    return _listed(node, inputs, rank) if node.kind.startswith("Reduce") else []


def _squeezed(node: Node, inputs: list[Traced | None], given: _Value) -> list[int]:
    rank = len(given.shape)
    return _listed(node, inputs, rank) or [k for k, size in enumerate(given.shape) if size == 1]


def _sliced(node: Node, inputs: list[Traced | None], rank: int) -> list[int]:
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


def _listed(node: Node, inputs: list[Traced | None], rank: int) -> list[int]:
    """The `axes` of a node, an input or an attribute."""
    return [axis + rank * (axis < 0) for axis in _numbers(node, inputs, 1, "axes")]


def _numbers(node: Node, inputs: list[Traced | None], place: int, name: str) -> list[int]:
    tensor = inputs[place] if place < len(inputs) else None
    return node.get(name, AttributeProto.INTS, []) if tensor is None else tensor.array.ravel().tolist()
