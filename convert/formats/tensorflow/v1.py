"""V1 checkpoints: one sorted table, or one for each shard, with the tensors in it
(tensorflow/core/util/saved_tensor_slice.proto, tensorflow/core/framework/tensor.proto)."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from rnnspec.convert.formats.protobuf import fields, number, octets, repeated, text, varints
from rnnspec.convert.formats.sstable import read_table
from rnnspec.convert.formats.tensorflow.tensors import STRING, assemble, dtype_of, extents_of, region, shape_of, widened
from rnnspec.errors import SpecError
from rnnspec.shown import quoted

_FLOAT, _DOUBLE, _HALF = 1, 2, 19
_VALUES = {_FLOAT: 5, _DOUBLE: 6, 9: 10, 10: 11, 14: 13, _HALF: 13, 22: 16, 23: 17}  # type → field; else int_val, 7


def read_v1(paths: Iterable[Path]) -> dict[str, np.ndarray]:
    """All tensors of a checkpoint in these files: name → array.

    Partitioned variables are put together; bfloat16 becomes float32; strings are left out.

    Raises:
        FileNotFoundError: a file is not there.
        SpecError: not a checkpoint, damaged, or a slice is missing.
        UnsupportedError: a data type that NumPy does not have.
    """
    types: dict[str, int] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    slices: dict[str, list] = {}
    where: dict[str, str] = {}
    for path in paths:
        table = read_table(path)
        header = fields(table.get(b"", memoryview(b"")), str(path))
        for meta in repeated(fields(octets(header, 1, str(path)), str(path)), 1, str(path)):
            tensor = fields(meta, str(path))
            name = text(tensor, 1, str(path))
            where[name] = f"{path}: {quoted(name)}"
            shape, code = shape_of(octets(tensor, 2, where[name]), where[name]), number(tensor, 3, where[name])
            if (shapes.setdefault(name, shape), types.setdefault(name, code)) != (shape, code):
                raise SpecError(f"{where[name]}: there twice, with another shape or type; copy the files again")
        for key, value in table.items():
            saved = fields(octets(fields(value, str(path)), 2, str(path)), str(path)) if key else {}
            name = text(saved, 1, str(path))
            if name not in shapes:
                if key:
                    raise SpecError(f"{path}: damaged: a tensor {name!r} that its header does not name; copy it again")
                continue
            place = region(extents_of(octets(saved, 2, where[name]), where[name]), shapes[name], where[name])
            if types[name] != STRING:
                proto = fields(octets(saved, 3, where[name]), where[name])
                slices.setdefault(name, []).append((place, _tensor(proto, types[name], place, where[name])))
    return {name: assemble(shapes[name], parts, where[name]) for name, parts in slices.items()}


def _tensor(proto: dict[int, list], code: int, place: tuple[slice, ...], where: str) -> np.ndarray:
    """`TensorProto`: the part of a tensor at `place`. The header alone says the type."""
    dtype, shape = dtype_of(code, where), tuple(axis.stop - axis.start for axis in place)
    packed = b"".join(repeated(proto, _VALUES.get(code, 7), where))
    if code in (_FLOAT, _DOUBLE):
        packed = packed[: len(packed) // dtype.itemsize * dtype.itemsize]
        values = np.frombuffer(packed, dtype)
    elif code == _HALF:
        values = varints(memoryview(packed), where).astype("<u2").view(dtype)
    else:
        values = varints(memoryview(packed), where).astype(dtype)
    if values.size != np.prod(shape, dtype=np.int64):
        raise SpecError(f"{where}: damaged: {values.size} numbers for a slice of shape {shape}; copy the file again")
    return widened(values.reshape(shape), code)
