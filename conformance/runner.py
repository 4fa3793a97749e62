"""Run cases on a backend: any module with `load(checkpoint) -> net` (CONF-1 to CONF-7)."""

import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.case import Case
from rnnspec.conformance.check import Check
from rnnspec.conformance.everything import check_expected
from rnnspec.conformance.exchange import Exchange
from rnnspec.conformance.invalid import Invalid
from rnnspec.conformance.protocol import Protocol
from rnnspec.conformance.variant import Absent, Variant, variants
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.inputs import STEPS, as_call
from rnnspec.model import Model

__all__ = ["Result", "Variant", "run", "run_check", "variants"]

FRESH = 8  # of so many cases, one is run with other numbers too, which no file holds
SINGLE = 3  # of so many cases, one has its gradients tried in float32 too: compilers take longest over them


@dataclass(frozen=True)
class Result:
    """What came of a case: "pass", "fail", "unsupported" (refused, as declared) or "expected failure" (as declared).

    `error` is the worst of all arrays, `headroom` how many times it would fit into what ACC-2 allows; `paths`: the path
    that each layer took, as the net says; `link`: of an expected failure.
    """

    case: str
    variant: str
    outcome: str
    error: float = 0.0
    headroom: float = float("inf")
    detail: str = ""
    clauses: tuple[str, ...] = field(default=())
    paths: dict[str, str] = field(default_factory=dict)
    link: str = ""


def run_check(check: Check) -> Result:
    """A check of the library itself, which has no variants; "unsupported" where a package that it needs is missing."""
    if check.missing:
        return Result(check.id, "library", "unsupported", detail=f"needs {check.missing[0]}", clauses=check.clauses)
    try:
        check.run()
    except Exception as problem:
        detail = str(problem) if isinstance(problem, AssertionError) else f"{type(problem).__name__}: {problem}"
        return Result(check.id, "library", "fail", float("inf"), 0.0, detail, check.clauses)
    return Result(check.id, "library", "pass", clauses=check.clauses)


def run(case: Case | Invalid | Protocol | Check, variant: Variant) -> Result:
    """One case on one variant; any exception other than UnsupportedError is a failure."""
    if isinstance(case, Check):
        return run_check(case)
    check_expected(variant.declared)
    if isinstance(case, Invalid):
        return _refused(case, variant)
    exchange = Exchange(case.case if isinstance(case, Protocol) else case, variant)
    play = case.play if isinstance(case, Protocol) else _play
    declared = variant.declared.refusal(variant.short, features(case, variant))
    error, headroom, detail = float("inf"), 0.0, ""
    try:
        play(exchange)
    except UnsupportedError as refusal:
        if declared or not variant.declared.strict or isinstance(refusal, Absent):
            return Result(case.id, variant.name, "unsupported", 0.0, float("inf"), str(refusal), case.clauses)
        detail = f"refused, but not declared: {refusal}"
    except AssertionError as problem:
        error, headroom, detail = exchange.error, exchange.headroom, str(problem) or "AssertionError"
    except Exception as problem:
        detail = f"{type(problem).__name__}: {problem}"
    else:
        error, headroom = exchange.error, exchange.headroom
        if declared:
            detail = f"declared unsupported, but it answered: {declared}"
    outcome = "fail" if detail else "pass"
    known = variant.declared.failure(variant.short, case.id)
    if known:
        outcome = "expected failure" if detail else "fail"
        detail = known.reason if detail else f"expected to fail, but it passed: {known.reason}"
    link = known.link if known else ""
    return Result(case.id, variant.name, outcome, error, headroom, detail, case.clauses, exchange.paths, link)


