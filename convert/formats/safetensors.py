"""Safetensors files of others, whatever model their tensors belong to."""

from pathlib import Path

import numpy as np

from rnnspec import tensors
from rnnspec.convert.formats.bfloat16 import from_bfloat16


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file by name, without torch.

    Raises:
        SpecError: the file is damaged, or a tensor's dtype is one that no weights have.
    """
    file = tensors.scan(path)
    arrays = sorted(file.read().items())
    return {name: from_bfloat16(a) if file.entries[name].dtype == "BF16" else a for name, a in arrays}
