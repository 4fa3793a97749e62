"""State dicts in files of `torch.save`: tensors only, never code."""

from collections.abc import Callable
from functools import cache
from math import prod
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from rnnspec import limits
from rnnspec.archives import check_shape, check_unpacked, is_zip, member, open_zip
from rnnspec.convert.formats.bfloat16 import from_bfloat16
from rnnspec.convert.formats.pickled import Name, Other, Storage, StoredArray, StoredTensor
from rnnspec.convert.formats.pickles import Pickle
from rnnspec.convert.request import Request
from rnnspec.convert.variables import some
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reading import contents
from rnnspec.shown import quoted, shown

_MAGIC = 0x1950A86A20F9469CFC6C
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights")
_DTYPES = {  # of typed storages, and torch's names of types
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "<u2", "BoolStorage": "?",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "torch.float64": "<f8", "torch.float32": "<f4", "torch.float16": "<f2", "torch.bfloat16": "<u2", "torch.bool": "?",
    "torch.int64": "<i8", "torch.int32": "<i4", "torch.int16": "<i2", "torch.int8": "i1", "torch.uint8": "u1",
    "torch.uint64": "<u8", "torch.uint32": "<u4", "torch.uint16": "<u2",
}  # fmt: skip
_BFLOAT16 = ("BFloat16Storage", "torch.bfloat16")
_SIZES = {"ComplexFloatStorage": 8, "ComplexDoubleStorage": 16, "QInt32Storage": 4}  # of others' elements; else 1


def read_pickled(path: Path, request: Request, every: bool = False) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The state dict in a file of `torch.save`, zip or legacy → arrays, and what is beside it with the reason.

    A checkpoint may wrap it, with the optimizer, settings and any objects beside it; of several state dicts,
    `request.part` names one, or `every` takes all. Neither torch nor Python's pickle is asked.

    Raises:
        SpecError: the file is damaged, or a whole module or a program; nothing of it is executed.
        UnsupportedError: a tensor among the weights is sparse, quantised or without data.
    """
    if not is_zip(path):
        data = contents(path)
        if data.startswith(b"PK"):
            raise SpecError(f"{path}: a zip archive that is cut off; copy it again")
        found, numbers = _legacy(data, path)
        return _weights(found, numbers, every or bool(request.part), path)
    with open_zip(path) as archive:
        found, numbers = _zipped(archive, path)
        return _weights(found, numbers, every or bool(request.part), path)


Numbers = Callable[[str, np.dtype], np.ndarray]  # key of a storage, dtype → all that is in it


def _zipped(archive: ZipFile, path: Path) -> tuple[Any, Numbers]:
    """What was saved, in `NAME/data.pkl`, and the storages, in `NAME/data/KEY`."""
    names = archive.namelist()
    folder = names[0].partition("/")[0] if names else ""
    if f"{folder}/constants.pkl" in names:
        line = f"torch.save(torch.jit.load({path.name!r}).state_dict(), 'weights.pt')"
        raise SpecError(f"{path}: a TorchScript program, which is never run; save module.state_dict(): {line}")
    if f"{folder}/archive_format" in names or "serialized_exported_program.json" in names:
        line = f"torch.save(torch.export.load({path.name!r}).state_dict, 'weights.pt')"
        raise SpecError(f"{path}: a program of torch.export, which is never run; save its state dict: {line}")
    found = Pickle(member(archive, f"{folder}/data.pkl", path), str(path)).load()
    order = f"{folder}/byteorder"
    big = order in names and member(archive, order, path) == b"big"
    read = cache(lambda key: member(archive, f"{folder}/data/{key}", path))
    return found, lambda key, dtype: _as(read(key), dtype.newbyteorder(">") if big else dtype)


def _legacy(data: bytes, path: Path) -> tuple[Any, Numbers]:
    """The same of torch before 1.6: pickles of a magic number, the version, the machine, what was saved and the keys of
    its storages; then each storage, the number of its elements in front.
    """
    at = 0
    loaded: list[Any] = []
    met: dict[str, Storage] = {}
    for _ in range(5):
        pickle = Pickle(data, str(path), at)
        loaded.append(pickle.load())
        met |= pickle.storages
        at = pickle.at
        if loaded[0] != _MAGIC:
            raise SpecError(
                f"{path}: a pickle that torch.save did not write, which is never loaded; save module.state_dict()"
            )
    _, _, _, found, keys = loaded
    storages, whole = {}, memoryview(data)
    for key in keys if isinstance(keys, list) else []:
        if not isinstance(key, str) or key not in met or at + 8 > len(data):
            raise SpecError(f"{path}: damaged: storage {quoted(key)} is none of its own; copy the file again")
        end = at + 8 + int.from_bytes(data[at : at + 8], "little") * _size(met[key].kind)
        storages[key], at = whole[at + 8 : end], end
    return found, lambda key, dtype: _as(storages.get(key, b""), dtype)


def _size(kind: str) -> int:
    """Bytes of an element of a storage."""
    return np.dtype(_DTYPES[kind]).itemsize if kind in _DTYPES else _SIZES.get(kind, 1)


def _as(data: bytes | memoryview, dtype: np.dtype) -> np.ndarray:
    """As many numbers as there are in the bytes."""
    return np.frombuffer(data, dtype, len(data) // dtype.itemsize)


def _weights(found: Any, numbers: Numbers, every: bool, path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The tensors of the state dict as arrays."""
    tensors, beside = _unwrapped(found, every, path)
    places = {name: f"{path}: variable {quoted(name)}" for name in tensors}
    kept = {name: value for name, value in tensors.items() if isinstance(value, StoredArray)}
    dtypes = {name: _dtype(tensor, places[name]) for name, tensor in tensors.items() if name not in kept}
    check_unpacked(sum(prod(tensors[name].shape) * dtype.itemsize for name, dtype in dtypes.items()), path)
    arrays = {}
    for name, tensor in tensors.items():
        if name in kept:
            arrays[name] = kept[name].array(places[name])
            continue
        array = _view(tensor, numbers(tensor.storage.key, dtypes[name]), places[name])
        bfloat16 = _kind(tensor) in _BFLOAT16
        arrays[name] = from_bfloat16(array) if bfloat16 else array.astype(array.dtype.newbyteorder("="), copy=False)
    return arrays, beside


