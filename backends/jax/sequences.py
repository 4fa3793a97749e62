"""What is done to whole sequences (batch, time, features) with some steps invalid, without a loop over time."""

import jax.numpy as jnp
from jax import Array, lax

from rnnspec.ops import LOW
from rnnspec.valid import Valid


def steps(valid: Valid, x: Array, reverse: bool) -> tuple[Array | None, Array | None]:
    """Two booleans (batch, time) for x (batch, time, …): whether the step is valid, None where all are, and whether a
    sequence begins there in the order of visits, None where there is no reset.

    Visited backward, it is the step before a reset that begins anew (UNROLL-12).
    """
    mask, begins = valid.mask, valid.reset
    if valid.lengths is not None:
        mask = jnp.arange(x.shape[1]) < valid.lengths[:, None]
    if begins is not None and reverse:
        begins = jnp.pad(begins, ((0, 0), (0, 1)))[:, 1:]
    return mask, begins


def masked(x: Array, valid: Valid) -> Array:
    """x, 0 at invalid steps."""
    mask, _ = steps(valid, x, False)
    return x if mask is None else jnp.where(mask[..., None], x, 0)


def unpadded(x: Array, padding: float, valid: Valid) -> Valid:
    """Without the steps of x whose features, or id, all equal `padding` (MODEL-5)."""
    given, _ = steps(valid, x, False)
    mask = x != padding if x.ndim == 2 else (x != padding).any(-1)
    return Valid(mask=mask if given is None else mask & given, reset=valid.reset)


def hold(y: Array, valid: Valid, reverse: bool) -> Array:
    """At invalid steps the output of the step before them in the order of visits that is valid, or begins a sequence;
    outputs at invalid steps are 0 (UNROLL-9)."""
    mask, begins = steps(valid, y, reverse)
    if mask is None or not y.shape[1]:
        return y
    counts = mask if begins is None else mask | begins
    if reverse:
        y, counts = y[:, ::-1], counts[:, ::-1]
    index = lax.cummax(jnp.where(counts, jnp.arange(y.shape[1]), -1), axis=1)[..., None]
    held = jnp.where(index >= 0, jnp.take_along_axis(y, jnp.maximum(index, 0), 1), 0)
    return held[:, ::-1] if reverse else held


def last(y: Array, valid: Valid, reverse: bool) -> Array:
    """The held output (batch, outputs) of the last step visited, 0 if there is none (UNROLL-7)."""
    if not y.shape[1]:
        return jnp.zeros((y.shape[0], y.shape[2]), y.dtype)
    return hold(y, valid, reverse)[:, 0 if reverse else -1]


def flip(y: Array) -> Array:
    """The time axis reversed (UNROLL-10)."""
    return y[:, ::-1]


def repeat(x: Array, along: Array | int) -> Array:
    """`Ops.repeat`."""
    count = along if isinstance(along, int) else along.shape[1]
    return jnp.broadcast_to(x[:, None], (x.shape[0], count, x.shape[1]))


def counted(x: Array, valid: Valid) -> Array:
    """`Ops.counted`."""
    mask, _ = steps(valid, x, False)
    return jnp.ones((*x.shape[:2], 1), x.dtype) if mask is None else mask[..., None].astype(x.dtype)


def total(x: Array) -> Array:
    """`Ops.total`."""
    return x.sum(1)


def largest(x: Array, valid: Valid) -> Array:
    """`Ops.largest`."""
    if not x.shape[1]:
        return jnp.zeros((x.shape[0], x.shape[-1]), x.dtype)
    mask, _ = steps(valid, x, False)
    if mask is None:
        return x.max(1)
    return jnp.where(mask.any(1)[:, None], jnp.where(mask[..., None], x, LOW).max(1), 0)
