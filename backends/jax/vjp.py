"""Gradients by name, for whoever does not write a training loop (CONF-4)."""

from collections.abc import Mapping

import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from rnnspec import inputs
from rnnspec.backends.jax.module import Net


def vjp(
    net: Net,
    cotangents: Mapping,
    x: ArrayLike | Mapping[str, ArrayLike],
    lengths: ArrayLike | Mapping[str, ArrayLike] | None = None,
    mask: ArrayLike | Mapping[str, ArrayLike] | None = None,
    state: Mapping[str, ArrayLike] | None = None,
    reset: ArrayLike | Mapping[str, ArrayLike] | None = None,
    training: bool = False,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The results, y and final states by name, and the gradients of Σ cotangent ⊙ result over all results.

    Gradients are with respect to every weight, x (or each input by name) where it is floating, and every given state,
    by name.

    Args:
        cotangents: result name → array of its shape; a result without one counts as 0.
        training: whether the call draws noise.
    """
    given = x if isinstance(x, Mapping) else {"x": x}
    counts = {name for name, value in given.items() if np.asarray(value).dtype.kind != "f"}
    pulled = {name: inputs.numbers(value, name).astype(net.dtype) for name, value in cotangents.items()}
    results, gradients = net.pull(pulled, x, lengths, mask, state, reset, training)
    return results, {name: gradient for name, gradient in gradients.items() if name not in counts}
