"""When each value of a program can be computed: once, for all steps at once, or only step after step."""

from collections.abc import Iterable
from typing import NamedTuple

from rnnspec.backends.fused.node import Node, ordered
from rnnspec.backends.fused.trace import Program

ONCE = {"parameter", "start"}  # sources that are the same at every step; of the others, each step has its own


class Stages(NamedTuple):
    """A program taken apart, each list of nodes in order; `sources`, apart from states, are listed by themselves.

    `once`: of parameters alone. `before`: of no state, for all steps at once, before the loop. `loop`: what the states
    to come need, step after step. `after`: what they do not need, for all steps at once, after it.

    `constants` and `leaves` are what the loop reads from outside, the same for every step and one a step; `exports`,
    what `after` and the results read of it, for all steps: nodes of the loop, or old states.
    """

    sources: list[Node]
    once: list[Node]
    before: list[Node]
    loop: list[Node]
    after: list[Node]
    constants: list[Node]
    leaves: list[Node]
    exports: list[Node]


def stages(program: Program, constants: Iterable[Node] = (), leaves: Iterable[Node] = ()) -> Stages:
    """`constants` and `leaves` are given: what they are computed from is not looked at."""
    constants, leaves, states = set(constants), set(leaves), {old for old, _ in program.states.values()}
    known = constants | leaves | states
    new = [node for _, node in program.states.values()]
    nodes = ordered([*new, *program.results], known)
    kinds = dict.fromkeys(constants, 0) | dict.fromkeys(leaves, 1) | dict.fromkeys(states, 2)
    for node in nodes:
        source = 0 if node.op in ONCE else 1 if not node.args else 0
        kinds[node] = max([source, *(kinds[arg] for arg in node.nodes)])
    needed = {node for node in ordered(new, known) if kinds[node] == 2}
    inner = [node for node in nodes if node.args]
    loop = [node for node in inner if node in needed]
    after = [node for node in inner if kinds[node] == 2 and node not in needed]
    read = dict.fromkeys([*(arg for node in loop for arg in node.nodes), *new])
    seen = dict.fromkeys([*(arg for node in after for arg in node.nodes), *program.results])
    return Stages(
        sources=[node for node in nodes if not node.args],
        once=[node for node in inner if kinds[node] == 0],
        before=[node for node in inner if kinds[node] == 1],
        loop=loop,
        after=after,
        constants=[node for node in read if kinds[node] == 0],
        leaves=[node for node in read if kinds[node] == 1],
        exports=[node for node in seen if node in needed or node in states],
    )
