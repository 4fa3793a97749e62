"""ONNX files from strangers: read as data, tensors stored outside only where they lie beside the model."""

import os
import re
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore
from onnx import TensorProto, numpy_helper

from rnnspec.archives import check_shape
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reading import contents, reading, regular
from rnnspec.shown import quoted

_DTYPES: dict[int, int] = {
    TensorProto.FLOAT: 4, TensorProto.DOUBLE: 8, TensorProto.FLOAT16: 2, TensorProto.BFLOAT16: 2, TensorProto.BOOL: 1,
    TensorProto.INT8: 1, TensorProto.INT16: 2, TensorProto.INT32: 4, TensorProto.INT64: 8,
    TensorProto.UINT8: 1, TensorProto.UINT16: 2, TensorProto.UINT32: 4, TensorProto.UINT64: 8,
}  # fmt: skip
_FIELDS: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.UINT32: "uint64_data",
    TensorProto.UINT64: "uint64_data",
}  # all others: int32_data


def load(path: Path) -> onnx.ModelProto:
    """The model, its tensors inside.

    Raises:
        OSError: the file, or one that it names, is not there.
        SpecError: it is not ONNX, or damaged; it names a file that is not beside it.
    """
    try:
        model = onnx.ModelProto.FromString(contents(path))
    except DecodeError:
        raise SpecError(f"{path}: not an ONNX model, or damaged; export it again") from None
    if not model.ir_version or not model.graph.node:
        raise SpecError(f"{path}: not an ONNX model: it has no graph; export it again")
    if any(isinstance(text, bytes) for text in _texts(model)):  # what protobuf makes of text that is no UTF-8
        raise SpecError(f"{path}: damaged: names that are not text; copy it again")
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.raw_data = _external(tensor, path)
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]
    return model


def external(data: bytes, path: Path) -> dict[str, np.ndarray]:
    """The initializers of a model that lie in files beside it, where its bytes name such files, by name.

    Raises:
        OSError: such a file is not there.
        SpecError: it lies outside the model's folder, or does not hold what the model says; it is no ONNX model.
    """
    if b"location" not in data:  # the key under which the file is named
        return {}
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError:
        raise SpecError(f"{path}: not an ONNX model, or damaged; export it again") from None
    found = {}
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.raw_data = _external(tensor, path)
            tensor.data_location = TensorProto.DEFAULT
            found[tensor.name] = array(tensor, str(path))
    for tensor in _inner(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            raise SpecError(f"{path}: tensor {tensor.name!r}: inside a node, with its data in another file: refused")
    return found


def _inner(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """All tensors of a graph and those in its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _inner(inner)


def arrays(model: onnx.ModelProto, where: str) -> dict[str, np.ndarray]:
    """The initializers by name."""
    return {tensor.name: array(tensor, where) for tensor in model.graph.initializer}


def array(tensor: TensorProto, where: str) -> np.ndarray:
    """A tensor whose data are as long as its shape says; half precision widened to float32.

    Raises:
        SpecError: they are not.
        UnsupportedError: strings, complex numbers, quantised numbers of less than 8 bits.
    """
    where = f"{where}: tensor {quoted(tensor.name)}"
    if tensor.data_location == TensorProto.EXTERNAL:
        raise SpecError(f"{where}: its data lie in another file; give the path of the model")
    size = _size(tensor, where)
    if tensor.HasField("raw_data"):
        found = len(tensor.raw_data) / _DTYPES[tensor.data_type]
    else:
        found = len(getattr(tensor, _FIELDS.get(tensor.data_type, "int32_data")))
    if found != size:
        raise SpecError(f"{where}: shape {tuple(tensor.dims)} needs {size} numbers, found {found:g}; export it again")
    values = numpy_helper.to_array(tensor)
    half = tensor.data_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    return values.astype(np.float32) if half else values


def _size(tensor: TensorProto, where: str) -> int:
    """How many numbers the shape of a tensor of weights needs."""
    if tensor.data_type not in _DTYPES:
        kinds = TensorProto.DataType
        kind = kinds.Name(tensor.data_type) if tensor.data_type in kinds.values() else tensor.data_type
        raise UnsupportedError(f"{where}: {kind} holds no weights of ours; export in float32")
    if min(tensor.dims, default=0) < 0:
        raise SpecError(f"{where}: shape {quoted(tuple(tensor.dims))} is impossible; export it again")
    check_shape(tuple(tensor.dims), where)
    return prod(tensor.dims)


def _texts(model: onnx.ModelProto) -> Iterator[str]:
    yield from (text for entry in model.metadata_props for text in (entry.key, entry.value))
    for named in (*model.graph.initializer, *model.graph.input, *model.graph.output):
        yield named.name
    for node in model.graph.node:
        yield from (node.op_type, node.name, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def _external(tensor: TensorProto, path: Path) -> bytes:
    """What a tensor has in a file beside the model."""
    where = f"{path}: tensor {quoted(tensor.name)}"
    said = {entry.key: entry.value for entry in tensor.external_data}
    location = said.get("location", "")
    folder = path.resolve().parent
    with reading(where, ValueError, RuntimeError, what=f"its data are in {quoted(location)}"):  # NUL; links in a circle
        target = (folder / location).resolve()
    if not location or os.path.isabs(location) or not target.is_relative_to(folder) or target == folder:
        raise SpecError(f"{where}: its data are in {location!r}, outside the model's folder: refused")
    if not target.is_file():
        raise FileNotFoundError(2, "the data of a tensor are not there", str(path.parent / location))
    size = target.stat().st_size
    numbers = [said.get("offset", "0"), said.get("length", str(size))]
    if not all(re.fullmatch("[0-9]{1,19}", number) for number in numbers):
        given = " and ".join(map(quoted, numbers))
        raise SpecError(f"{where}: offset and length of its data: expected numbers, found {given}")
    offset = int(numbers[0])
    length = int(numbers[1]) if "length" in said else size - offset
    if length < 0 or offset + length > size:
        raise SpecError(f"{where}: its data end at byte {offset + length} of {location!r}, which has {size}")
    needed, found = _size(tensor, where), length / _DTYPES[tensor.data_type]
    if found != needed:
        raise SpecError(f"{where}: shape {tuple(tensor.dims)} needs {needed} numbers, found {found:g}; export it again")
    with regular(target).open("rb") as file:
        file.seek(offset)
        return file.read(length)
