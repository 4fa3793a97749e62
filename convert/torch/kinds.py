"""What stands in a state dict beside what is recurrent, by the names and shapes of its weights."""

from collections.abc import Iterable, Mapping

import numpy as np

_BY_AXES = {3: "Conv1d", 4: "Conv2d", 5: "Conv3d"}


def kinds(names: Iterable[str], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Place → what is there: {"bn": "BatchNorm", "conv": "Conv1d", "h0": "a parameter (1, 6)"}, in order."""
    inside: dict[str, list[str]] = {}
    for name in names:
        inside.setdefault(name.rpartition(".")[0], []).append(name)
    found: dict[str, str] = {}
    for place, each in inside.items():
        kind = _kind({name.rpartition(".")[2]: arrays[name] for name in each}) if place else None
        if kind:
            found[place] = kind
        else:
            found |= {name: f"a parameter {_shown(arrays[name])}" for name in each}
    return found


def _shown(array: np.ndarray) -> str:
    return f"{array.shape}" if array.dtype.kind == "f" else f"{array.shape}, {array.dtype}"


def _kind(leaves: dict[str, np.ndarray]) -> str | None:
    """The class of `torch.nn` that has such parameters and buffers; None for anything else."""
    weight = leaves.get("weight")
    if "running_mean" in leaves or "num_batches_tracked" in leaves:
        return "BatchNorm"
    if "in_proj_weight" in leaves or "q_proj_weight" in leaves:
        return "MultiheadAttention"
    if "transitions" in leaves:
        return "CRF"
    if weight is None or not leaves.keys() <= {"weight", "bias"}:
        return None
    if weight.ndim == 1:
        bias = leaves.get("bias")
        return "PReLU" if weight.size == 1 and bias is None else "LayerNorm, or GroupNorm"
    return _BY_AXES.get(weight.ndim)
