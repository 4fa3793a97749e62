"""Tensors of live modules as arrays."""

from typing import Any

import numpy as np

from rnnspec.errors import UnsupportedError


def to_numpy(tensor: Any, where: str) -> np.ndarray:
    """A tensor as an array; bfloat16 in float32.

    Raises:
        UnsupportedError: it is sparse, quantised or without data.
    """
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise UnsupportedError(f"{where}: expected a dense tensor, found {tensor.layout}, {tensor.dtype}")
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).resolve_conj().resolve_neg().numpy()
