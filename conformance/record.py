"""Running the whole suite, and what a report holds."""

import dataclasses
import json
import multiprocessing
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

from rnnspec import backends
from rnnspec.checkpoint import write_atomically
from rnnspec.conformance.growth import growth
from rnnspec.conformance.library import checks
from rnnspec.conformance.mutants import Mutant, killer, mutants
from rnnspec.conformance.nodes import node_killer
from rnnspec.conformance.runner import Result, run, run_check, variants
from rnnspec.conformance.vectors import cases
from rnnspec.version import __version__

_PACKAGES = ("numpy", "torch", "tensorflow", "keras", "onnx", "onnxruntime", "jax", "safetensors", "msgspec")
_SHARES = 4  # parts of the suite for each process, so that none waits long for another


def results(names: Iterable[str], pattern: str = "*", jobs: int = 1) -> list[Result]:
    """Every case whose id matches, on every variant of the backends, in that order; then the checks of the library."""
    parts = [(name, k, jobs * _SHARES) for name in names for k in range(jobs * _SHARES)]
    done = [result for part in _map(partial(_share, pattern), parts, jobs) for result in part]
    done += [run_check(check) for check in checks() if fnmatchcase(check.id, pattern)]
    order = {name: k for k, name in enumerate(dict.fromkeys(row.variant for row in done))}
    return sorted(done, key=lambda row: (order[row.variant], row.case))


def _share(pattern: str, part: tuple[str, int, int]) -> list[Result]:
    """Every n-th case, from the k-th on."""
    name, k, n = part
    chosen = [case for case in cases() if fnmatchcase(case.id, pattern)][k::n]
    return [run(case, variant) for variant in variants(backends.get(name)) for case in chosen]


def _map(function: Callable, parts: list, jobs: int) -> Iterator:
    if jobs == 1:
        yield from map(function, parts)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _quiet) as pool:
        yield from pool.map(function, parts)


def _quiet() -> None:
    """Nothing on standard error, where frameworks put their notices; what is raised goes to the first process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def scores(jobs: int = 1) -> list[dict[str, Any]]:
    """What became of each mutant: its words, its clause, the case that caught it, or None; and where onnx is installed,
    the one of ONNX's own tests of its nodes that would have, or None.
    """
    parts = [range(k, len(_mutants()), jobs * _SHARES) for k in range(jobs * _SHARES)]
    rows = {k: row for part in _map(_killed, parts, jobs) for k, row in part}
    return [rows[k] for k in sorted(rows)]


def _killed(part: range) -> list[tuple[int, dict[str, Any]]]:
    found = []
    for k in part:
        mutant = _mutants()[k]
        row = {"mutant": mutant.wrong, "clause": mutant.clause, "caught_by": killer(mutant, cases())}
        found.append((k, row | ({"onnx_caught_by": node_killer(mutant)} if _installed("onnx") else {})))
    return found


@cache
def _mutants() -> list[Mutant]:
    return [mutant for mutant in mutants() if not mutant.missing]


def described(names: Iterable[str], found: list[Result]) -> dict[str, Any]:
    """A report: what ran where, every result, and how rounding grows in each float32 variant."""
    return {
        "rnnspec": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {name: metadata.version(name) for name in _PACKAGES if _installed(name)},
        "results": [_row(result) for result in found],
        "growth": {
            variant.name: growth(variant)
            for name in names
            for variant in variants(backends.get(name))
            if variant.dtype == "float32"
        },
    }


def _installed(name: str) -> bool:
    return any(True for _ in metadata.Distribution.discover(name=name))


def _row(result: Result) -> dict[str, Any]:
    """A result in JSON; numbers with three digits, and none that JSON does not know."""
    row = dataclasses.asdict(result)
    for key in ("error", "headroom"):
        row[key] = f"{row[key]:.3g}"
    return row


def write(path: Path, report: dict[str, Any]) -> None:
    """The report as JSON, whole or not at all."""
    write_atomically(path, (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode())
