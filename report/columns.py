"""Reports of `rnnspec conformance --json` read into columns: one for each variant of a backend and version."""

import re
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

import msgspec

from rnnspec import backends
from rnnspec.conformance import cases

# Of one case that was run twice in a column, under two Pythons, the later of these counts.
Outcome = Literal["unsupported", "pass", "expected failure", "fail"]


class Row(msgspec.Struct):
    """What became of one case on one variant."""

    case: str
    variant: str
    outcome: Outcome
    error: float
    headroom: float
    detail: str = ""
    clauses: tuple[str, ...] = ()
    paths: dict[str, str] = {}
    link: str = ""


class Mutant(msgspec.Struct):
    """What became of one wrong implementation; `onnx_caught_by` where ONNX's own node tests were put to it too."""

    mutant: str
    clause: str
    caught_by: str | None
    onnx_caught_by: str | msgspec.UnsetType | None = msgspec.UNSET


class Report(msgspec.Struct):
    """One file."""

    rnnspec: str = ""
    python: str = ""
    machine: str = ""
    packages: dict[str, str] = {}
    results: list[Row] = []
    growth: dict[str, dict[str, list[float]]] = {}
    mutants: list[Mutant] = []


@dataclass
class Column:
    """`runtime` is the backend's name, `variant` the rest: path and dtype."""

    runtime: str
    version: str
    variant: str
    rows: dict[str, Row] = field(default_factory=dict)
    growth: list[dict[str, list[float]]] = field(default_factory=list)
    places: set[tuple[str, ...]] = field(default_factory=set)

    @property
    def name(self) -> str:
        """What stands above the column."""
        return " ".join(filter(None, (self.runtime, self.version, self.variant)))

    @property
    def tries_options(self) -> bool:
        """Whether it ran cases, which have options: what checks the library runs checks alone."""
        return bool(self.rows.keys() & {case.id for case in cases()})

    @property
    def missing(self) -> list[str]:
        """The cases that it did not run."""
        return [case.id for case in cases() if case.id not in self.rows] if self.tries_options else []

    def add(self, row: Row) -> None:
        """The worse of two results counts, in each of its numbers."""
        if other := self.rows.get(row.case):
            worse = max(row, other, key=lambda row: get_args(Outcome).index(row.outcome))
            row = msgspec.structs.replace(
                worse, error=max(row.error, other.error), headroom=min(row.headroom, other.headroom)
            )
        self.rows[row.case] = row


@dataclass
class Run:
    """All reports together."""

    rnnspec: str
    columns: list[Column]
    mutants: list[Mutant]

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """Where, what and why: cases that failed or were not run, mutants that no case caught."""
        found = [(c.name, r.case, r.detail) for c in self.columns for r in c.rows.values() if r.outcome == "fail"]
        found += [(c.name, c.missing[0], f"not run, one of {len(c.missing)}") for c in self.columns if c.missing]
        found += [("mutant", m.clause, f"not caught: {m.mutant}") for m in self.mutants if m.caught_by is None]
        return found


def read(paths: list[Path]) -> Run:
    """The reports of these files and of the .json files in these folders, merged.

    Raises:
        SystemExit: a file that is no report, none at all, reports of different suites, or two of mutants.
    """
    files = sorted(chain.from_iterable(path.glob("*.json") if path.is_dir() else (path,) for path in paths))
    reports = {file: _decode(file) for file in files}
    versions = {report.rnnspec: file for file, report in reports.items() if report.results}
    if len(versions) != 1:
        given = ", ".join(f"{file} of {version}" for version, file in versions.items()) or "none"
        raise SystemExit(f"reports: expected some, all of one version of rnnspec; found {given}; run them again")
    mutants = [file for file, report in reports.items() if report.mutants]
    if len(mutants) > 1:
        raise SystemExit(f"reports of mutants: expected one; found {', '.join(map(str, mutants))}; remove the others")
    columns: dict[tuple[str, ...], Column] = {}
    for report in reports.values():
        _collect(report, columns)
    found = reports[mutants[0]].mutants if mutants else []
    return Run(next(iter(versions)), sorted(columns.values(), key=_order), found)


def _decode(file: Path) -> Report:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Report, strict=False)
    except (OSError, msgspec.MsgspecError) as error:
        raise SystemExit(f"{file}: {error}; expected what `rnnspec conformance --json` writes") from None


def _collect(report: Report, columns: dict[tuple[str, ...], Column]) -> None:
    def column(name: str) -> Column:
        runtime, _, variant = name.partition(" ")
        version = report.rnnspec if runtime == "library" else report.packages.get(runtime, "").removesuffix("+cpu")
        found = columns.setdefault((runtime, version, variant), Column(runtime, version, variant))
        needs = (*backends.REQUIRES[runtime][0], "numpy") if runtime in backends.REQUIRES else ()
        beside = (f"{name} {report.packages[name]}" for name in needs if name != runtime and name in report.packages)
        found.places.add((report.python, ", ".join(beside), report.machine))
        return found

    for row in report.results:
        column(row.variant).add(row)
    for name, steps in report.growth.items():
        column(name).growth.append(steps)


def _order(column: Column) -> tuple:
    """The reference first; versions of one variant side by side, the older first."""
    version = [int(part) for part in re.findall(r"\d+", column.version)]
    return column.runtime != "numpy", column.runtime, column.variant, version
