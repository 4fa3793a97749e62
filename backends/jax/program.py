"""The network as functions of arrays alone, compiled once for all networks of one architecture."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnspec import inputs
from rnnspec.backends.jax.noise import Noise
from rnnspec.backends.jax.ops import JaxOps
from rnnspec.model import ByLayer, Model
from rnnspec.ops import States
from rnnspec.valid import Valid

_KEPT = 64  # architectures whose compiled functions stay for the next network


class Program:
    """What a network computes from parameters and checked arguments; it holds no arrays."""

    def __init__(self, model: Model, dtype: str, time_major: bool, seed: int | None) -> None:
        self.model = model
        self.dtype = dtype
        self.time_major = time_major
        self.seed = seed
        self.sizes = model.states()

    @cached_property
    def sequence(self) -> Callable[..., Any]:
        """Whole sequences: parameters, x, which steps count, states or None, noise or None → outputs, final states."""
        return jax.jit(self._sequence)

    @cached_property
    def step(self) -> Callable[..., Any]:
        """One time step: parameters, x_t, states or None → output, states."""
        return jax.jit(self._step)

    @cached_property
    def pull(self) -> Callable[..., Any]:
        """As `sequence`, and cotangents → results and gradients by name."""
        return jax.jit(self._pull)

    def _sequence(self, parameters: dict[str, Array], x: Array, valid: Valid, state: States | None, noise: Any):
        x = x.swapaxes(0, 1) if self.time_major else x
        p = self.model.by_layer(parameters)
        state = self._start(p, x.shape[0]) if state is None else state
        ops = JaxOps(None if noise is None else Noise(noise, self.seed))
        y, new = self.model.apply(ops, p, x, valid, state)
        return jax.tree.map(self._turned, y), new

    def _pull(
        self, parameters: dict[str, Array], x: Array, valid: Valid, state: States | None, noise: Any, cotangents: States
    ):
        """Results, and the gradients of Σ cotangent ⊙ result: of the parameters, features and given states."""

        def results(parameters: dict[str, Array], floating: dict[str, Array], state: States | None):
            y, new = self._sequence(parameters, floating.get("x", x), valid, state, noise)
            return {**self.model.named(y), **new}

        floating = {} if self.model.inputs is None else {"x": x}
        found, pull = jax.vjp(results, parameters, floating, state)
        inputs.check_cotangents(*({name: a.shape for name, a in arrays.items()} for arrays in (found, cotangents)))
        parts = pull({name: cotangents.get(name, jnp.zeros_like(result)) for name, result in found.items()})
        return found, {name: gradient for part in parts for name, gradient in (part or {}).items()}

    def _step(self, parameters: dict[str, Array], x_t: Array, state: States | None):
        p = self.model.by_layer(parameters)
        return self.model.step(JaxOps(), p, x_t, self._start(p, x_t.shape[0]) if state is None else state)

    def _start(self, p: ByLayer, batch: int) -> States:
        zeros = {name: jnp.zeros((batch, size), self.dtype) for name, size in self.sizes.items()}
        return self.model.start(JaxOps(), p, zeros)

    def _turned(self, y: Array) -> Array:
        return y.swapaxes(0, 1) if self.time_major and y.ndim == 3 else y


@lru_cache(_KEPT)
def program(model: Model, dtype: str, time_major: bool, seed: int | None) -> Program:
    """The one program for these: a network that is loaded again is not compiled again, and leaves nothing behind."""
    return Program(model, dtype, time_major, seed)
