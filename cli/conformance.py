"""`rnnspec conformance`: the suite, on any backend."""

from pathlib import Path

import click

from rnnspec.cli.options import backend_option, chosen_backends


@click.command()
@backend_option("A backend or importable module with load(checkpoint); again for more. Default: all installed.")
@click.option("--json", "report", type=click.Path(path_type=Path), metavar="FILE", help="Also write every result.")
def conformance(backends: tuple[str, ...], report: Path | None) -> int:
    """Run the conformance suite; exit 1 when any case fails."""
    from rich.console import Console
    from rich.progress import track

    from rnnspec.cli.report import results_table
    from rnnspec.conformance import cases, run, variants

    modules = chosen_backends(backends)
    tried = [(case, variant) for module in modules.values() for variant in variants(module) for case in cases()]
    console = Console(stderr=True)
    results = [run(case, variant) for case, variant in track(tried, "running", console=console, transient=True)]
    if report:
        import dataclasses
        import json

        from rnnspec.checkpoint import write_atomically

        rows = [dataclasses.asdict(result) | {"error": f"{result.error:.3e}"} for result in results]
        write_atomically(report, (json.dumps(rows, indent=1) + "\n").encode())
    return results_table(results, f"{len(list(cases()))} cases")
