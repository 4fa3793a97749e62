"""What bundles and V1 checkpoints share: data types, shapes, and tensors put together from slices."""

import math
from collections.abc import Sequence

import numpy as np

from rnnspec.archives import check_shape
from rnnspec.convert.formats.bfloat16 import from_bfloat16
from rnnspec.convert.formats.protobuf import fields, number, repeated
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.shown import quoted

# tensorflow/core/framework/types.proto
STRING, BFLOAT16 = 7, 14
_DTYPES = {
    1: np.float32, 2: np.float64, 3: np.int32, 4: np.uint8, 5: np.int16, 6: np.int8, 9: np.int64, 10: np.bool_,
    17: np.uint16, 19: np.float16, 22: np.uint32, 23: np.uint64, BFLOAT16: np.uint16,
}  # fmt: skip

Extent = tuple[int, int]  # start and length along one axis; a length below 0: all of it


def dtype_of(code: int, where: str) -> np.dtype:
    """The little-endian type in which tensors of a type are stored. Raises UnsupportedError: none of ours."""
    if code not in _DTYPES:
        raise UnsupportedError(f"{where}: TensorFlow's data type {code} has no counterpart here")
    return np.dtype(_DTYPES[code]).newbyteorder("<")


def widened(array: np.ndarray, code: int) -> np.ndarray:
    """The tensor, with bfloat16 as float32."""
    return from_bfloat16(array) if code == BFLOAT16 else array


def shape_of(data: memoryview, where: str) -> tuple[int, ...]:
    """`TensorShapeProto`. Raises SpecError: a size is negative or too large, or not known."""
    shape = tuple(number(fields(dim, where), 1, where) for dim in repeated(fields(data, where), 2, where))
    if any(size < 0 for size in shape):
        raise SpecError(f"{where}: damaged: the shape {quoted(shape)} is impossible; copy the file again")
    check_shape(shape, where)
    return shape


def extents_of(data: memoryview, where: str) -> list[Extent]:
    """`TensorSliceProto`: an extent for each axis."""
    extents = [fields(extent, where) for extent in repeated(fields(data, where), 1, where)]
    return [(number(extent, 1, where), number(extent, 2, where, -1)) for extent in extents]


def region(extents: Sequence[Extent], shape: tuple[int, ...], where: str) -> tuple[slice, ...]:
    """The part of a tensor that a slice fills. Raises SpecError: it is not inside the tensor."""
    if len(extents) != len(shape):
        raise SpecError(f"{where}: damaged: a slice with {len(extents)} axes of a tensor {shape}; copy the file again")
    ends = [size if length < 0 else start + length for (start, length), size in zip(extents, shape, strict=True)]
    if any(start < 0 or end > size for (start, _), end, size in zip(extents, ends, shape, strict=True)):
        raise SpecError(f"{where}: damaged: a slice to {ends} of a tensor {shape}; copy the file again")
    return tuple(slice(start, end) for (start, _), end in zip(extents, ends, strict=True))


def assemble(shape: tuple[int, ...], parts: list[tuple[tuple[slice, ...], np.ndarray]], where: str) -> np.ndarray:
    """A partitioned variable from its slices. Raises SpecError: one is missing, there twice, or of another shape."""
    for place, part in parts:
        if tuple(s.stop - s.start for s in place) != part.shape:
            raise SpecError(f"{where}: damaged: a slice of shape {part.shape} does not fit; copy the file again")
    if sum(part.size for _, part in parts) != math.prod(shape):
        raise SpecError(f"{where}: the slices do not cover the shape {shape}; copy all files of the checkpoint")
    whole = np.empty(shape, parts[0][1].dtype)
    filled = np.zeros(shape, bool)
    for place, part in parts:
        whole[place] = part
        filled[place] = True
    if not filled.all():
        raise SpecError(f"{where}: slices overlap, and part of {shape} is missing; copy the file again")
    return whole
