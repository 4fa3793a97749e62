"""The report as Markdown that can be read as text."""

from itertools import groupby

from rnnspec.report.columns import Column, Run
from rnnspec.report.options import LEGEND, cell, groups
from rnnspec.report.text import Table, after, before, code


def markdown(run: Run) -> str:
    """CONFORMANCE.md."""
    (title, start), *sections = before(run)
    parts = [_section(f"# {title}", start), *(_section(f"## {title}", content) for title, content in sections)]
    parts.append(_section("## Options", [list(LEGEND)]))
    columns = [column for column in run.columns if column.tries_options]
    for runtime, found in groupby(columns, key=lambda column: column.runtime):
        parts += [_section(f"### {runtime}", [_options(list(found))])]
    parts += (_section(f"## {title}", content) for title, content in after(run))
    return "\n".join(parts)


def _section(title: str, content: list[str | list[str] | Table]) -> str:
    blocks = [title]
    for block in content:
        if isinstance(block, Table):
            blocks.append(_table(block))
        else:
            blocks.append(block if isinstance(block, str) else "\n".join(f"- {item}" for item in block))
    return "\n\n".join(blocks) + "\n"


def _table(table: Table) -> str:
    """Columns aligned."""
    rows = [[text.replace("|", r"\|") for text in row] for row in (table.header, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _options(columns: list[Column]) -> Table:
    rows = []
    for heading, options in groups().items():
        rows.append([f"**{heading}**", *("" for _ in columns)])
        rows += [[code(option), *(cell(column, option) for column in columns)] for option in options]
    return Table(["option", *(f"{column.version} {column.variant}".strip() for column in columns)], rows)
