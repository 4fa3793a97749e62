"""Gradients by name, for whoever does not write a training loop (CONF-4)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnspec.backends.jax.module import Net


def vjp(
    net: Net, cotangents: Mapping, x, lengths=None, mask=None, state: Mapping | None = None, reset=None, training=False
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The results, y and final states by name, and the gradients of Σ cotangent ⊙ result over all results.

    Gradients are with respect to every weight, x where it is floating, and every given state, by name.

    Args:
        cotangents: result name → array of its shape; a result without one counts as 0.
        training: whether the call draws noise.
    """
    noise = net.noise() if training else None
    with net.precise():
        x = np.asarray(x)
        start = {name: jnp.asarray(value, net.dtype) for name, value in (state or {}).items()}
        arguments = net.parameters | start | ({"x": jnp.asarray(x, net.dtype)} if x.dtype.kind == "f" else {})

        def results(arguments: dict[str, Array]) -> dict[str, Array]:
            parameters = {name: arguments[name] for name in net.parameters}
            given = {name: arguments[name] for name in start}
            y, new = net.apply(parameters, arguments.get("x", x), lengths, mask, given or None, reset, noise)
            return {**net.model.named(y), **new}

        @jax.jit
        def both(arguments: dict[str, Array], given: dict[str, Array]):
            found, pull = jax.vjp(results, arguments)
            return found, pull({name: given.get(name, jnp.zeros_like(result)) for name, result in found.items()})[0]

        return both(arguments, {name: jnp.asarray(value, net.dtype) for name, value in cotangents.items()})
