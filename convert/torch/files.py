"""State dicts from files: tensors only, never code."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from rnnspec.archives import check_unpacked, open_zip
from rnnspec.convert.request import Request
from rnnspec.errors import SpecError, UnsupportedError

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights")
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2"}
_DTYPES |= {"I8": "i1", "U8": "u1", "BOOL": "?", "U16": "<u2", "U32": "<u4", "U64": "<u8"}


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file by name, without torch.

    Raises:
        SpecError: the file is damaged, or a tensor's dtype is one that no weights have.
    """
    try:
        tensors = safetensors.deserialize(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise SpecError(f"{path}: a damaged safetensors file ({error}); copy it again") from None
    arrays = {}
    for name, tensor in sorted(tensors, key=lambda item: item[0]):
        if tensor["dtype"] not in _DTYPES:
            raise SpecError(f"{path}: tensor {name!r}: dtype {tensor['dtype']} is not one of weights")
        array = np.frombuffer(tensor["data"], _DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
        arrays[name] = from_bfloat16(array) if tensor["dtype"] == "BF16" else array
    return arrays


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """bfloat16, as 16-bit integers, in float32, of which it is the upper half."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def read_pickled(path: Path, request: Request) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The state dict in a file of `torch.save`, zip or legacy → arrays, and what is beside it with the reason.

    A checkpoint may wrap it, with the optimizer and other things beside it; of several state dicts, `request.part`
    names one.

    Raises:
        SpecError: the file is damaged, or holds more than tensors; nothing of it is executed.
        UnsupportedError: torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise UnsupportedError(f"{path}: reading it needs torch: pip install 'rnnspec[torch]'") from None
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    if zipped:
        with open_zip(path) as archive:
            if any(name.endswith("constants.pkl") for name in archive.namelist()):
                raise SpecError(f"{path}: a TorchScript program, which is never run; save module.state_dict()")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise SpecError(f"{path}: {_refused(str(error))}; save module.state_dict()") from None
    except Exception as error:  # whatever torch meets in a damaged file
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise SpecError(f"{path}: torch cannot read it ({reason}); copy it again") from None
    tensors, beside = _unwrapped(found, request, path)
    check_unpacked(sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()), path)
    return {name: to_numpy(tensor, f"{path}: variable {name!r}") for name, tensor in tensors.items()}, beside


def to_numpy(tensor, where: str) -> np.ndarray:
    """A tensor as an array; bfloat16 in float32.

    Raises:
        UnsupportedError: it is sparse, quantised or without data.
    """
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise UnsupportedError(f"{where}: expected a dense tensor, found {tensor.layout}, {tensor.dtype}")
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).resolve_conj().resolve_neg().numpy()


def _refused(message: str) -> str:
    """torch's reason for not unpickling, in a few words."""
    if found := re.search(r"GLOBAL (\S+)", message):
        return f"a pickle with {found[1]}, code that is never run"
    return "a pickle of more than tensors, which is never loaded"


def _unwrapped(found: Any, request: Request, path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The state dict among what was saved, and the rest with reasons."""
    if _is_state_dict(found):
        return dict(found), {}
    if not isinstance(found, Mapping):
        raise SpecError(f"{path}: expected a state dict, found {type(found).__name__}; save module.state_dict()")
    inside = {str(key): value for key, value in found.items() if _is_state_dict(value)}
    if not inside:
        raise SpecError(f"{path}: no state dict in it: {', '.join(map(str, found)) or 'empty'}")
    chosen = [key for key in inside if len(inside) == 1 or key in _WRAPPERS]
    if len(chosen) != 1 and not request.part:
        raise SpecError(f"{path}: several state dicts: {', '.join(inside)}; take one with --part")
    if len(inside) > 1 and request.part:
        chosen = list(inside)
    beside = {str(key): _reason(str(key), value) for key, value in found.items() if str(key) not in chosen}
    if len(chosen) == 1:
        return dict(inside[chosen[0]]), beside
    return {f"{key}.{name}": tensor for key in chosen for name, tensor in inside[key].items()}, beside


def _is_state_dict(value: Any) -> bool:
    import torch

    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(key, str) and isinstance(item, torch.Tensor) for key, item in value.items())
    )


def _reason(key: str, value: Any) -> str:
    if _is_state_dict(value):
        return "another state dict; take it with --part"
    return "not weights: " + ("the optimizer's state" if "optim" in key else "beside the state dict")
