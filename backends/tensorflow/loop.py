"""The generic time loop: the cell's `step`, step after step, under TensorFlow's own gradient."""

from typing import Any

import tensorflow as tf

from rnnspec.backends.tensorflow.noise import Where
from rnnspec.backends.tensorflow.scan import scan
from rnnspec.cells import Cell
from rnnspec.ops import Parameters, Projected, States, leaves, nest_like


def loop(
    ops: Any,
    cell: Cell,
    p: Parameters,
    projected: Projected,
    outputs: int,
    state: States,
    start: States,
    mask: tf.Tensor | None,
    begins: tf.Tensor | None,
    reverse: bool,
) -> tuple[tf.Tensor, States]:
    """projected (time, batch, …), mask and begins (time, batch) → outputs (time, batch, outputs), final states."""
    names = list(state)
    z, flags = leaves(projected), [[] if m is None else [m[..., None]] for m in (mask, begins)]
    batch = z[0].shape[1] or tf.shape(z[0])[1]
    rows, steps = (tf.range(tf.shape(z[0], tf.int64)[k])[:, None] for k in (1, 0))
    clock = [steps] if ops.training else []  # for noise that a step draws itself
    structure = (clock, z, flags)

    def step(inputs, states):
        t, z_t, (valid, begin) = tf.nest.pack_sequence_as(structure, inputs)
        at = ops.when(Where(rows, t[0][None], loop=True)) if t else ops
        if begin:
            states = [tf.where(begin[0], start[name], old) for name, old in zip(names, states, strict=True)]
        y, new = cell.step(at, p, nest_like(projected, iter(z_t)), dict(zip(names, states, strict=True)))
        if not valid:
            return [new[name] for name in names], [y]
        kept = [tf.where(valid[0], new[name], old) for name, old in zip(names, states, strict=True)]
        return kept, [tf.where(valid[0], y, tf.zeros((), y.dtype))]

    zeros = [tf.zeros((batch, outputs), z[0].dtype)]
    (ys,), last = scan(step, tf.nest.flatten(structure), list(state.values()), zeros, reverse, views=False)
    return ys, dict(zip(names, last, strict=True))
