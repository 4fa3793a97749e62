"""The noise of the specification (DROP-3) in PyTorch."""

import torch
from torch import Tensor

from rnnspec import philox


def kept(
    steps: range, batch: int, size: int, rate: float, key: tuple[int, str], call: int, device: torch.device
) -> Tensor:
    """Booleans (steps, batch, size): which elements are not zeroed, for a seed and a place."""
    t = torch.arange(steps.start, steps.stop, device=device)[:, None, None]
    rows = torch.arange(batch, device=device)[:, None]
    blocks = torch.arange(-(-size // 4), device=device)
    words = philox.philox((blocks, rows, t, call), (key[0], philox.place_key(key[1])))
    word = torch.stack(torch.broadcast_tensors(*words), -1).flatten(-2)[..., :size]
    return word >= philox.threshold(rate)
