"""How each option of the specification fares in each column, as words and numbers of fixed width."""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache

from rnnspec.conformance import Case, Invalid, Protocol, cases
from rnnspec.report.columns import Column, Row

# Heading → the features (CONF-5) that stand under it.
GROUPS = {
    "Cells": r"cell\.",
    "Layers": r"layer\.(?!recurrent|dense\.activation)|model\.",
    "Unroll": r"layer\.recurrent",
    "Calls": r"call\.(?!training)",
    "Activations": r"layer\.dense\.activation",
    "Training": r"call\.training|training\.",
    "Invalid": r"invalid",
}
INVALID = "invalid input refused"
SEQUENCE = "call.in sequence"
LEGEND = (
    "`7.0e-07 3.0×` worst error and least headroom of the cases with this option that passed",
    "`ok` passed, with nothing to compare or no error at all",
    "`no` refused, as the backend declares; `some` after numbers: some of the cases are",
    "`known` some of the cases are expected failures, listed below",
    "`FAIL` at least one case failed",
    "`–` not run",
)


@cache
def options() -> dict[str, list[str]]:
    """Option → the ids of the cases that try it."""
    found = defaultdict(list)
    for case in cases():
        for option in _tried(case):
            found[option].append(case.id)
    return dict(sorted(found.items()))


def _tried(case: Case | Invalid | Protocol) -> set[str]:
    """Training counts by itself: a backend that has no training has every cell all the same."""
    if isinstance(case, Invalid):
        return {INVALID}
    if isinstance(case, Protocol):
        return {SEQUENCE}
    return {option for option in case.features if not case.training or re.match(GROUPS["Training"], option)}


def groups() -> dict[str, list[str]]:
    """Heading → its options."""
    return {name: [option for option in options() if re.match(pattern, option)] for name, pattern in GROUPS.items()}


def cell(column: Column, option: str) -> str:
    """What LEGEND explains."""
    rows = [column.rows[id] for id in options()[option] if id in column.rows]
    outcomes = {row.outcome for row in rows}
    if not rows:
        return "–"
    if "fail" in outcomes:
        return "FAIL"
    if outcomes == {"unsupported"}:
        return "no"
    words = [numbers(rows)] if "pass" in outcomes else []
    words += ["known"] if "expected failure" in outcomes else []
    words += ["some"] if "unsupported" in outcomes else []
    return " ".join(words)


def numbers(rows: Iterable[Row]) -> str:
    """The worst error and the least headroom of those that passed; empty where none did."""
    passed = [row for row in rows if row.outcome == "pass"]
    if not passed:
        return ""
    error, headroom = max(row.error for row in passed), min(row.headroom for row in passed)
    return f"{error:.1e} {times(headroom)}" if error else "ok"


def times(headroom: float) -> str:
    """How often each was tried."""
    return f"{headroom:.1f}×" if headroom < 100 else f"{headroom:.0f}×"
