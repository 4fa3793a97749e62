"""Arrays of ours put together of the arrays of a source: transposed, parted, joined."""

from math import prod
from typing import Annotated, Any

import msgspec
import numpy as np

from rnnspec import limits
from rnnspec.convert.variables import Variables, some
from rnnspec.errors import SpecError
from rnnspec.shown import quoted

Size = Annotated[int, msgspec.Meta(ge=0, le=limits.SIZE)]
Axis = Annotated[int, msgspec.Meta(ge=0, lt=limits.AXES)]


class Piece(msgspec.Struct, forbid_unknown_fields=True):
    """An array of the source, several joined along `axis`, or zeros; of it the k-th of n equal parts along `axis`
    (`part`: [k, n], from 0), then transposed, and in another shape.

    `transpose`: true for all axes in reverse, or the axes in their new order.
    """

    array: str | None = None
    join: list["str | Piece"] | None = None
    zeros: list[Size] | None = None
    axis: Axis = 0
    part: tuple[Size, Size] | None = None
    transpose: bool | list[Axis] = False
    shape: list[Size] | None = None


SAID: Any = str | Piece


class Pieces:
    """The arrays of a source, and which parts of each are used."""

    def __init__(self, variables: Variables, where: str) -> None:
        self.variables, self.where = variables, where
        self.parts: dict[tuple[str, int, int], set[int]] = {}  # array, axis, how many parts → those used
        self.size = sum(array.size for array in variables.values())

    def piece(self, said: "str | Piece", at: str) -> np.ndarray:
        """What a piece is. Raises SpecError: it names no array, or what it says does not fit."""
        if isinstance(said, str):
            said = Piece(array=said)
        if sum(each is not None for each in (said.array, said.join, said.zeros)) != 1:
            raise SpecError(f"{at}: expected one of array, join and zeros")
        if said.zeros is not None:
            self._check_size(prod(said.zeros), at)
            found = np.zeros(said.zeros, np.float32)
        elif said.join is not None:
            pieces = [self.piece(each, at) for each in said.join]
            self._check_size(sum(each.size for each in pieces), at)
            if len({_without(each.shape, said.axis) for each in pieces}) != 1 or pieces[0].ndim <= said.axis:
                raise SpecError(f"{at}: join: arrays of {[each.shape for each in pieces]} along axis {said.axis}")
            found = np.concatenate(pieces, said.axis)
        else:
            found = self._named(said, at)
        if said.part is not None:
            found = _part(found, said, at)
        if said.transpose:
            axes = said.transpose if isinstance(said.transpose, list) else [*range(found.ndim)][::-1]
            if sorted(axes) != [*range(found.ndim)]:
                raise SpecError(f"{at}: transpose: {axes} for {found.ndim} axes")
            found = found.transpose(axes)
        if said.shape is not None:
            if prod(said.shape) != found.size:
                raise SpecError(f"{at}: shape: {said.shape} of {found.shape}")
            found = found.reshape(said.shape)
        return found

    def _check_size(self, size: int, at: str) -> None:
        """Raise SpecError where a small file asks for much memory."""
        if size > limits.UNPACKED_RATIO * max(self.size, 1):
            raise SpecError(f"{at}: {size:,} numbers, and the source has {self.size:,}: refused; check the map")

    def _named(self, said: Piece, at: str) -> np.ndarray:
        name = str(said.array)
        if name not in self.variables:
            raise SpecError(f"{at}: no array {quoted(name)}; there are {some(sorted(self.variables))}")
        array = self.variables.take(name)
        if array.dtype.kind not in "fiu":
            raise SpecError(f"{at}: array {quoted(name)}: expected numbers, found {array.dtype}")
        if said.part is not None:
            self.parts.setdefault((name, said.axis, said.part[1]), set()).add(said.part[0])
        else:
            self.parts[name, 0, 1] = {0}
        return array if array.dtype.kind == "f" else array.astype(np.float32)

    def finish(self) -> None:
        """Raise SpecError where a part of an array is left over."""
        whole = {name for (name, _, many), used in self.parts.items() if len(used) == many}
        for (name, axis, many), used in self.parts.items():
            if name not in whole:
                missing = next(k for k in range(many) if k not in used)
                raise SpecError(
                    f"{self.where}: no layer uses part [{missing}, {many}] of {quoted(name)} along axis {axis}"
                )


def _part(array: np.ndarray, said: Piece, at: str) -> np.ndarray:
    k, many = said.part or (0, 1)
    if array.ndim <= said.axis or not 0 <= k < many or array.shape[said.axis] % many:
        raise SpecError(f"{at}: part: [{k}, {many}] of {array.shape} along axis {said.axis}")
    return np.split(array, many, said.axis)[k]


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
