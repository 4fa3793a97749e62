"""The fused path: one loop for every cell, with a gradient derived from the cell's `step` (`rnnspec.backends.fused`).

Plain autograd adds the gradient of the recurrent kernel up step by step and runs some thirty small functions a step.
Here what can be computed for all steps at once is, before the loops or after them.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad

from rnnspec.backends.fused.gradient import Gradient, gradient
from rnnspec.backends.fused.node import Node, evaluate
from rnnspec.backends.fused.stages import ONCE, stages
from rnnspec.backends.fused.trace import trace
from rnnspec.backends.torch.compute import computing
from rnnspec.backends.torch.written import Written
from rnnspec.cells import Cell
from rnnspec.ops import States


def fits(x: Tensor) -> bool:
    """Whether torch is not transforming the program, which then has to see the steps."""
    transformed = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    return not (transformed or forward_ad._current_level >= 0 or torch.is_autocast_enabled(x.device.type))


class Plan:
    """What one step of a cell computes, when, and the loops, each written when first needed."""

    def __init__(self, cell: Cell, inputs: int, training: bool, mask: bool, resets: bool) -> None:
        self.program = trace(cell, inputs, training, mask, resets)
        self.stages = stages(self.program)

    @cached_property
    def gradient(self) -> Gradient:
        """The derivative of the step."""
        return gradient(self.program, self.stages)

    @cached_property
    def forward(self) -> Written:
        """Of products with x nothing is left to read after it, unless `after` does."""
        later = {arg for node in self.stages.after for arg in node.nodes} | {*self.program.results}
        spare = [leaf for leaf in self.stages.leaves if leaf.op == "linear" and leaf not in later]
        return self._written(self.stages.exports, spare)

    @cached_property
    def training(self) -> Written:
        """As `forward`, and all that the gradient reads is kept."""
        return self._written([*self.stages.exports, *self.gradient.kept])

    @cached_property
    def backward(self) -> Written:
        g = self.gradient.stages
        return Written(self.gradient.program, g.loop, g.constants, g.leaves, g.exports)

    def _written(self, wanted: list[Node], spare: Iterable[Node] = ()) -> Written:
        s = self.stages
        return Written(self.program, s.loop, s.constants, s.leaves, wanted, spare)


_AT_ONCE = 2**18  # numbers in a tensor over several steps of inference

plan = lru_cache(maxsize=256)(Plan)


def unroll(
    ops: Any,
    cell: Cell,
    p: dict[str, Tensor],
    x: Tensor,
    mask: Tensor | None,
    begins: Tensor | None,
    state: States,
    start: States,
    reverse: bool,
) -> tuple[Tensor, States]:
    """As `Ops.unroll` on x (time, batch, inputs), mask and begins (time, batch, 1) → outputs (batch, time, outputs)."""
    this = plan(cell, x.shape[-1], ops.training, mask is not None, begins is not None)
    sources = {node: _source(ops, node, p, x, mask, begins, start) for node in this.stages.sources}
    initial = [state[name] for name in this.program.states]
    recording = any(a.requires_grad for a in (*sources.values(), *initial)) and torch.is_grad_enabled()
    outputs, last = (_recorded if recording else _inferred)(this, sources, initial, x, reverse)
    return outputs, dict(zip(this.program.states, last, strict=True))


def _recorded(this: Plan, values: dict[Node, Any], state: list[Tensor], x: Tensor, reverse: bool):
    """For gradients: all steps at once."""
    s, compute = this.stages, computing(x.dtype)
    evaluate([*s.once, *s.before], values, compute)
    if state:
        given = [values[node] for node in (*s.constants, *s.leaves)]
        exports_last = _Loop.apply(this, x.shape[0], reverse, *given, *state)
        values |= zip(s.exports, exports_last, strict=False)
        state = exports_last[len(s.exports) :]
    evaluate(s.after, values, compute)
    # A copy always: for one row the transpose is a view, and who changes the outputs must not change what is kept.
    return values[this.program.results[0]].transpose(0, 1).clone(memory_format=torch.contiguous_format), state


def _inferred(this: Plan, sources: dict[Node, Any], state: list[Tensor], x: Tensor, reverse: bool):
    """Without gradients: some steps after the other, so that memory is used again while the processor still has it."""
    s, compute = this.stages, computing(x.dtype)
    (result,), (time, batch, _) = this.program.results, x.shape
    each = max(1, _AT_ONCE // (max(batch, 1) * max(node.size for node in (*s.leaves, *s.exports, result))))
    fixed = {node: value for node, value in sources.items() if node.op in ONCE}
    evaluate(s.once, fixed, compute)
    outputs = x.new_empty(batch, time, result.size)
    starts = range(0, time, each)
    for start in reversed(starts) if reverse else starts:
        steps = slice(start, start + each)
        values = fixed | {node: value[steps] for node, value in sources.items() if node not in fixed}
        evaluate(s.before, values, compute)
        if state:
            exports, state = this.forward(values, state, min(each, time - start), reverse)
            values |= zip(s.exports, exports, strict=True)
        evaluate(s.after, values, compute)
        outputs[:, steps].copy_(values[result].transpose(0, 1))
    return outputs, [h.clone() for h in state]


def _source(ops: Any, node: Node, p: dict[str, Tensor], x: Tensor, mask, begins, start: States) -> Any:
    """The value of a source."""
    if node.op == "noise":
        place, name, rate, per = node.options
        return ops.at(place).noise(x, node.size, rate, name, per)
    if node.op == "zeros":
        return x.new_zeros(()).expand(*x.shape[:2], node.size)
    if node.op in ("parameter", "start"):
        return (p if node.op == "parameter" else start)[node.options[0]]
    return {"x": x, "keep": mask, "begins": begins}[node.op]


def _given(this: Plan, values: Sequence[Tensor]) -> dict[Node, Any]:
    """By node, of the loop's constants and leaves."""
    return dict(zip((*this.stages.constants, *this.stages.leaves), values, strict=True))


