"""A graph in words: what stands at each place of it, and what each place reads."""

from typing import TYPE_CHECKING, Any

from rnnspec.layers import Place, Recurrent

if TYPE_CHECKING:
    from rich.table import Table

    from rnnspec.graph import Input, Node
    from rnnspec.model import Model


def places(model: "Model") -> list[dict[str, Any]]:
    """One row for each input and layer, in order.

    place, type   its name; "input", or the type of the layer
    reads, start  the places that it reads, and state → where it starts
    shape         what stands there: "(batch, audio.time, 40)", "(batch, 16)", "ids (batch, words.time)"
    steps         which count: "those given", "those of audio", "windows of audio by front", "all"; of vectors None
    outputs       the names under which it is returned, if it is
    """
    rows = []
    for name, given in model.given.items():
        stands = Place(given.features, (given.like or name) if given.sequence else None)
        rows.append(_row(name, "input", shape=_shape(model, stands), steps=_given(given)))
    for node in model.graph.nodes:
        row = _row(node.layer.name, str(type(node.layer).__struct_config__.tag), reads=list(node.of))
        row["start"] = dict(getattr(node.layer, "start", None) or {})
        row["shape"] = " and ".join(_shape(model, place) for place in _values(node))
        row["steps"] = _steps(model, node.gives.time)
        row["outputs"] = _returned(model, node)
        rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> "Table":
    """`places` to be read: a line each."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    drawn = Table(
        "place", "type", "reads", "gives", "steps that count", box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)
    )
    for row in rows:
        reads = [f"← {', '.join(row['reads'])}"] if row["reads"] else []
        reads += [f"{state} ← {place}" for state, place in row["start"].items()]
        gives = row["shape"] + (f"\n→ {', '.join(row['outputs'])}" if row["outputs"] else "")
        drawn.add_row(*map(escape, (row["place"], row["type"], "\n".join(reads), gives, row["steps"] or "")))
    return drawn


def _row(name: str, kind: str, **known: Any) -> dict[str, Any]:
    return {"place": name, "type": kind, "reads": [], "start": {}, "shape": "", "steps": None, "outputs": []} | known


def _values(node: "Node") -> list[Place]:
    """What stands after a layer: two values where its directions stay apart."""
    if isinstance(node.layer, Recurrent) and node.layer.merge == "none":
        cells = [cell for cell, _ in node.layer.directions.values()]
        return [node.gives._replace(features=cell.outputs(node.features)) for cell in cells]
    return [node.gives]


def _returned(model: "Model", node: "Node") -> list[str]:
    """The names of a layer's outputs in what a call returns."""
    name = node.layer.name
    if name not in model.graph.outputs:
        return []
    whole = "y" if model.outputs is None else name
    return [whole] if len(_values(node)) == 1 else [f"{whole}.forward", f"{whole}.backward"]


def _begins(model: "Model", time: str) -> "Node | None":
    """The layer at which a time axis begins; None where it is an input's."""
    found = (node for node in model.graph.nodes if node.layer.name == node.gives.time == time)
    return next((node for node in found if all(place.time != time for place in node.reads)), None)


def _shape(model: "Model", place: Place) -> str:
    axes = ["batch"]
    if place.time is not None:
        begins = _begins(model, place.time)
        steps = getattr(begins.layer, "steps", None) if begins else None
        axes.append(str(steps) if steps else f"{place.time}.time")
    axes += [] if place.features is None else [str(place.features)]
    return f"{'ids ' if place.features is None else ''}({', '.join(axes)}{',' if len(axes) == 1 else ''})"


def _given(given: "Input") -> str | None:
    """Which steps of an input count."""
    if not given.sequence:
        return None
    if given.like:
        return f"those of {given.like}"
    what = "the id" if given.features is None else "every feature"
    return "those given" + (f", but where {what} is {given.padding:g}" if given.padding is not None else "")


def _steps(model: "Model", time: str | None) -> str | None:
    """Which steps of a layer's output count: it follows from the time axis along which they are."""
    if time is None:
        return None
    begins = _begins(model, time)
    if begins is None:
        return f"those of {time}"
    whose = begins.reads[0].time
    return "all" if whose is None else f"windows of {whose} by {time}"
