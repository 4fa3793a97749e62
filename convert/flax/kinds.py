"""What stands in a parameter tree beside what is recurrent, by the names and shapes of its variables."""

from collections.abc import Iterable, Mapping

import numpy as np

_CONVOLUTIONS = {3: "Conv over one axis", 4: "Conv over two axes", 5: "Conv over three axes"}
_ATTENTION = ("query", "key", "value", "out")


def kinds(names: Iterable[str], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Place → what is there: {"BatchNorm_0": "BatchNorm", "pos": "a parameter (50, 4)"}, in order."""
    inside: dict[str, dict[str, str]] = {}
    for name in names:
        place, _, leaf = name.rpartition("/")
        above, _, last = place.rpartition("/")
        place, leaf = (above, f"{last}/{leaf}") if above and last in _ATTENTION else (place, leaf)
        inside.setdefault(place, {})[leaf] = name
    found: dict[str, str] = {}
    for place, leaves in inside.items():
        kind = _kind({leaf: arrays[name].shape for leaf, name in leaves.items()}) if place else None
        if kind:
            found[place] = kind
        else:
            found |= {name: f"a parameter {arrays[name].shape}" for name in leaves.values()}
    return found


def _kind(shapes: dict[str, tuple[int, ...]]) -> str | None:
    """The class of Flax that has such variables; None for anything else."""
    if "mean" in shapes and "var" in shapes:
        return "BatchNorm"
    if any("/" in leaf for leaf in shapes):
        return "MultiHeadDotProductAttention"
    if "scale" in shapes and shapes.keys() <= {"scale", "bias"}:
        return "LayerNorm, or GroupNorm"
    return _CONVOLUTIONS.get(len(shapes.get("kernel", ())))
