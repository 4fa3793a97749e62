"""The time loop of any cell, with the gradient that `rnnspec.backends.fused` derives from its `step`."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import tensorflow as tf

from rnnspec.backends.fused.gradient import Gradient, gradient
from rnnspec.backends.fused.node import Node
from rnnspec.backends.fused.stages import Stages, stages
from rnnspec.backends.fused.trace import Program, trace
from rnnspec.backends.tensorflow.compute import FEATURES_FIRST_FROM, Compute
from rnnspec.backends.tensorflow.derivative import attach, recording
from rnnspec.backends.tensorflow.scan import previous, scan
from rnnspec.cells import Cell
from rnnspec.ops import States

Values = dict[Node, tf.Tensor]


class Plan(NamedTuple):
    """A cell's step, taken apart, and its gradient."""

    program: Program
    forward: Stages
    backward: Gradient


@lru_cache(256)
def plan(cell: Cell, inputs: int, training: bool, mask: bool, resets: bool) -> Plan:
    """Raises UnsupportedError where `step` does what no program can say."""
    program = trace(cell, inputs, training, mask, resets)
    forward = stages(program)
    return Plan(program, forward, gradient(program, forward))


def unroll(
    ops: Any,
    cell: Cell,
    p: dict[str, tf.Tensor],
    x: tf.Tensor,
    state: States,
    start: States,
    mask: tf.Tensor | None,
    begins: tf.Tensor | None,
    reverse: bool,
) -> tuple[tf.Tensor, States]:
    """x (time, batch, inputs), mask and begins (time, batch) → outputs (time, batch, outputs), final states."""
    this = plan(cell, x.shape[-1], ops.training, mask is not None, begins is not None)
    outside = Compute(x.dtype)

    def source(node: Node) -> tf.Tensor:
        if node.op == "noise":
            place, name, rate, per = node.options
            return ops.at(place).noise(x, node.size, rate, name, per)
        if node.op == "zeros":
            return outside.zeros(x, node.size)
        if node.op in ("parameter", "start"):
            return (p if node.op == "parameter" else start)[node.options[0]]
        flag = {"keep": mask, "begins": begins}.get(node.op)
        return x if flag is None else flag[..., None]

    values = {node: source(node) for node in this.forward.sources}
    outside.evaluate([*this.forward.once, *this.forward.before], values)
    if this.program.states:
        widest = max(s.shape[-1] for s in state.values())
        inside = Compute(x.dtype, features_first=widest >= FEATURES_FIRST_FROM)
        exports, state = _differentiable(this, inside, values, state, tf.shape(x)[0], reverse, ops.keeps)
        values |= exports
    outside.evaluate(this.forward.after, values)
    return values[this.program.results[0]], state


def _differentiable(
    this: Plan, at: Compute, values: Values, state: States, time: tf.Tensor, reverse: bool, keeps: bool
) -> tuple[Values, States]:
    """The loop with its gradient: exports at all steps, last states.

    What the gradient reads is kept where a tape is recording. Where none is and the gradient is asked for all the same,
    as by a tape around a graph, the loop is run once more.
    """
    program, forward, backward = this
    given = {n: at.enter(values[n]) if None in n.shape else values[n] for n in (*forward.constants, *forward.leaves)}
    initial = {name: at.enter(state[name]) for name in program.states}
    floating = [n for n, value in given.items() if value.dtype.is_floating]
    inputs = [*(given[n] for n in floating), *initial.values()]
    keeps = keeps or recording(inputs)

    def run(keep: bool) -> tuple[Values, list[tf.Tensor]]:
        wanted = [*forward.exports, *(backward.kept if keep else [])]
        return _loop(at, program, forward, given, initial, wanted, time, reverse)

    found, last = run(keeps)

    def back(*d: tf.Tensor) -> list[tf.Tensor | None]:
        kept = found if keeps else run(True)[0]
        known = given | {node: kept[node] for node in backward.kept}
        of, d_initial = _backward(at, this, known, d, time, reverse)
        return [*(of.get(n) for n in floating), *d_initial]

    results = attach([*(found[n] for n in forward.exports), *last], inputs, back)
    exports = {n: at.leave(r) for n, r in zip(forward.exports, results, strict=False)}
    return exports, {name: at.leave(h) for name, h in zip(initial, results[len(exports) :], strict=True)}


def _backward(
    at: Compute, this: Plan, known: Values, d: tuple[tf.Tensor, ...], time: tf.Tensor, reverse: bool
) -> tuple[Values, list[tf.Tensor]]:
    """From the cotangents of exports and last states: those of constants and leaves, and of the initial states."""
    program, parts = this.backward.program, this.backward.stages
    d_exports, d_last = d[: len(this.forward.exports)], d[len(this.forward.exports) :]
    values = known | at.fixed({n: known[n] for n in this.forward.constants}, [*parts.before, *parts.after])
    for node in parts.sources:
        if node.op == "seed":
            values[node] = d_exports[node.options[0]]
        elif node not in values:  # zeros
            values[node] = tf.zeros([time, *at.shape(d_last[0], node.size)], at.dtype)
    at.evaluate([*parts.once, *parts.before], values)
    given = values | {n: known[n] for n in parts.constants if n in known}
    d_states = dict(zip(program.states, d_last, strict=True))
    found, d_initial = _loop(at, program, parts, given, d_states, parts.exports, time, not reverse)
    values |= found
    at.evaluate(parts.after, values)
    return dict(zip(this.backward.of, (values[node] for node in program.results), strict=True)), d_initial


def _loop(
    at: Compute,
    program: Program,
    parts: Stages,
    given: Values,
    initial: States,
    wanted: Iterable[Node],
    time: tf.Tensor,
    reverse: bool,
) -> tuple[Values, list[tf.Tensor]]:
    """Wanted nodes and old states at all steps, and the last states."""
    first = next(iter(initial.values()))
    leaves = [leaf for leaf in parts.leaves if leaf.op != "zeros"]
    fixed = at.fixed({node: given[node] for node in parts.constants}, parts.loop)
    fixed |= {leaf: at.zeros(first, leaf.size) for leaf in parts.leaves if leaf.op == "zeros"}
    new = dict(program.states.values())
    written = list(dict.fromkeys(new.get(node, node) for node in wanted))

    def step(inputs, states):
        values = fixed | dict(zip(leaves, inputs, strict=False)) | dict(zip(new, states, strict=True))
        at.evaluate(parts.loop, values)
        return [values[node] for node in new.values()], [values[node] for node in written]

    inputs = [given[leaf] for leaf in leaves] or [tf.zeros([time, 0])]
    zeros = [at.zeros(first, node.size) for node in written]
    stacked, last = scan(step, inputs, list(initial.values()), zeros, reverse)
    found = dict(zip(written, stacked, strict=True))
    before = {
        old: previous(h, found[new[old]], reverse)
        for old, h in zip(new, initial.values(), strict=True)
        if old in wanted
    }
    return found | before, list(last)
