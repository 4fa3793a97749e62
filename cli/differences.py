"""What `rnnspec diff` found, on one screen."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rnnspec.shown import printable

if TYPE_CHECKING:
    from rich.table import Table


def show(report: dict[str, Any]) -> None:
    """The report on one screen."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)

    def line(text: str, style: str = "") -> None:
        console.print(escape(printable(text)), style=style, soft_wrap=True)

    for was, name in report["renamed"].items():
        line(f"layer {was} of B is compared with {name} of A")
    for table in tables(report):
        console.print(table)
    allowed = f"{report['tolerance']:.1e}"
    if report["verdict"] == "same":
        line(f"the same: nothing differs by more than {allowed}", "green")
        return
    if report["verdict"] == "rounding":
        line(f"different: by more than {allowed}, but by no more than rounding does to this model", "yellow")
    else:
        line(f"different: by more than {allowed}, which is more than rounding", "red")
    for sentence in partings(report):
        line(sentence)
    for place, sentences in report.get("weights_match", {}).items():
        for sentence in sentences:
            line(f"the weights of {place} match when {sentence}", "bold green")
    for match in report["matches"]:
        line(f"matches when {match['sentence']} (then off by {match['error']:.1e})", "bold green")
    explained = report.get("weights_match", {})
    if report["tried"] is None:
        line("the usual mistakes are not tried: they are of chains of the layers of version 1", "dim")
    elif not report["matches"] and not (explained and all(explained.values())):
        tried = report["tried"]
        pairs = f"{tried['pairs']} of {tried['all_pairs']} pairs of them"
        line(f"no simple mistake found ({tried['mistakes']} tried, and {pairs})", "bold yellow")


def partings(report: dict[str, Any]) -> Iterator[str]:
    """Where the two part: in the first layer that differs; of graphs, in each that reads nothing that does."""
    if first := report["first"]:
        yield f"first in layer {first['layer']}: {_place(first)}"
    apart = [each for each in report.get("places", ()) if not each["differing"]]
    for each in apart[:1]:
        yield f"what it reads agrees: {', '.join(each['reads'])}"
    for each in apart[1:6]:
        yield f"on its own in layer {each['first']['layer']} too: {_place(each['first'])}"


def _place(first: dict[str, Any]) -> str:
    return ", ".join([first["name"], *(f"{key} {first[key]}" for key in ("step", "row") if first[key] is not None)])


def tables(report: dict[str, Any]) -> "Iterator[Table]":
    """What differs in the configuration and the weights, and by how much the results do."""
    from rich.markup import escape
    from rich.table import Table

    if fields := report.get("configuration"):
        table = Table("configuration", "A", "B")
        for row in fields[:12]:
            table.add_row(escape(row["place"]), escape(str(row["a"])), escape(str(row["b"])))
        yield shortened(table, fields, 12)
    if weights := report.get("weights"):
        table = Table("weights", "gate", "largest difference")
        for row in weights[:12]:
            size = "another shape" if row["difference"] is None else f"{row['difference']:.1e}"
            table.add_row(escape(row["tensor"]), row["gate"], size)
        yield shortened(table, weights, 12)
    if places := report.get("places"):
        table = Table("layer", "largest difference", "first", "row", "step", "what it reads")
        for each in places[:12]:
            size = "another shape" if each["error"] is None else f"{each['error']:.1e}"
            where = ["" if each["first"][key] is None else str(each["first"][key]) for key in ("name", "row", "step")]
            reads = f"differs: {', '.join(each['differing'])}" if each["differing"] else "agrees"
            table.add_row(*map(escape, (each["first"]["layer"], size, *where, reads)))
        yield shortened(table, places, 12)
    table = Table("result", "largest difference", "first row", "first step", "A gives", "B has")
    for row in report["differences"]:
        size = row.get("note") or ("NaN or infinity" if row["error"] is None else f"{row['error']:.1e}")
        places = ["" if row[key] is None else str(row[key]) for key in ("row", "step")]
        values = ["" if row[key] is None else f"{row[key]:.6f}" for key in ("actual", "expected")]
        table.add_row(escape(row["name"]), escape(size), *places, *values)
    yield table


def shortened(table: "Table", rows: list, most: int) -> "Table":
    """The table, with a word on the rows that it leaves out."""
    if len(rows) > most:
        table.add_row(f"and {len(rows) - most} more; --json has them")
    return table
