"""The report as one HTML page that needs nothing else: no script, no font, no other file."""

import re
from collections import defaultdict
from html import escape
from pathlib import Path

from rnnspec.report.columns import Column, Run
from rnnspec.report.options import LEGEND, cell, groups
from rnnspec.report.plot import plots
from rnnspec.report.text import Table, after, before, code

STYLE = Path(__file__).with_name("page.css")
_MARKS = re.compile(r"`(?P<code>[^`]*)`|\*\*(?P<strong>.+?)\*\*|\[(?P<text>[^\]]+)\]\((?P<link>[^)\s]+)\)")
_GAPS = {"no", "some", "known", "FAIL", "–"}


def page(run: Run) -> str:
    """docs/conformance.html."""
    columns = [column for column in run.columns if column.tries_options]
    (title, start), *sections = before(run)
    body = [_section(f"<h1>{title}</h1>", start), *(_section(f"<h2>{t}</h2>", content) for t, content in sections)]
    body += [_section("<h2>Options</h2>", [list(LEGEND)]), _filters(columns)]
    body += (_options(heading, options, columns) for heading, options in groups().items() if options)
    body += (_section(f"<h2>{t}</h2>", content) for t, content in after(run))
    body.append(plots(run.columns))
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>rnnspec: conformance</title>'
        f"<style>\n{STYLE.read_text(encoding='utf-8')}{_hidden(columns)}</style></head>"
    )
    return "\n".join([head, "<body><main>", *body, "</main></body></html>\n"])


def _section(title: str, content: list[str | list[str] | Table]) -> str:
    blocks = [title]
    for block in content:
        if isinstance(block, Table):
            blocks.append(_table(block.header, [[_inline(text) for text in row] for row in block.rows]))
        elif isinstance(block, str):
            blocks.append(f"<p>{_inline(block)}</p>")
        else:
            blocks.append(f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in block)}</ul>")
    return "\n".join(blocks)


def _inline(text: str) -> str:
    """Markdown within a line → HTML; links to files of the repository go up one folder, as this page is in docs/."""

    def mark(found: re.Match[str]) -> str:
        if found["code"] is not None:
            return f"<code>{found['code']}</code>"
        if found["strong"]:
            return f"<strong>{found['strong']}</strong>"
        link = found["link"]
        return f'<a href="{link if link.startswith(("https://", "http://")) else f"../{link}"}">{found["text"]}</a>'

    return _MARKS.sub(mark, escape(text))


def _table(header: list[str], rows: list[list[str]], gaps: frozenset[int] = frozenset()) -> str:
    """A table in a container of its own, which scrolls; `gaps`: the rows where something is missing."""
    lines = ['<div class="scroll" tabindex="0"><table><thead><tr>']
    lines += (f'<th scope="col">{text}</th>' for text in header)
    lines.append("</tr></thead><tbody>")
    for k, (name, *cells) in enumerate(rows):
        start = '<tr class="gap">' if k in gaps else "<tr>"
        lines.append(f'{start}<th scope="row">{name}</th>{"".join(map(_cell, cells))}</tr>')
    return "\n".join([*lines, "</tbody></table></div>"])


def _cell(text: str) -> str:
    """Refusals and failures are set apart by their style, besides the word."""
    word = text.split()[-1] if text else ""
    return f'<td class="{word.lower()}">{text}</td>' if word in ("no", "FAIL") else f"<td>{text}</td>"


def _options(heading: str, options: list[str], columns: list[Column]) -> str:
    names = (re.sub(r"(?<=[._=])", "<wbr>", _inline(code(option))) for option in options)
    rows = [[name, *(cell(column, option) for column in columns)] for name, option in zip(names, options, strict=True)]
    # A column that refuses everything says nothing of an option.
    telling = [k for k, c in enumerate(columns, 1) if any(row.outcome != "unsupported" for row in c.rows.values())]
    gaps = frozenset(k for k, row in enumerate(rows) if any(_GAPS & set(row[column].split()) for column in telling))
    header = ["option", *(f"{escape(f'{c.runtime} {c.version}')}<br>{escape(c.variant)}" for c in columns)]
    return f'<details class="options" open><summary>{heading}</summary>{_table(header, rows, gaps)}</details>'


def _choices(columns: list[Column]) -> dict[str, list[int]]:
    """What can be left out → the columns that go with it: a version, a path, a dtype."""
    found: dict[str, list[int]] = defaultdict(list)
    for k, column in enumerate(columns, 2):
        found[f"{column.runtime} {column.version}".strip()].append(k)
    for k, column in enumerate(columns, 2):
        for word in column.variant.split():
            found[word].append(k)
    return found


def _filters(columns: list[Column]) -> str:
    boxes = [(f"f{k}", word, " checked") for k, word in enumerate(_choices(columns))]
    labels = (
        f'<label><input type="checkbox" id="{id}"{checked} autocomplete="off"> {escape(word)}</label>'
        for id, word, checked in [*boxes, ("gaps", "only rows with a gap", "")]
    )
    return f"<fieldset><legend>Columns and rows shown</legend>{''.join(labels)}</fieldset>"


def _hidden(columns: list[Column]) -> str:
    """What each box that is not ticked hides, as style: no script is needed."""
    rules = []
    for k, numbers in enumerate(_choices(columns).values()):
        places = ", ".join(f":nth-child({number})" for number in numbers)
        rules.append(f"body:has(#f{k}:not(:checked)) .options :is(th, td):is({places}) {{ display: none; }}\n")
    return "".join(rules)
