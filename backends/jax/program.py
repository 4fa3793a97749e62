"""The network as functions of arrays alone, compiled once for all networks of one architecture."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

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
        """Whole sequences: parameters, x and which steps count by input, states or None, noise or None → outputs, final
        states."""
        return jax.jit(self._sequence)

    @cached_property
    def step(self) -> Callable[..., Any]:
        """One time step: parameters, x_t by input, states or None, which steps count of the others → output,
        states."""
        return jax.jit(self._step)

    @cached_property
    def pull(self) -> Callable[..., Any]:
        """As `sequence`, and cotangents → results and gradients by name."""
        return jax.jit(self._pull)

    def _sequence(self, parameters: States, x: States, valid: dict[str, Valid], state: States | None, noise: Any):
        x = {name: self._turned(name, value) for name, value in x.items()}
        p = self._by_layer(parameters)
        state = self._start(p, x) if state is None else state
        ops = JaxOps(None if noise is None else Noise(noise, self.seed))
        y, new = self.model.apply(ops, p, x, valid, state)
        return self.model.each(self._turned, y), new

    def _pull(
        self,
        parameters: States,
        x: States,
        valid: dict[str, Valid],
        state: States | None,
        noise: Any,
        cotangents: States,
    ):
        """Results, and the gradients of Σ cotangent ⊙ result: of the parameters, features and given states."""

        def results(parameters: dict[str, Array], floating: dict[str, Array], state: States | None):
            y, new = self._sequence(parameters, x | floating, valid, state, noise)
            return {**self.model.named(y), **new}

        floating = {name: value for name, value in x.items() if self.model.given[name].features is not None}
        found, pull = jax.vjp(results, parameters, floating, state)
        inputs.check_cotangents(*({name: a.shape for name, a in arrays.items()} for arrays in (found, cotangents)))
        parts = pull({name: cotangents.get(name, jnp.zeros_like(result)) for name, result in found.items()})
        every = {name: gradient for part in parts for name, gradient in (part or {}).items()}
        return found, {name: gradient for name, gradient in every.items() if name not in self.model.fixed}

    def _step(self, parameters: States, x_t: States, state: States | None, valid: dict[str, Valid]):
        p = self._by_layer(parameters)
        stepped = self.model.stepped
        x_t = {name: value if name in stepped else self._turned(name, value) for name, value in x_t.items()}
        return self.model.step(JaxOps(), p, x_t, self._start(p, x_t) if state is None else state, valid)

    def _by_layer(self, parameters: States) -> ByLayer:
        """The parameters, statistics without a gradient (NORMALISE-3)."""
        fixed = self.model.fixed
        return self.model.by_layer({n: lax.stop_gradient(v) if n in fixed else v for n, v in parameters.items()})

    def _start(self, p: ByLayer, x: States) -> States:
        batch = len(next(iter(x.values())))
        zeros = {name: jnp.zeros((batch, size), self.dtype) for name, size in self.sizes.items()}
        return self.model.start(JaxOps(), p, zeros)

    def _turned(self, name: str, y: Array) -> Array:
        """An input or output with time and batch exchanged, where time comes first."""
        return y.swapaxes(0, 1) if self.time_major and name in self.model.sequences else y


@lru_cache(_KEPT)
def program(model: Model, dtype: str, time_major: bool, seed: int | None) -> Program:
    """The one program for these: a network that is loaded again is not compiled again, and leaves nothing behind."""
    return Program(model, dtype, time_major, seed)
