"""Weights that a state dict holds in pieces, folded into what the module computes with at inference."""

from collections.abc import Mapping

import numpy as np

from rnnspec.conventions.torch import PIECES
from rnnspec.convert.request import Request

_ENDS = {end for ends in PIECES for end in ends if end.startswith("_")}
_INSIDE = ".parametrizations."
_RAW = "_raw"  # of a recurrent weight, beside that of the input, or around the module that has it


def folded(arrays: Mapping[str, np.ndarray], request: Request) -> dict[str, np.ndarray]:
    """The arrays with plain weights where the first of their pieces stands, and a note for each kind.

    `weight_norm` and `spectral_norm`, by the names of both of torch's ways; pruning; and weight drop, whose
    `weight_hh_l0_raw` is the weight at inference. Pieces that make no weight stay as they are.

        fc.weight_g, fc.weight_v  → fc.weight
        fc.parametrizations.weight.original, .0._u, .0._v  → fc.weight
    """
    made: dict[str, tuple[str, np.ndarray]] = {}  # the piece in whose place it stands → its name, itself
    gone: set[str] = set()
    for name, pieces in _groups(arrays).items():
        for ends, (kind, function) in PIECES.items():
            given = [arrays[pieces[end]] for end in ends] if pieces.keys() == set(ends) and name not in arrays else []
            weight = function(*given) if given and all(array.dtype.kind == "f" for array in given) else None
            if weight is not None:
                request.note(f"{kind} is folded into a plain weight, as at inference", name)
                made[pieces[ends[0]]] = name, weight
                gone |= set(pieces.values())
    for raw in [name for name in arrays if name.endswith(_RAW)]:
        if (plain := _dropped(arrays, raw)) is not None:
            left = ", and not what training left beside it" if plain in arrays else ""
            request.note(f"weight drop: at inference the weight is the raw one{left}", plain)
            made[raw] = plain, arrays[raw]
            gone |= {raw, plain}
    pairs = [made.get(key, (key, array)) for key, array in arrays.items() if key in made or key not in gone]
    return dict(pairs)


def _groups(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, str]]:
    """Weight → what stands behind its name in its pieces → the names of these."""
    found: dict[str, dict[str, str]] = {}
    for name in arrays:
        scope, inside, rest = f".{name}".partition(_INSIDE)
        if inside:
            leaf, _, end = rest.partition(".")
            weight = f"{scope}.{leaf}"[1:]
        else:
            weight, sign, end = name.rpartition("_")
            end = sign + end
            if end not in _ENDS or "weight" not in weight.rpartition(".")[2]:
                continue
        found.setdefault(weight, {})[end] = name
    return found


def _dropped(arrays: Mapping[str, np.ndarray], raw: str) -> str | None:
    """The weight of the recurrence that weight drop hides behind its raw one."""
    scope, dot, leaf = raw.removesuffix(_RAW).rpartition(".")
    for inner in (f"{scope}{dot}", f"{scope}{dot}module."):
        if leaf.startswith("weight_hh") and f"{inner}{leaf.replace('_hh', '_ih', 1)}" in arrays:
            return f"{inner}{leaf}"
    return None
