"""Which of the outputs of a recurrent layer are taken: its sequence, one direction of it, or final states."""

from dataclasses import dataclass, field

from rnnspec.convert.keras.saved import Saved
from rnnspec.errors import SpecError, UnsupportedError


@dataclass
class Taken:
    """What goes on from a recurrent layer.

    Args:
        last: whether it is the final h, and not what the layer returns.
        merge: how both directions are joined, None for one alone.
        direction: which of the two layers of a `Bidirectional` that is.
        names: number of an output that the model returns → our name for it, `y` or a state of this layer.
    """

    last: bool = False
    merge: str | None = None
    direction: int | None = None
    names: dict[int, str] = field(default_factory=dict)


def taken(saved: Saved, gives: tuple[int, ...] | None, join: str | None, returned: tuple[int, ...]) -> Taken:
    """What a recurrent layer hands on, and what the model returns of it.

    Args:
        saved: the layer.
        gives: the numbers of the outputs that the next layer takes, None of the last layer.
        join: how the next layer joins them.
        returned: the numbers of those that the model returns.

    Raises:
        SpecError: it has no such output.
        UnsupportedError: ours has no layer that gives this.
    """
    found = handed_on(saved, gives, join, returned)
    if isinstance(found, str):
        raise UnsupportedError(
            f"{saved.where}: {found}: no equal here; ours gives the sequence or the final h, of both directions as "
            "they are joined, and final states beside it"
        )
    return found


def handed_on(saved: Saved, gives: tuple[int, ...] | None, join: str | None, returned: tuple[int, ...]) -> Taken | str:
    """As `taken`; where ours has no layer that gives this, what it is. Raises SpecError: it has no such output."""
    rest = returned
    merge = own_merge(saved) if saved.kind == "Bidirectional" else None
    names = outputs(saved)
    for number in (*(gives or ()), *rest):
        if not 0 <= number < len(names):
            raise SpecError(f"{saved.where}: its output {number} is taken, but it has {len(names)}")
    ends = gives is None
    if gives is None and rest:  # the model's first output is its y, or the first two are
        two = tuple(names[number] for number in rest[:2])
        n = 2 if two in (_halves(saved), _final(saved)) and len(two) == 2 else 1
        gives, rest = rest[:n], rest[n:]
    if gives is None:
        return Taken(merge=merge)
    found = _meaning(saved, tuple(names[number] for number in gives), join, merge)
    if found is None:
        shown = " and ".join(names[number] for number in gives)
        return f"{shown}{f' joined by {join!r}' if join else ''} is taken of it"
    if ends:
        found.names = {number: f"y[{k}]" if len(gives) > 1 else "y" for k, number in enumerate(gives)}
    for number in rest:
        name = names[number]
        if found.direction is not None:
            name = name.removeprefix(f"{directions(saved)[found.direction]}.")
        if number not in found.names and name not in _states(saved, found):
            return f"{name} is returned beside {names[gives[0]]}"
        found.names.setdefault(number, name)
    return found


def _states(saved: Saved, found: Taken) -> list[str]:
    if found.direction is None:
        return [name for name in outputs(saved) if not name.startswith("y")]
    return states(list(saved.inner.values())[found.direction].inner["cell"])


def _final(saved: Saved) -> tuple[str, ...]:
    """The final h, of each direction."""
    if saved.kind != "Bidirectional":
        return (top(saved),)
    return tuple(f"{place}.{top(each)}" for place, each in zip(directions(saved), saved.inner.values(), strict=True))


def _halves(saved: Saved) -> tuple[str, ...]:
    """The outputs of the directions, where they come apart."""
    apart = saved.kind == "Bidirectional" and own_merge(saved) == "none"
    return tuple(f"y.{place}" for place in directions(saved)) if apart else ()


def _meaning(saved: Saved, gives: tuple[str, ...], join: str | None, merge: str | None) -> Taken | None:
    both = saved.kind == "Bidirectional"
    for whole, last in ((_final(saved), True), (_halves(saved), False)):
        if not whole:
            continue
        if both and (gives == whole or (join in ("sum", "mul", "ave") and gives == whole[::-1])):
            return Taken(last, join or "none")
        if join is None and len(gives) == 1 and gives[0] in whole:
            return Taken(last, direction=whole.index(gives[0]) if both else None)
    return Taken(merge=merge) if join is None and gives == ("y",) else None


def outputs(saved: Saved) -> list[str]:
    """All that a recurrent layer gives: `y`, of a `Bidirectional` that joins nothing `y.forward` and `y.backward`, then
    the final states, by our names.
    """
    if saved.kind != "Bidirectional":
        return ["y", *(states(saved.inner["cell"]) if saved.get("return_state", bool, False) else ())]
    places = directions(saved)
    found = [f"y.{place}" for place in places] if own_merge(saved) == "none" else ["y"]
    for place, layer in zip(places, saved.inner.values(), strict=True):
        if layer.get("return_state", bool, False):
            found += [f"{place}.{state}" for state in states(layer.inner["cell"])]
    return found


def sequences(saved: Saved) -> int:
    """How many outputs of a recurrent layer come before its states."""
    return sum(name.startswith("y") for name in outputs(saved))


def own_merge(saved: Saved) -> str:
    """`merge_mode` of a `Bidirectional` by our name."""
    return "none" if saved.config.get("merge_mode", "concat") is None else saved.get("merge_mode", str, "concat")


def directions(saved: Saved) -> tuple[str, str]:
    """Our names of the two layers of a `Bidirectional`, whose first may go backwards."""
    forward, *_ = saved.inner.values()
    return ("backward", "forward") if forward.get("go_backwards", bool, False) else ("forward", "backward")


def states(cell: Saved) -> list[str]:
    """The states of a cell in Keras's order."""
    if cell.kind == "StackedRNNCells":
        cells = list(enumerate(cell.inner.values()))
        if cell.get("reverse_state_order", bool, False):
            cells.reverse()
        return [f"cells.{k}.{state}" for k, inner in cells for state in states(inner)]
    return ["h", "c"] if cell.kind == "LSTMCell" else ["h"]


def top(layer: Saved) -> str:
    """The state of a layer that is its output: h of the last cell."""
    place, cell = "", layer.inner["cell"]
    while cell.kind == "StackedRNNCells" and cell.inner:
        place += f"cells.{len(cell.inner) - 1}."
        cell = list(cell.inner.values())[-1]
    return f"{place}h"
