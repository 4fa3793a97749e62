"""`rnnspec conformance`: the suite, on any backend; or what the suite does to wrong ones."""

import os
from pathlib import Path

import click

from rnnspec.cli.options import FILE, backend_option, look_here


@click.command()
@backend_option("A backend or importable module with load(checkpoint); again for more. Default: all installed.")
@click.option("--json", "report", type=FILE, metavar="FILE", help="Also write every result.")
@click.option("--case", "pattern", default="*", metavar="PATTERN", help='Only cases whose ids match, as "lstm-*".')
@click.option("--mutants", is_flag=True, help="Run the suite on wrong implementations instead: it must catch each.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=0),
    help="Processes; by default one for each of up to 4 cores. 0: this one, which a crash then ends.",
)
@click.option("--limit", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
              help="A case that takes longer has failed.  [default: 600]")  # fmt: skip
def conformance(
    backends: tuple[str, ...], report: Path | None, pattern: str, mutants: bool, jobs: int | None, limit: float | None
) -> int:
    """Run the conformance suite; exit 1 when any case fails, or ends its process."""
    from rnnspec import backends as known
    from rnnspec.cli.report import mutants_table, results_table
    from rnnspec.conformance import record
    from rnnspec.conformance.workers import LIMIT, Workers

    if jobs is None:
        jobs = min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    look_here()
    with Workers(jobs, limit or LIMIT) as workers:
        if mutants:
            scores = record.scores(workers)
            if report:
                record.write(report, {"mutants": scores})
            return mutants_table(scores)
        names = backends or tuple(known.installed())
        found = record.results(names, pattern, workers)
        if not found:
            raise click.ClickException(f"--case {pattern}: no case has such an id")
        if report:
            record.write(report, record.described(names, found, workers))
    failed = results_table(found, f"{len({row.case for row in found})} cases")
    for name in names:
        answers = [
            row for row in found if row.variant.startswith(f"{name} ") and row.outcome == "pass" and row.headroom
        ]
        if pattern == "*" and not any(row.error for row in answers):
            click.echo(f"{name} answered no case: refusing everything is not conforming", err=True)
            failed = 1
    return failed
