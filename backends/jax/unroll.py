"""The time loop."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from rnnspec.backends.jax.sequences import steps
from rnnspec.cells import Cell
from rnnspec.ops import Parameters, States
from rnnspec.valid import Valid


def _varying(state: States, beside: Any) -> States:
    """The states as `shard_map` wants them before a loop: different on each device where anything beside them is."""
    axes = frozenset[Any]().union(*map(_axes, jax.tree.leaves(beside)))
    lacking = {name: tuple(axes - _axes(value)) for name, value in state.items()}
    return {name: lax.pcast(v, lacking[name], to="varying") if lacking[name] else v for name, v in state.items()}


def _axes(value: Array) -> frozenset[Any]:
    """The axes of `shard_map` along which the devices hold different values."""
    kind = jax.typeof(value)
    return kind.manual_axis_type.varying if hasattr(kind, "manual_axis_type") else kind.vma  # before JAX 0.10


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

    state = _varying(state, (state, start, prepared, projected, mask, begins))
    new, y = lax.scan(step, state, (jnp.arange(x.shape[1]), projected, mask, begins), reverse=reverse)
    return y.swapaxes(0, 1), new