class _Loop(Function):
    """Constants, leaves and initial states → exports and last states."""

    @staticmethod
    def forward(ctx, this: Plan, time: int, reverse: bool, *tensors: Tensor):
        count = len(tensors) - len(this.program.states)
        found, last = this.training(_given(this, tensors[:count]), list(tensors[count:]), time, reverse)
        exports, kept = found[: len(this.stages.exports)], found[len(this.stages.exports) :]
        ctx.this, ctx.time, ctx.reverse, ctx.count = this, time, reverse, count
        ctx.save_for_backward(*tensors, *kept)
        return *exports, *(h.clone() for h in last)

    @staticmethod
    def backward(ctx, *cotangents: Tensor):
        this: Plan = ctx.this
        arguments = ctx.saved_tensors[: ctx.count + len(this.program.states)]
        if torch.is_grad_enabled():
            return None, None, None, *_again(this, ctx.time, ctx.reverse, arguments, cotangents)
        g, seeds = this.gradient, cotangents[: len(this.stages.exports)]
        values = _given(this, arguments[: ctx.count])
        values |= zip(g.kept, ctx.saved_tensors[len(arguments) :], strict=True)
        zero = cotangents[-1].new_zeros(()).expand(ctx.time, len(cotangents[-1]), 1)
        for node in g.stages.sources:
            values[node] = seeds[node.options[0]] if node.op == "seed" else zero.expand(-1, -1, node.size)
        compute = computing(cotangents[-1].dtype)
        evaluate([*g.stages.once, *g.stages.before], values, compute)
        exports, first = this.backward(values, list(cotangents[len(seeds) :]), ctx.time, not ctx.reverse)
        values |= zip(g.stages.exports, exports, strict=True)
        evaluate(g.stages.after, values, compute)
        of = dict(zip(g.of, (values[node] for node in g.program.results), strict=True))
        return None, None, None, *(of.get(node) for node in (*this.stages.constants, *this.stages.leaves)), *first


def _again(this: Plan, time: int, reverse: bool, arguments: tuple, cotangents: tuple) -> list[Tensor | None]:
    """The gradients as functions of the arguments, for second derivatives: by autograd, step by step."""
    s, compute = this.stages, computing(cotangents[-1].dtype)
    count = len(arguments) - len(this.program.states)
    given = _given(this, arguments[:count])
    fixed = {node: given[node] for node in s.constants}
    leaves = [(leaf, given[leaf].unbind(0)) for leaf in s.leaves]
    state = list(arguments[count:])
    exports: list[list] = [[None] * time for _ in s.exports]
    for t in reversed(range(time)) if reverse else range(time):
        values: dict[Node, Any] = fixed | {leaf: each[t] for leaf, each in leaves}
        values |= zip((old for old, _ in this.program.states.values()), state, strict=True)
        evaluate(s.loop, values, compute)
        for each, node in zip(exports, s.exports, strict=True):
            each[t] = values[node]
        state = [values[new] for _, new in this.program.states.values()]
    results = [*(torch.stack(each, 0) for each in exports), *state]
    wanted = [a for a in arguments if a.requires_grad]
    found = iter(torch.autograd.grad(results, wanted, cotangents, create_graph=True, allow_unused=True))
    return [next(found) if a.requires_grad else None for a in arguments]
