"""How queries read a memory, in JAX."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnspec.backends.jax.sequences import steps
from rnnspec.ops import LOW
from rnnspec.valid import Valid

CONFIG: Any = jax.config  # which declares no attributes


def products(query: Array, keys: Array) -> Array:
    """`Ops.products`."""
    return jnp.einsum("...f,...sf->...s" if query.ndim == 2 else "btf,bsf->bts", query, keys, precision=_precision())


def additive(query: Array, keys: Array, scale: Array) -> Array:
    """`Ops.additive`."""
    keys = keys if query.ndim == 2 else keys[:, None]
    return jnp.matmul(jnp.tanh(query[..., None, :] + keys), scale, precision=_precision())


def attend(scores: Array, values: Array, valid: Valid) -> Array:
    """`Ops.attend`."""
    if not values.shape[1]:
        return jnp.zeros((*scores.shape[:-1], values.shape[-1]), values.dtype)
    mask, _ = steps(valid, values, False)
    if mask is not None:
        mask = mask if scores.ndim == 2 else mask[:, None]
        scores = jnp.where(mask, scores, LOW)
    weights = jax.nn.softmax(scores)
    weights = weights if mask is None else weights * mask
    return jnp.einsum("bs,bsf->bf" if scores.ndim == 2 else "bts,bsf->btf", weights, values, precision=_precision())


def _precision() -> str | None:
    # As of `JaxOps.linear`: the default on a GPU or TPU rounds float32 to fewer bits.
    return None if CONFIG.jax_default_matmul_precision else "highest"
