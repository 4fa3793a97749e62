"""`rnnspec.ops.Ops` in JAX."""

import copy
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from rnnspec import scores
from rnnspec.backends.jax import attention, sequences, windows
from rnnspec.backends.jax.noise import Noise
from rnnspec.backends.jax.unroll import unroll
from rnnspec.layers import Recurrent
from rnnspec.ops import States
from rnnspec.valid import Valid

CONFIG: Any = jax.config  # which declares no attributes


class JaxOps:
    """One call's operations; `noise` is for training."""

    def __init__(self, noise: Noise | None = None) -> None:
        self.training = noise is not None
        self._noise = noise
        self._place = ""
        self._t = jnp.zeros((), "uint32")

    def at(self, place: str) -> Self:
        inner = copy.copy(self)
        inner._place = f"{self._place}.{place}" if place else self._place
        return inner

    def when(self, t: Array) -> Self:
        """Operations for step t of the loop."""
        inner = copy.copy(self)
        inner._t = t
        return inner

    sigmoid = staticmethod(jax.nn.sigmoid)
    tanh = staticmethod(jnp.tanh)
    relu = staticmethod(jax.nn.relu)
    exp = staticmethod(jnp.exp)
    sqrt = staticmethod(jnp.sqrt)
    erf = staticmethod(jax.scipy.special.erf)
    softplus = staticmethod(jax.nn.softplus)
    greater = staticmethod(jnp.greater)
    softmax = staticmethod(jax.nn.softmax)
    log_softmax = staticmethod(jax.nn.log_softmax)
    flat = staticmethod(jnp.ravel)

    def clip(self, x: Array, low: float, high: float) -> Array:
        # jnp.clip has the slope 1/2 on a border: GRAD-3.
        return jnp.where((x >= low) & (x <= high), x, lax.stop_gradient(jnp.clip(x, low, high)))

    def where(self, condition: Array, x: Array, otherwise: Array) -> Array:
        return jnp.where(condition, x, otherwise)

    def linear(self, x: Array, kernel: Array, bias: Array | None = None) -> Array:
        # JAX's default on a GPU or TPU rounds float32 to fewer bits; jax.default_matmul_precision has the last word.
        precision = None if CONFIG.jax_default_matmul_precision else "highest"
        y = jnp.matmul(x, kernel.reshape(-1, kernel.shape[-1]).T, precision=precision)
        return y if bias is None else y + bias.ravel()

    def split(self, x: Array, parts: int | tuple[int, ...]) -> tuple[Array, ...]:
        return tuple(jnp.split(x, parts if isinstance(parts, int) else np.cumsum(parts)[:-1], -1))

    def concat(self, parts: list[Array]) -> Array:
        return jnp.concatenate(parts, -1)

    def take(self, table: Array, ids: Array) -> Array:
        # A traced id cannot be refused: beyond the table, on either side, it gives NaN, and neither wraps nor clamps.
        return jnp.asarray(table).at[ids].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)

    def zeros(self, x: Array, size: int) -> Array:
        return jnp.zeros((*x.shape[:-1], size), x.dtype)

    def layer_norm(self, x: Array, gamma: Array, beta: Array | None, epsilon: float, groups: int) -> Array:
        a = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
        a = a - a.mean(-1, keepdims=True)
        a = a / jnp.sqrt((a * a).mean(-1, keepdims=True) + epsilon)
        y = a.reshape(x.shape) * gamma.ravel()
        return y if beta is None else y + beta.ravel()

    def noise(self, x: Array, size: int, rate: float, place: str, per: str) -> Array | None:
        if self._noise is None or not rate:
            return None
        if x.ndim == 2:
            return self._kept(self._t[None], x.shape[0], size, rate, place, per)[0].astype(x.dtype)
        kept = self._kept(jnp.arange(x.shape[0]), x.shape[1], size, rate, place, per).astype(x.dtype)
        return jnp.broadcast_to(kept, (*x.shape[:2], size))

    def dropout(self, x: Array, rate: float, place: str = "", per: str = "step") -> Array:
        if self._noise is None or not rate:
            return x
        t = self._t[None] if x.ndim == 2 else jnp.arange(x.shape[1])
        kept = self._kept(t, x.shape[0], x.shape[-1], rate, place, per)
        return x * (kept[0] if x.ndim == 2 else kept.swapaxes(0, 1)) * (1 / (1 - rate))

    def _kept(self, t: Array, batch: int, size: int, rate: float, place: str, per: str) -> Array:
        """Booleans (steps, batch, size), or (1, batch, size) with `per` "sequence"."""
        assert self._noise is not None
        t = t if per == "step" else jnp.zeros(1, "uint32")
        return self._noise.kept(f"{self._place}.{place}", rate, t, batch, size)

    def recurrent(
        self, layer: Recurrent, p: dict[str, Array], x: Array, valid: Valid, state: States
    ) -> tuple[list[Array], States]:
        return layer.unroll(self, p, sequences.masked(x, valid), valid, state)

    def recurrent_step(self, layer: Recurrent, p: dict[str, Array], x: Array, state: States) -> tuple[Array, States]:
        return layer.cell_step(self, p, x, state)

    unroll = unroll
    masked = staticmethod(sequences.masked)
    unpadded = staticmethod(sequences.unpadded)
    hold = staticmethod(sequences.hold)
    last = staticmethod(sequences.last)
    flip = staticmethod(sequences.flip)
    repeat = staticmethod(sequences.repeat)
    counted = staticmethod(sequences.counted)
    total = staticmethod(sequences.total)
    largest = staticmethod(sequences.largest)
    taps = staticmethod(windows.taps)
    convolve = staticmethod(windows.convolve)
    windows = staticmethod(windows.windows)
    products = staticmethod(attention.products)
    additive = staticmethod(attention.additive)
    attend = staticmethod(attention.attend)

    def heads(self, query: Array, keys: Array, values: Array, valid: Valid, count: int, scale: float) -> Array:
        return scores.heads(self, query, keys, values, valid, count, scale)
