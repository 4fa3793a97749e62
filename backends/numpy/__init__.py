"""The reference as a backend: plain NumPy, in float32 or float64. `rnnspec.reference` has the code."""

import os

from rnnspec.checkpoint import Checkpoint, as_checkpoint
from rnnspec.reference import Net

__all__ = ["Net", "checkpoint", "load"]


def load(
    source: Checkpoint | str | os.PathLike,
    *,
    dtype: str = "float32",
    time_major: bool = False,
    allow_nonfinite: bool = False,
) -> Net:
    """A callable network from a model file or a checkpoint."""
    return Net(as_checkpoint(source, allow_nonfinite), dtype, time_major)


def checkpoint(net: Net) -> Checkpoint:
    """The network's weights in its dtype."""
    return net.checkpoint.copy(net.dtype)
