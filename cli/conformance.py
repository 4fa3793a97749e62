"""`rnnspec conformance`: the suite, on any backend; or what the suite does to wrong ones."""

import dataclasses
import os
from pathlib import Path

import click

from rnnspec.cli.options import FILE, backend_option, look_here
from rnnspec.cli.progress import progress


@click.command()
@backend_option("A backend or importable module with load(checkpoint); again for more. Default: all installed.")
@click.option("--json", "report", type=FILE, metavar="FILE", help="Also write every result.")
@click.option("--case", "pattern", default="*", metavar="PATTERN", help='Only cases whose ids match, as "lstm-*".')
@click.option(
    "--variant",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help='Only variants that match, as "generic *"; again for more.',
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=0),
    help="Processes; by default one for each of up to 4 cores. 0: this one, which a crash then ends.",
)
@click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="A case that takes longer has failed.  [default: 600]",
)
@click.option(
    "--mutants",
    is_flag=True,
    help="Run the suite on wrong implementations instead: it must catch each. Of --backend, on changes of its "
    "source by one token.",
)
@click.option(
    "--source",
    "packages",
    multiple=True,
    metavar="MODULE",
    help="With --mutants: the package or module to change; again for more. Default: the backend's.",
)
@click.option("--sample", type=click.IntRange(min=1), help="With --mutants: only so many changes.")
@click.option(
    "--tries",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --mutants: each change on so many cases at most, those first that go different ways through its module.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Which of them.  [default: 0]")
def conformance(
    backends: tuple[str, ...],
    report: Path | None,
    pattern: str,
    patterns: tuple[str, ...],
    jobs: int | None,
    limit: float | None,
    mutants: bool,
    packages: tuple[str, ...],
    sample: int | None,
    tries: int | None,
    seed: int,
) -> int:
    """Run the conformance suite; exit 1 when any case fails, or ends its process."""
    if jobs is None:
        jobs = min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if (packages or sample or tries) and not (mutants and backends):
        raise click.UsageError("--source, --sample and --tries need --mutants --backend NAME")
    if mutants and len(backends) > 1:
        raise click.UsageError(f"--mutants: expected one --backend, found {len(backends)}")
    look_here()
    if mutants and backends:
        return _changes(backends[0], list(packages), pattern, max(jobs, 1), sample, seed, tries, report)
    return (
        _mutants(max(jobs, 1), limit, report)
        if mutants
        else _cases(backends, pattern, patterns or ("*",), jobs, limit, report)
    )


def _cases(
    names: tuple[str, ...],
    pattern: str,
    patterns: tuple[str, ...],
    jobs: int,
    limit: float | None,
    report: Path | None,
) -> int:
    """The suite on each of the backends."""
    from rnnspec import backends
    from rnnspec.cli.report import results_table
    from rnnspec.conformance import record
    from rnnspec.conformance.workers import LIMIT, Workers

    names = names or tuple(backends.installed())
    with progress("conformance") as told, Workers(jobs, limit or LIMIT, told=told) as workers:
        found = record.results(names, pattern, workers, patterns)
        if not found:
            raise click.ClickException(
                f"--case {pattern}, --variant {', '.join(patterns)}: there is no such case or variant"
            )
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


def _mutants(jobs: int, limit: float | None, report: Path | None) -> int:
    """The suite on the catalogue of wrong implementations."""
    from rnnspec.cli.report import mutants_table
    from rnnspec.conformance import record
    from rnnspec.conformance.workers import LIMIT, Workers

    with progress("mutants") as told, Workers(jobs, limit or LIMIT, told=told) as workers:
        scores = record.scores(workers)
    if report:
        record.write(report, {"mutants": scores})
    return mutants_table(scores)


def _changes(
    backend: str,
    packages: list[str],
    pattern: str,
    jobs: int,
    sample: int | None,
    seed: int,
    tries: int | None,
    report: Path | None,
) -> int:
    """The suite on changes of a backend's source."""
    from rnnspec.cli.report import changes_table
    from rnnspec.conformance import generated, record

    packages = packages or [generated.home(backend)]
    rows = []
    for row in generated.run(backend, packages, pattern, jobs, sample, seed, tries):
        rows.append(row)
        if row.outcome == "survived":  # it may be long until the last of them
            some = f" (on {row.tried} of {row.cases} cases)" if row.tried < row.cases else ""
            click.echo(f"SURVIVED {row.package}: line {row.line}: {row.change}{some}")
    faults = generated.faults(packages, rows)
    if report:
        record.write(report, {"changes": [dataclasses.asdict(row) for row in rows]})
    return changes_table(rows, faults)
