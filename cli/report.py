"""Results as a table."""

import re
from collections import defaultdict

# Of a change to a backend's source; the last is the one that should not be.
OUTCOMES = ("caught", "crashed", "timeout", "known", "unreached", "survived")


def results_table(results: list, title: str) -> int:
    """Print one row per variant; return 1 when anything failed, else 0."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    groups = defaultdict(list)
    for result in results:
        groups[result.variant].append(result)
    table = Table("backend", title=escape(title), title_justify="left")
    for header in ("passed", "failed", "unsupported", "worst error", "headroom"):
        table.add_column(header, justify="right")
    for variant, rows in groups.items():
        count = {outcome: sum(row.outcome == outcome for row in rows) for outcome in ("pass", "fail", "unsupported")}
        compared = [row for row in rows if row.outcome != "unsupported" and row.error]
        worst = max((row.error for row in compared), default=None)
        room = min((row.headroom for row in compared), default=None)
        style = "red" if count["fail"] else "green" if count["pass"] else "dim"
        shown = ["" if worst is None else f"{worst:.1e}", "" if room is None else f"{room:.1f} ×"]
        table.add_row(escape(variant), *map(str, count.values()), *shown, style=style)
    console.print(table)
    refused: dict[str, set[str]] = defaultdict(set)
    for row in results:
        if row.outcome == "unsupported":
            refused[re.sub(r"^layer '[^']*': ", "", row.detail)].add(row.variant)
    by_names: dict[str, list[str]] = defaultdict(list)
    for reason, variants in refused.items():
        by_names[", ".join(sorted(variants))].append(reason)
    for names, reasons in by_names.items():
        more = f" (and {len(reasons) - 1} more reasons; --json FILE has them)" if len(reasons) > 1 else ""
        console.print(f"unsupported by {names}: {escape(reasons[0] + more)}", style="dim", highlight=False)
    failed = [row for row in results if row.outcome == "fail"]
    for row in failed:
        line = f"FAIL {row.variant}: {row.case}: {row.detail}"
        console.print(escape(line), style="red", highlight=False)
    return 1 if failed else 0


def mutants_table(scores: list[dict]) -> int:
    """Print how many mutants of each clause were caught, and those that were not; return 1 when there are any."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    alive = [row for row in scores if row["caught_by"] is None]
    families: dict[str, list[dict]] = defaultdict(list)
    for row in scores:
        families[row["clause"].rsplit("-", 1)[0]].append(row)
    table = Table("clauses", title=f"{len(scores)} wrong implementations", title_justify="left")
    table.add_column("mutants", justify="right")
    table.add_column("caught", justify="right")
    if beside := any("onnx_caught_by" in row for row in scores):
        table.add_column("by ONNX's own tests", justify="right")
    for family, rows in [*sorted(families.items()), ("all", scores)]:
        if rows is scores:
            table.add_section()
        keys = ("caught_by", "onnx_caught_by") if beside else ("caught_by",)
        # A mutant that ended the process has no second answer.
        counts = [sum(row.get(key) is not None for row in rows) for key in keys]
        table.add_row(family, str(len(rows)), *map(str, counts))
    console.print(table)
    for row in alive:
        console.print(escape(f"NOT CAUGHT {row['clause']}: {row['mutant']}"), style="red", highlight=False)
    return 1 if alive else 0


def changes_table(rows: list, faults: list[str]) -> int:
    """Print what became of the changes of each file, and `faults`; return 1 when any survived without a reason."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    for package in dict.fromkeys(row.package for row in rows):
        of_it = [row for row in rows if row.package == package]
        title = escape(f"{package}: {len(of_it)} changes of one token")
        table = Table("file", title=title, title_justify="left", box=SIMPLE, pad_edge=False)
        for header in (*OUTCOMES, "all"):
            table.add_column(header, justify="right", no_wrap=True)
        files: dict[str, list] = defaultdict(list)
        for row in of_it:
            files[row.file].append(row)
        for name, found in [*sorted(files.items()), ("all", of_it)]:
            if found is of_it:
                table.add_section()
            counts = [sum(row.outcome == outcome for row in found) for outcome in OUTCOMES]
            table.add_row(escape(name), *map(str, (*counts, len(found))), style="red" if counts[-1] else "")
        console.print(table)
    for line in faults:
        console.print(escape(line), style="red", highlight=False)
    return 1 if faults or any(row.outcome == "survived" for row in rows) else 0
