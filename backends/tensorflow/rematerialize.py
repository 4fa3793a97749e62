"""The time loop of any cell, with one gradient that works for every cell's `step`."""

import tensorflow as tf

from rnnspec.backends.tensorflow.layout import keep, masked
from rnnspec.backends.tensorflow.noise import Where
from rnnspec.backends.tensorflow.scan import previous, scan
from rnnspec.ops import Parameters, Projected, States, leaves, nest_like

ZERO = tf.UnconnectedGradients.ZERO


def rematerialize(
    ops,
    cell,
    p: Parameters,
    projected: Projected,
    outputs: int,
    state: States,
    start: States,
    mask: tf.Tensor | None,
    begins: tf.Tensor | None,
    reverse: bool,
) -> tuple[tf.Tensor, States]:
    """Projected inputs (time, batch, …), prepared parameters, mask and begins (time, batch) → (time, batch, outputs).

    The forward loop keeps the states only. The backward loop runs each step again and asks for the gradient from state
    to state alone. What it leaves, the gradient of each step's result, then gives the gradients of everything else in
    a single pass over all time · batch rows at once, because a step does not care how many rows it gets.
    """
    names = list(state)
    z, flags = leaves(projected), [[] if m is None else [m[..., None]] for m in (mask, begins)]
    time, batch = (z[0].shape[k] or tf.shape(z[0])[k] for k in range(2))
    rows, steps = (tf.range(tf.shape(z[0], tf.int64)[k])[:, None] for k in (1, 0))
    clock = [steps] if ops.training else []  # for noise that a step draws itself
    # Each tensor once, wherever `prepare` put it: a tape would count the gradient of one that came twice two times.
    refs = [tensor.ref() for tensor in tf.nest.flatten(p)]
    distinct = list(dict.fromkeys(refs))
    parameters_ = [ref.deref() for ref in distinct]
    arguments = (z, [state[name] for name in names], [start[name] for name in names if start], parameters_)

    def step(ops, p, z, flags, states, start):
        """The output and the states after one step, of as many rows as there are."""
        valid, begins = flags
        states = keep([~b for b in begins], states, start) if begins else states
        y, new = cell.step(ops, p, nest_like(projected, iter(z)), dict(zip(names, states, strict=True)))
        return y, keep(valid, [new[name] for name in names], states)

    @tf.custom_gradient
    def run(*arrays):
        z, initial, start, parameters = tf.nest.pack_sequence_as(arguments, arrays)
        by_ref = dict(zip(distinct, parameters, strict=True))
        p_ = tf.nest.pack_sequence_as(p, [by_ref[ref] for ref in refs])
        inside = ops.looped([k for k in parameters if k.shape.rank > 1])

        def once(t, z, flags, states):
            at = inside.when(Where(rows, t[0][None], loop=True)) if t else inside
            return step(at, p_, z, flags, states, start)

        def forward(inputs, states):
            t, z_t, flags_t = tf.nest.pack_sequence_as((clock, z, flags), inputs)
            y, new = once(t, z_t, flags_t, states)
            return new, (y, *new)

        zeros = [tf.zeros((batch, n), z[0].dtype) for n in (outputs, *(s.shape[-1] for s in initial))]
        (ys, *stacked), last = scan(forward, [*clock, *z, *tf.nest.flatten(flags)], initial, zeros, reverse)
        before = [previous(first, s, reverse) for first, s in zip(initial, stacked, strict=True)]

        def gradient(dy, *d_last):
            known = (clock, z, flags, before)

            def back(inputs, d_states):
                dy, *inputs = inputs
                t, z, flags, states = tf.nest.pack_sequence_as(known, inputs)
                with tf.GradientTape() as tape:
                    tape.watch(states)
                    y, new = once(t, z, flags, states)
                return tape.gradient([y, *new], states, [dy, *d_states], ZERO), d_states

            d_new, d_initial = scan(back, [dy, *tf.nest.flatten(known)], d_last, zeros[1:], not reverse)
            everywhere = Where(tf.tile(rows, [time, 1]), tf.repeat(steps, batch, 0), loop=True)
            with tf.GradientTape() as tape:
                tape.watch([*z, *start, *parameters])
                z_, flags_, before_ = tf.nest.map_structure(_rows, (z, flags, before))
                start_ = [tf.tile(s, [time, 1]) for s in start]
                y, new = step(ops.when(everywhere), p_, z_, flags_, before_, start_)
            d_results = [_rows(d) for d in (dy, *d_new)]
            dz, d_start, d_parameters = tape.gradient([y, *new], (z, start, parameters), d_results, ZERO)
            return tf.nest.flatten((dz, list(d_initial), d_start, d_parameters))

        return (ys, *last), gradient

    ys, *last = run(*tf.nest.flatten(arguments))
    return masked(flags[0], ys, 0), dict(zip(names, last, strict=True))


def _rows(x: tf.Tensor) -> tf.Tensor:
    """(time, batch, n) → (time · batch, n)."""
    return tf.reshape(x, (-1, *x.shape[2:]))
