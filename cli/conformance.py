"""`rnnspec conformance`: the suite, on any backend; or what the suite does to wrong ones."""

import os
from pathlib import Path

import click

from rnnspec.cli.options import backend_option, load_backend


@click.command()
@backend_option("A backend or importable module with load(checkpoint); again for more. Default: all installed.")
@click.option("--json", "report", type=click.Path(path_type=Path), metavar="FILE", help="Also write every result.")
@click.option("--case", "pattern", default="*", metavar="PATTERN", help='Only cases whose ids match, as "lstm-*".')
@click.option("--mutants", is_flag=True, help="Run the suite on wrong implementations instead: it must catch each.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Processes; by default one for each of up to 4 cores.")
def conformance(backends: tuple[str, ...], report: Path | None, pattern: str, mutants: bool, jobs: int | None) -> int:
    """Run the conformance suite; exit 1 when any case fails."""
    from rnnspec import backends as known
    from rnnspec.cli.report import mutants_table, results_table
    from rnnspec.conformance import record

    jobs = jobs or min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if mutants:
        scores = record.scores(jobs)
        if report:
            record.write(report, {"mutants": scores})
        return mutants_table(scores)
    names = backends or tuple(known.installed())
    for name in names:
        load_backend(name)  # what is wrong with a name is known now, and TensorFlow's notices are gone
    found = record.results(names, pattern, jobs)
    if not found:
        raise click.ClickException(f"--case {pattern}: no case has such an id")
    if report:
        record.write(report, record.described(names, found))
    failed = results_table(found, f"{len({row.case for row in found})} cases")
    for name in names:
        answers = [
            row for row in found if row.variant.startswith(f"{name} ") and row.outcome == "pass" and row.headroom
        ]
        if pattern == "*" and not any(row.error for row in answers):
            click.echo(f"{name} answered no case: refusing everything is not conforming", err=True)
            failed = 1
    return failed
