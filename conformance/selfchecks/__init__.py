"""Checks of ourselves: the clauses of SPEC.md that speak of the library and not of a backend, each with a check."""

from rnnspec.conformance.check import Check
from rnnspec.conformance.selfchecks import (
    backends,
    calls,
    declarations,
    export,
    export_file,
    files,
    graphs,
    schema,
    shapes,
    starting,
    tolerance,
)


def checks() -> tuple[Check, ...]:
    """All of them; those that need a package which is not installed say so when they are run."""
    modules = (schema, files, starting, export, export_file, graphs, shapes, tolerance, backends, calls, declarations)
    return tuple(check for module in modules for check in module.CHECKS)