def _dtype(tensor: StoredTensor | Other, where: str) -> np.dtype:
    """The type of a tensor's numbers, of a shape that an array can have."""
    if isinstance(tensor, Other):
        raise UnsupportedError(f"{where}: expected a dense tensor, found {tensor.name}")
    if (kind := _kind(tensor)) not in _DTYPES:
        raise UnsupportedError(f"{where}: expected numbers of weights, found {shown(kind)}")
    check_shape(tensor.shape, where)
    return np.dtype(_DTYPES[kind])


def _kind(tensor: StoredTensor) -> str:
    return tensor.storage.kind if tensor.dtype is None else tensor.dtype


def _view(tensor: StoredTensor, numbers: np.ndarray, where: str) -> np.ndarray:
    """The tensor's part of a storage, no copy."""
    sizes = list(zip(tensor.shape, tensor.strides, strict=True))
    if 0 in tensor.shape:
        return np.zeros(tensor.shape, numbers.dtype)
    end = tensor.offset + sum((size - 1) * stride for size, stride in sizes) + 1
    stored = tensor.storage.size // (1 if tensor.dtype is None else numbers.itemsize)
    if end > stored:
        raise SpecError(f"{where}: damaged: it leaves its storage; copy the file again")
    if tensor.storage.start + stored > numbers.size:
        raise SpecError(f"{where}: damaged: its numbers are cut off; copy the file again")
    strides = [stride * numbers.itemsize if size > 1 else 0 for size, stride in sizes]
    first = tensor.storage.start + tensor.offset
    return np.lib.stride_tricks.as_strided(numbers[first:], tensor.shape, strides, writeable=False)


