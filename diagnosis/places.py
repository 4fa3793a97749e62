"""Where two graphs part, place by place."""

from dataclasses import dataclass

from rnnspec import accuracy
from rnnspec.diagnosis.differences import First, first_of_layer, trace
from rnnspec.diagnosis.trial import Trial
from rnnspec.graph import Node
from rnnspec.layers import Recurrent


@dataclass(frozen=True)
class Parting:
    """A layer whose values differ between two graphs.

    Args:
        first: what of it differs first: a state, or else its output.
        error: the largest of its output (ACC-1); None where that has another shape or is not finite.
        reads: all that it reads, and starts from.
        differing: those of `reads` that differ too. Where there are none, the graphs part here.
    """

    first: First
    error: float | None
    reads: tuple[str, ...]
    differing: tuple[str, ...]


def partings(a: Trial, b: Trial, allowed: float) -> list[Parting]:
    """The layers that differ, of those that both have, in the order of `a`."""
    ours, theirs = trace(a), trace(b)
    found: list[Parting] = []
    off: set[str] = set()
    for node in a.model.graph.nodes:
        name = node.layer.name
        if name not in theirs:
            continue
        shapes = ours[name].values.shape, theirs[name].values.shape
        first = First(name, name, None, None)
        if shapes[0] == shapes[1]:
            same = first_of_layer(a.model, name, ours, theirs, allowed)
            if same is None:
                continue
            first = same
        error = accuracy.error(ours[name].values, theirs[name].values)
        reads = reads_of(node, a)
        differing = tuple(place for place in reads if place in off)
        found.append(Parting(first, error if error < float("inf") else None, reads, differing))
        off |= {name, *(state for state in ours if state.startswith(f"{name}."))}
    return found


def reads_of(node: Node, trial: Trial) -> tuple[str, ...]:
    """The places that a layer reads, and those where its states start, unless they are given."""
    start = (isinstance(node.layer, Recurrent) and node.layer.start) or {}
    begins = [place for state, place in start.items() if f"{node.layer.name}.{state}" not in trial.inputs]
    return (*node.of, *(place for place in begins if place not in node.of))
