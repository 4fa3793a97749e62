"""bfloat16, which NumPy lacks: the upper half of a float32."""

import numpy as np


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """Numbers given as 16-bit integers, in float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
