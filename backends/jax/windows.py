"""Windows over time, in JAX."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from rnnspec.valid import Valid

CONFIG: Any = jax.config  # which declares no attributes


def taps(x: Array, outside: tuple[int, int], width: int, stride: int, dilation: int) -> list[Array]:
    """`Ops.taps`."""
    x = jnp.pad(x, ((0, 0), outside, (0, 0)))
    count = max(0, (x.shape[1] - dilation * (width - 1) - 1) // stride + 1)
    return [x[:, k * dilation : k * dilation + count * stride : stride][:, :count] for k in range(width)]


def windows(valid: Valid, span: int, stride: int) -> Valid:
    """`Ops.windows`."""
    if valid.lengths is not None:
        lengths = jnp.asarray(valid.lengths).astype("int32")  # some integers are not signed
        return Valid(lengths=jnp.maximum(0, (lengths - span) // stride + 1))
    assert valid.mask is not None
    time = valid.mask.shape[1]
    fit = [valid.mask[:, k : max(k, time - span + 1 + k) : stride] for k in range(span)]
    return Valid(mask=jnp.stack(fit).all(0))


def convolve(x: Array, kernel: Array, outside: tuple[int, int], stride: int, dilation: int, groups: int) -> Array:
    """`Ops.convolve`, by XLA's own."""
    if x.shape[1] + sum(outside) < dilation * (kernel.shape[1] - 1) + 1:
        return jnp.zeros((x.shape[0], 0, kernel.shape[0]), x.dtype)
    return lax.conv_general_dilated(
        x,
        kernel.transpose(1, 2, 0),
        (stride,),
        (outside,),
        rhs_dilation=(dilation,),
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=groups,
        precision=None if CONFIG.jax_default_matmul_precision else "highest",
    )
