"""The sections of the report, each once for both pages: paragraphs, lists and tables whose text is Markdown."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from importlib.resources import files

import msgspec

from rnnspec.conformance import cases
from rnnspec.conformance.growth import CELLS, STEPS, UNITS
from rnnspec.report.columns import Mutant, Run
from rnnspec.report.options import numbers
from rnnspec.report.plot import allowed, lines

SPEC = "spec/SPEC.md"
ABOUT = (
    f"The **error** of a case ([ACC-1]({SPEC}#accuracy)) is the largest difference from the expected numbers, relative "
    "to those above 1, over all outputs and final states, padded steps too. Rounding in float32 makes errors of about "
    "1e-07, a wrong convention 1e-03 and more; expected numbers have 40 bits, to which float64 is held.",
    "The **headroom** is how many times the error would fit into what the specification allows the case "
    f"([ACC-2]({SPEC}#accuracy)): a bound derived from the precision, the longest sum, the number of steps and the "
    "condition of the case. Below 1× it fails.",
)


@dataclass
class Table:
    """Text of one line in each cell: plain, `code` or [a link](to)."""

    header: list[str]
    rows: list[list[str]]


Section = tuple[str, list[str | list[str] | Table]]  # its title; paragraphs, lists and tables


def code(text: str) -> str:
    """Any text on one line, such that nothing in it is taken for markup."""
    return f"`{' '.join(text.split()).replace('`', chr(39))}`" if text.strip() else ""


def before(run: Run) -> list[Section]:
    """What stands before the tables of options."""
    return [_head(run), _columns(run)]


def after(run: Run) -> list[Section]:
    """What stands after them."""
    return [_failures(run), _expected(run), *([_mutants(run)] if run.mutants else []), _kernels(run), _growth(run)]


def _head(run: Run) -> Section:
    spec = set(re.findall(r"\*\*([A-Z]+-\d+)\*\*", files("rnnspec").joinpath("SPEC.md").read_text(encoding="utf-8")))
    rows = [row for column in run.columns for row in column.rows.values()]
    tried, known = {row.case for row in rows}, {case.id for case in cases()}
    cited = {clause for row in rows for clause in row.clauses} & spec
    places = dict.fromkeys(
        (f"{c.runtime} {c.version}".strip(), *place) for c in run.columns for place in sorted(c.places)
    )
    return "Conformance", [
        f"{len(tried & known)} cases and {len(tried - known)} checks of the library cite {len(cited)} of the "
        f"{len(spec)} clauses of [the specification]({SPEC}). {_scores(run.mutants)} `tox` runs them all, here "
        f"on rnnspec {run.rnnspec}, and `tox run -e report` writes this page from the reports of its environments.",
        *ABOUT,
        Table(["runtime", "Python", "with", "machine"], [list(place) for place in places]),
    ]


def _scores(mutants: list[Mutant]) -> str:
    if not mutants:
        return "No report of mutants was given."
    text = f"Of {len(mutants)} mutants, implementations with one plausible mistake each, they catch {_score(mutants)}"
    if _beside(mutants):
        text += f"; ONNX's own node tests, put to the same, catch {_onnx_score(mutants)}"
    return f"{text}."


def _columns(run: Run) -> Section:
    rows = []
    for column in run.columns:
        count = Counter(row.outcome for row in column.rows.values())
        outcomes = (str(count[outcome]) for outcome in ("pass", "fail", "unsupported", "expected failure"))
        worst, _, room = numbers(column.rows.values()).partition(" ")
        rows.append([column.name, *outcomes, worst, room])
    names = ["passed", "failed", "unsupported", "expected failures", "worst error", "least headroom"]
    return "Results", [Table(["backend", *names], rows)]


def _failures(run: Run) -> Section:
    found = [f"**FAIL** {name}: {what}: {code(why)}" for name, what, why in run.failures]
    return "Failures", [found or "None."]


def _expected(run: Run) -> Section:
    found = [
        f"{column.name}: {row.case}: {code(row.detail)}{f' ([why]({row.link}))' if row.link else ''}"
        for column in run.columns
        for row in column.rows.values()
        if row.outcome == "expected failure"
    ]
    return "Expected failures", [found or "None."]


def _mutants(run: Run) -> Section:
    families: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in run.mutants:
        families[mutant.clause.rsplit("-", 1)[0]].append(mutant)
    rows = [_row(name, families[name]) for name in sorted(families)] + [_row("all", run.mutants)]
    text = "Wrong implementations, by the clause that each breaks. One is caught when a case fails."
    if not _beside(run.mutants):
        return "Mutants", [text, Table(["clauses", "mutants", "caught"], [row[:3] for row in rows])]
    text += " ONNX's node tests try its RNN, GRU and LSTM, with most of their weights equal."
    return "Mutants", [text, Table(["clauses", "mutants", "caught", "caught by ONNX's node tests"], rows)]


def _row(name: str, mutants: list[Mutant]) -> list[str]:
    return [name, str(len(mutants)), _score(mutants), _onnx_score(mutants)]


def _beside(mutants: list[Mutant]) -> bool:
    """Whether ONNX's node tests were put to them."""
    return any(mutant.onnx_caught_by is not msgspec.UNSET for mutant in mutants)


def _score(mutants: list[Mutant]) -> str:
    return _of(sum(mutant.caught_by is not None for mutant in mutants), len(mutants))


def _onnx_score(mutants: list[Mutant]) -> str:
    return _of(sum(isinstance(mutant.onnx_caught_by, str) for mutant in mutants), len(mutants))


def _of(part: int, whole: int) -> str:
    """With the share rounded down, so that 100 % is all of them."""
    return f"{part} ({100 * part // whole} %)"


def _kernels(run: Run) -> Section:
    rows = []
    for column in run.columns:
        paths = [path for row in column.rows.values() for path in row.paths.values()]
        kernels = Counter(name for path in paths for name in _names(path))
        if kernels:
            rows.append([column.name, ", ".join(f"{code(name)} {count}" for name, count in sorted(kernels.items()))])
    text = "By what each net says of its layers: a kernel of the framework, or a loop over the cell's step."
    return "Which kernels ran", [text, Table(["backend", "kernels and layers"], rows)]


def _names(path: str) -> list[str]:
    """`forward: native LSTM; backward: native GRU` → LSTM, GRU; `generic: …` → generic, whatever the reason."""
    found = re.findall(r"native:? ([\w.]+(?: \+ [\w.]+)*)|\b(generic|fused|Scan):", path)
    return [name for native, other in found for name in (native.split(" + ") if native else [other])]


def _growth(run: Run) -> Section:
    found = lines(run.columns)
    rows = [[name, *(f"{cells[c][-1]:.1e}" if c in cells else "–" for c in CELLS)] for name, cells in found.items()]
    most = f"{allowed(STEPS):.1e}"
    return "Growth over time", [
        f"The worst error of y in float32 up to each of {STEPS} steps, of {UNITS} units with their starting values; of "
        f"several versions the worst. Allowed is what ACC-2 gives for the condition 1/2, the least. At step {STEPS}:",
        Table(["backend", *CELLS], [*rows, ["**allowed**", *(most for _ in CELLS)]]),
    ]
