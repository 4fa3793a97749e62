"""How well keys answer a query: what attention weighs a memory by (ATTENTION-1)."""

from typing import Literal

from rnnspec.ops import Array, Ops

Score = Literal["dot", "scaled", "general", "additive"]


def answers(ops: Ops, score: Score, query: Array, keys: Array, scale: Array | None) -> Array:
    """How keys (batch, steps, features) answer a query (batch, [time,] features) → (batch, [time,] steps).

    `scale`: (features,) for `additive`, else None. The product of `general` is done before, on the keys.
    """
    if score == "additive":
        return ops.additive(query, keys, scale)
    found = ops.products(query, keys)
    return found * query.shape[-1] ** -0.5 if score == "scaled" else found
