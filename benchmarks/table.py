"""Results as tables."""

from collections import defaultdict
from collections.abc import Iterator

from rich.table import Table
from rich.text import Text
from timing import Result


def tables(subject: str, results: list[Result], targets: dict[str, float]) -> Iterator[Table]:
    """A table for each thing measured: a row per layer and size, a column per rival, the peer first."""
    groups = defaultdict(list)
    for result in results:
        groups[result.what].append(result)
    for what, rows in groups.items():
        labels = list(rows[0].samples)
        table = Table("cell", "batch, time, inputs, units", title=f"{subject}: {what}", title_justify="left")
        for label in labels:
            target = f" (target {targets[label]})" if label in targets else ""
            table.add_column(label + target, justify="right")
        for row in rows:
            peer = f"{_time(row.median(labels[0]))} ±{row.spread(labels[0]):.0%}"
            ours = [_ours(row, label, targets.get(label)) for label in labels[1:]]
            table.add_row(row.cell, row.size, peer, *ours)
        yield table


def _ours(row: Result, label: str, target: float | None) -> Text:
    """The ratio to the peer, green within the target and red beyond it, and the median."""
    ratio = row.ratio(label)
    style = "" if target is None else "green" if round(ratio, 2) <= target else "red"
    return Text.assemble((f"{ratio:.2f}", style), f"  {_time(row.median(label))} ±{row.spread(label):.0%}")


def _time(seconds: float) -> str:
    """Three digits, in ms or µs."""
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"