def _play(exchange: Exchange) -> None:
    """A case: its call, the same with the rows in another order, and again when all arrays are overwritten, but not on
    paths that are forced; where gradients are tried, those; some cases beside a network with other numbers (CONF-7).
    """
    case, variant = exchange.case, exchange.variant
    options = {"time_major": True} if case.time_major else {}
    net = exchange.load(case, **options | ({"seed": case.seed} if case.training else {}))
    if _infers(case, variant):
        exchange.call(net)
        if variant.path is None:
            exchange.call(net, case.rows(slice(None, None, -1)), "the same rows in another order: ")
            exchange.watch.spoil()
            exchange.call(net, what="after the caller wrote into arguments, results and weights: ")
    if _trains(case, variant):
        exchange.vjp(net)
        exchange.watch.spoil()
    if _infers(case, variant) and zlib.crc32(case.id.encode()) % FRESH == 0:
        fresh = case.fresh(seed=1)
        exchange.call(exchange.load(fresh, **options), fresh, "with other numbers: ")
        exchange.call(net, what="beside another network: ")
    exchange.watch.check()


def lost(case: Case | Invalid | Protocol | Check, how: str, variant: Variant | None = None) -> Result:
    """What came of a case that ended its process, or did not end."""
    name = variant.name if variant else "library"
    known = variant.declared.failure(variant.short, case.id) if variant else None
    outcome, detail, link = ("expected failure", known.reason, known.link) if known else ("fail", how, "")
    return Result(case.id, name, outcome, float("inf"), 0.0, detail, case.clauses, link=link)


def _refused(case: Invalid, variant: Variant) -> Result:
    """Whether an invalid case is refused by the right error, in one line that says what is wrong."""
    keys = {name.rpartition(".")[2] for name in case.inputs}
    asked = {f"dtype.{variant.dtype}", *(f"call.{key}" for key in STEPS if key in keys)}
    if isinstance(case.model, dict) and isinstance(case.model.get("inputs"), dict):
        asked.add("model.graph")
    if declared := variant.declared.refusal(variant.short, asked):
        return Result(case.id, variant.name, "unsupported", detail=declared, clauses=case.clauses)
    try:
        _attempt(case, variant)
    except (SpecError, UnsupportedError) as refusal:
        text, kind = str(refusal), type(refusal).__name__
        missing = [word for word in case.says if word not in text]
        detail = f"expected {case.error}, found {kind}: {text}" if kind != case.error else ""
        detail = detail or (f"the error does not say {missing[0]!r}: {text}" if missing else "")
        detail = detail or ("the error has more than one line" if "\n" in text else "")
    except Exception as problem:
        detail = f"expected {case.error}, found {type(problem).__name__}: {problem}"
    else:
        detail = f"accepted; expected {case.error}"
    return Result(case.id, variant.name, "fail" if detail else "pass", detail=detail, clauses=case.clauses)


def _attempt(case: Invalid, variant: Variant) -> None:
    if case.file is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            path.write_bytes(case.file)
            variant.module.load(path)
            return
    model = Model.from_builtins(case.model)
    if not case.weights:  # it is the architecture that is wrong
        return
    net = variant.module.load(Checkpoint(model, case.weights), **variant.options)
    given = [""] if not model.by_name else [f"{name}." for name in model.given]
    known = {"x", *model.given, *(f"{name}{key}" for name in given for key in STEPS)}
    states = {name: value for name, value in case.inputs.items() if name not in known}
    call = as_call(model, case.inputs) | ({"state": states} if states else {})
    if case.step:
        net.step(call.pop("x"), call.pop("state", None), **call)
    else:
        net(**call)


def features(case: Case | Protocol, variant: Variant) -> set[str]:
    """What is asked of this variant: the case's features, its dtype, and gradients where they are tried."""
    gradients = {"call.gradients"} if isinstance(case, Case) and _trains(case, variant) else set()
    return case.features | {f"dtype.{variant.dtype}"} | gradients


def _infers(case: Case, variant: Variant) -> bool:
    """In float64 the gradients come with the results."""
    return not case.training and (variant.dtype == "float32" or not _trains(case, variant))


def _trains(case: Case, variant: Variant) -> bool:
    """Noise needs a training call. Other gradients are tried in float64, and in float32 where there is no float64, else
    those of some cases.
    """
    if case.training or not (case.gradients and variant.trains):
        return case.training
    every = variant.dtype == "float64" or "dtype" not in variant.takes
    return every or zlib.crc32(case.id.encode()) % SINGLE == 0
