"""Noise of a training call: the specification's own where the network has a seed, else JAX's (DROP-3)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from rnnspec import philox


@dataclass(frozen=True)
class Noise:
    """What a call draws from: with a `seed`, the number of the call; without one, a `jax.random.key`."""

    source: Array
    seed: int | None

    def kept(self, place: str, rate: float, t: Array, batch: int, size: int) -> Array:
        """Booleans (steps, batch, size), false with probability `rate`, for the steps t (steps,)."""
        key = philox.place_key(place)
        if self.seed is None:
            keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.fold_in(self.source, key), t)
            return jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, (batch, size)))(keys)
        rows, blocks = jnp.arange(batch, dtype="uint32")[:, None], jnp.arange(-(-size // 4), dtype="uint32")
        counter = blocks, rows, t.astype("uint32")[:, None, None], jnp.asarray(self.source, "uint32")
        words = jnp.stack(words32(counter, (self.seed & 0xFFFFFFFF, key)), -1)
        return words.reshape(len(t), batch, -1)[:, :, :size] >= np.uint32(philox.threshold(rate))


def words32(counter: tuple[Array, ...], key: tuple[int, int]) -> tuple[Array, ...]:
    """`philox.philox` on uint32, where arithmetic wraps: JAX has no 64 bits unless it is told to."""

    def round_(_, carry):
        a, b, c, d, k, m = carry
        p, q = _product(a, 0xD2511F53), _product(c, 0xCD9E8D57)
        return q[0] ^ b ^ k, q[1], p[0] ^ d ^ m, p[1], k + np.uint32(0x9E3779B9), m + np.uint32(0xBB67AE85)

    # A loop, since XLA takes seconds to compile ten rounds in a row.
    start = (*jnp.broadcast_arrays(*counter), *(jnp.asarray(half, "uint32") for half in key))
    return lax.fori_loop(0, 10, round_, start)[:4]


def _product(a: Array, b: int) -> tuple[Array, Array]:
    """The high and the low 32 bits of a · b, from products of 16 bits."""
    low, high = np.uint32(b & 0xFFFF), np.uint32(b >> 16)
    a_low, a_high = a & 0xFFFF, a >> 16
    cross, other = a_low * high, a_high * low
    middle = (a_low * low >> 16) + (cross & 0xFFFF) + (other & 0xFFFF)
    return a_high * high + (cross >> 16) + (other >> 16) + (middle >> 16), a * np.uint32(b)
