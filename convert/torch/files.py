"""Tensors as arrays: of safetensors files, and of live modules."""

from pathlib import Path

import numpy as np

from rnnspec import tensors
from rnnspec.errors import UnsupportedError


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file by name, without torch.

    Raises:
        SpecError: the file is damaged, or a tensor's dtype is one that no weights have.
    """
    file = tensors.scan(path)
    arrays = sorted(file.read().items())
    return {name: from_bfloat16(a) if file.entries[name].dtype == "BF16" else a for name, a in arrays}


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """bfloat16, given as 16-bit integers, in float32: it is the upper half of one."""
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
