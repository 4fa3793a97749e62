"""Tensors as arrays: of safetensors files, and of live modules."""

from pathlib import Path

import numpy as np
import safetensors

from rnnspec.errors import SpecError, UnsupportedError

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