def _unwrapped(found: Any, every: bool, path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The state dict among what was saved, and the rest with reasons."""
    if _is_state_dict(found):
        return _tensors("", found)
    if not isinstance(found, dict):
        raise SpecError(f"{path}: {_whole(found, path)}")
    inside = _inside(found)
    if not inside:
        raise SpecError(f"{path}: no state dict in it: {_some(found)}; save module.state_dict()")
    chosen = [key for key in inside if len(inside) == 1 or key.rpartition(".")[2] in _WRAPPERS]
    if len(chosen) != 1 and not every:
        raise SpecError(f"{path}: several state dicts: {some(list(inside))}; take one with --part")
    if every:
        chosen = list(inside)
    beside = {key: _reason(key, value, inside) for key, value in _beside(found, chosen).items()}
    tensors: dict[str, Any] = {}
    for key in chosen:
        each, none = _tensors("" if len(chosen) == 1 else f"{key}.", inside[key])
        tensors, beside = tensors | each, beside | none
    return tensors, beside


def _tensors(prefix: str, state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What a state dict holds, and what in it is no tensor, with the reason."""
    tensors = {f"{prefix}{name}": value for name, value in state.items() if _is_tensor(value)}
    return tensors, {f"{prefix}{name}": "not weights: no tensor" for name, v in state.items() if not _is_tensor(v)}


def _whole(found: Any, path: Path) -> str:
    """What was saved that is no dict."""
    if isinstance(found, Name | Other) and not _is_tensor(found):
        line = f"torch.save(torch.load({path.name!r}, weights_only=False).state_dict(), 'weights.pt')"
        fix = f"save module.state_dict(): {line}, where you trust the file"
        return f"a pickle with {shown(found.name.removeprefix('builtins.'))}, code that is never run; {fix}"
    kind = "Tensor" if isinstance(found, StoredTensor) else type(found).__name__
    return f"expected a state dict, found {kind}; save module.state_dict()"


def _some(found: dict[Any, Any]) -> str:
    """What a dict holds, with the names of objects."""
    objects = {key: f" ({shown(value.name)})" for key, value in found.items() if isinstance(value, Other)}
    return some([f"{shown(str(key))}{objects.get(key, '')}" for key in found])


def _inside(found: dict[Any, Any]) -> dict[str, dict[str, Any]]:
    """The state dicts in a checkpoint, by their keys joined by "."; those further inside, if there is none before."""
    level, seen = {str(key): value for key, value in found.items()}, {id(found)}
    for _ in range(limits.NESTED_STATES):
        nests: dict[str, dict[Any, Any]] = {}
        for key, value in level.items():
            if isinstance(value, dict) and id(value) not in seen:
                seen.add(id(value))  # a pickle can hold one dict in many places
                nests[key] = value
        if states := {key: nest for key, nest in nests.items() if _is_state_dict(nest)}:
            return states
        inside = {key: nest for key, nest in nests.items() if not _is_optimizer(key)}
        level = {f"{key}.{inner}": value for key, nest in inside.items() for inner, value in nest.items()}
    return {}


def _beside(found: dict[Any, Any], chosen: list[str]) -> dict[str, Any]:
    """All that is not in the chosen state dicts, by its keys joined by "."."""
    beside: dict[str, Any] = {}
    for key, value in found.items():
        name = str(key)
        within = [each.removeprefix(f"{name}.") for each in chosen if each.startswith(f"{name}.")]
        if within and isinstance(value, dict):
            beside |= {f"{name}.{inner}": v for inner, v in _beside(value, within).items()}
        elif name not in chosen:
            beside[name] = value
    return beside


def _is_state_dict(value: Any) -> bool:
    """Tensors by name, and nothing else but what `get_extra_state` gave."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        return False
    tensors = [_is_tensor(item) for key, item in value.items() if key.rpartition(".")[2] != "_extra_state"]
    return bool(tensors) and all(tensors)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, StoredTensor | StoredArray) or (isinstance(value, Other) and value.is_tensor)


def _is_optimizer(key: str) -> bool:
    return "optim" in key


def _reason(key: str, value: Any, inside: dict[str, Any]) -> str:
    if key in inside:
        return "another state dict; take it with --part"
    return "not weights: " + ("the optimizer's state" if _is_optimizer(key) else "beside the state dict")
