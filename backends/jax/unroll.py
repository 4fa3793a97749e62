"""The time loop."""

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from rnnspec.backends.jax.sequences import steps
from rnnspec.cells import Cell
from rnnspec.ops import Parameters, States
from rnnspec.valid import Valid


def unroll(
    ops: Any, cell: Cell, p: Parameters, x: Array, valid: Valid, state: States, start: States, reverse: bool
) -> tuple[Array, States]:
    """UNROLL-1 to UNROLL-6, UNROLL-12, as `lax.scan`: x (batch, time, inputs) → outputs, final states."""
    flags = steps(valid, x, reverse)
    mask, begins = (None if flag is None else jnp.asarray(flag).T[..., None] for flag in flags)
    prepared = cell.prepare(ops, p)
    projected = cell.project(ops, prepared, x.swapaxes(0, 1))

    def step(state: States, given) -> tuple[States, Array]:
        t, z, keep, begin = given
        if begin is not None:
            state = {name: jnp.where(begin, start[name], old) for name, old in state.items()}
        y, new = cell.step(ops.when(t), prepared, z, state)
        if keep is None:
            return {name: new[name] for name in state}, y
        return {name: jnp.where(keep, new[name], old) for name, old in state.items()}, jnp.where(keep, y, 0)

    new, y = lax.scan(step, state, (jnp.arange(x.shape[1]), projected, mask, begins), reverse=reverse)
    return y.swapaxes(0, 1), new
