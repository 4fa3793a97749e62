"""How well keys answer a query: what attention weighs a memory by (ATTENTION-1)."""

from typing import Literal

from rnnspec.ops import Array, Ops
from rnnspec.valid import Valid

Score = Literal["dot", "scaled", "general", "additive"]


def answers(ops: Ops, score: Score, query: Array, keys: Array, scale: Array | None) -> Array:
    """How keys (batch, steps, features) answer a query (batch, [time,] features) → (batch, [time,] steps).

    `scale`: (features,) for `additive`, else None. The product of `general` is done before, on the keys.
    """
    if score == "additive":
        return ops.additive(query, keys, scale)
    found = ops.products(query, keys)
    return found * query.shape[-1] ** -0.5 if score == "scaled" else found


def heads(ops: Ops, query: Array, keys: Array, values: Array, valid: Valid, count: int, scale: float) -> Array:
    """`Ops.heads`, one after the other: of backends that have nothing of their own for it."""
    parts = (ops.split(part, count) for part in (query, keys, values))
    found = []
    for q, k, v in zip(*parts, strict=True):
        product = ops.products(q, k)
        found.append(ops.attend(product if scale == 1 else product * scale, v, valid))
    return found[0] if count == 1 else ops.concat(found)
