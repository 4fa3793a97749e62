"""Run cases on a backend: any module with `load(checkpoint) -> net` (CONF-1 to CONF-7)."""

import inspect
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from rnnspec import accuracy
from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.case import SEED, Arrays, Case, as_call
from rnnspec.conformance.check import Check
from rnnspec.conformance.declaration import Declaration, declaration
from rnnspec.conformance.invalid import Invalid
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.model import Model

FRESH = 8  # of so many cases, one is run with other numbers too, which no file holds


class Absent(UnsupportedError):
    """The module has no such function or option: that declares itself."""


@dataclass(frozen=True)
class Variant:
    """A backend under one set of its options."""

    module: ModuleType
    dtype: str = "float32"
    path: str | None = None

    @property
    def name(self) -> str:
        return f"{self.module.__name__.removeprefix('rnnspec.backends.')} {self.short}"

    @property
    def short(self) -> str:
        """Its name without the backend's: what declarations are about."""
        return f"{self.path} {self.dtype}" if self.path else self.dtype

    @cached_property
    def declared(self) -> Declaration:
        return declaration(self.module)

    @cached_property
    def takes(self) -> set[str]:
        """The keywords of the module's `load`."""
        return set(inspect.signature(self.module.load).parameters)

    @property
    def options(self) -> dict[str, Any]:
        """What `load` is given besides the checkpoint."""
        return ({} if self.dtype == "float32" else {"dtype": self.dtype}) | ({"path": self.path} if self.path else {})

    def load(self, case: Case) -> Any:
        """A net; options are only passed where they are not the default: `load(checkpoint)` is all one needs.

        Raises:
            Absent: the module has not what the case asks for.
        """
        if case.training and not {"vjp", "seed"} <= self.takes | set(vars(self.module)):
            raise Absent("no `vjp`, or `load` takes no `seed`: the backend does not train")
        if case.time_major and "time_major" not in self.takes:
            raise Absent("`load` takes no `time_major`")
        options = dict(self.options)
        options |= {"seed": SEED} if case.training else {}
        options |= {"time_major": True} if case.time_major else {}
        return self.module.load(case.checkpoint, **options)


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


def variants(module: ModuleType) -> list[Variant]:
    """float32 and, where `load` takes a dtype, float64; each of the module's PATHS where it takes a path."""
    takes = inspect.signature(module.load).parameters
    dtypes = ("float32", "float64") if "dtype" in takes else ("float32",)
    paths = module.PATHS if "path" in takes else (None,)
    return [Variant(module, dtype, path) for path in paths for dtype in dtypes]


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


def run(case: Case | Invalid | Check, variant: Variant) -> Result:
    """One case on one variant; any exception other than UnsupportedError is a failure."""
    if isinstance(case, Check):
        return run_check(case)
    if isinstance(case, Invalid):
        return _refused(case, variant)
    paths: dict[str, str] = {}
    error, allowed, detail = 0.0, case.allowed(variant.dtype, variant.declared.looseness), ""
    declared = variant.declared.refusal(variant.short, features(case, variant))
    try:
        for found, expected, factor in _answers(case, variant, paths):
            error = max(error, _worst(found, expected) / factor)
            detail = detail or _compare(found, expected, variant.dtype, allowed * factor)
    except UnsupportedError as refusal:
        if declared or not variant.declared.strict or isinstance(refusal, Absent):
            return Result(case.id, variant.name, "unsupported", 0.0, float("inf"), str(refusal), case.clauses)
        error, detail = float("inf"), f"refused, but not declared: {refusal}"
    except Exception as problem:
        error, detail = float("inf"), f"{type(problem).__name__}: {problem}"
    else:
        if declared and not detail:
            detail = f"declared unsupported, but it answered: {declared}"
    headroom = allowed / error if error else float("inf")
    outcome = "fail" if detail else "pass"
    known = variant.declared.failure(variant.short, case.id)
    if known:
        outcome = "expected failure" if detail else "fail"
        detail = known.reason if detail else f"expected to fail, but it passed: {known.reason}"
    link = known.link if known else ""
    return Result(case.id, variant.name, outcome, error, headroom, detail, case.clauses, paths, link)


def lost(case: Case | Invalid | Check, how: str, variant: Variant | None = None) -> Result:
    """What came of a case that ended its process, or did not end."""
    name = variant.name if variant else "library"
    known = variant.declared.failure(variant.short, case.id) if variant else None
    outcome, detail, link = ("expected failure", known.reason, known.link) if known else ("fail", how, "")
    return Result(case.id, name, outcome, float("inf"), 0.0, detail, case.clauses, link=link)


def _refused(case: Invalid, variant: Variant) -> Result:
    """Whether an invalid case is refused by the right error, in one line that says what is wrong."""
    asked = {f"dtype.{variant.dtype}", *(f"call.{key}" for key in ("lengths", "mask", "reset") if key in case.inputs)}
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
    states = {name: value for name, value in case.inputs.items() if name not in ("x", "lengths", "mask", "reset")}
    call = as_call(model, case.inputs) | ({"state": states} if states else {})
    if case.step:
        net.step(call["x"], call.get("state"))
    else:
        net(**call)


def features(case: Case, variant: Variant) -> set[str]:
    """What is asked of this variant: the case's features, its dtype, and gradients where they are tried."""
    gradients = {"call.gradients"} if _trains(case, variant) else set()
    return case.features | {f"dtype.{variant.dtype}"} | gradients


def _trains(case: Case, variant: Variant) -> bool:
    """Gradients are tried in float64, or in float32 where there is no float64; noise needs a training call."""
    return case.training or (bool(case.gradients) and hasattr(variant.module, "vjp") and variant.dtype == "float64")


def _answers(case: Case, variant: Variant, paths: dict[str, str]) -> Iterator[tuple[Arrays, Arrays, float]]:
    """What the backend answers, what it should, and by how much more than ACC-2 says the first may be off."""
    net = variant.load(case)
    if hasattr(net, "paths"):
        paths |= net.paths()
    if _trains(case, variant):
        results, gradients = variant.module.vjp(net, case.cotangents, **case.call, training=case.training)
        yield _arrays(results), case.expected, 1.0
        yield _arrays(gradients), case.gradients, _summed(case)
        return
    yield _call(case, net), case.expected, 1.0
    if zlib.crc32(case.id.encode()) % FRESH == 0:
        fresh = case.fresh(seed=1)
        yield _call(fresh, variant.load(fresh)), fresh.expected, fresh.condition / case.condition


def _summed(case: Case) -> float:
    """A gradient is summed over rows and steps, and as large as its parts are many: √(batch · time) · its size."""
    batch, time = case.inputs["x"].shape[:2]
    largest = max((float(np.abs(array).max(initial=0)) for array in case.gradients.values()), default=0.0)
    return max(1, batch * time) ** 0.5 * max(1.0, largest)


def _call(case: Case, net: Any) -> Arrays:
    """y and final states as arrays, by the way of calling that the case asks for."""
    call = case.call
    if case.time_major:
        y, state = net(**call | {"x": call["x"].swapaxes(0, 1)})
        y = tuple(map(_batch_major, y)) if case.model.separate else _batch_major(y)
    elif case.split == "whole":
        y, state = net(**call)
    else:
        x, state = call["x"], call.get("state")
        outputs = []
        for part in np.split(x, [2], 1) if case.split == "chunks" else np.moveaxis(x, 1, 0):
            y, state = net(part, state=state) if case.split == "chunks" else net.step(part, state)
            outputs.append(np.asarray(y))
        y = np.concatenate(outputs, 1) if case.split == "chunks" else np.stack(outputs, 1)
    return _arrays({**case.model.named(y), **state})


def _batch_major(y: Any) -> np.ndarray:
    y = np.asarray(y)
    return y.swapaxes(0, 1) if y.ndim == 3 else y


def _arrays(results: dict) -> Arrays:
    return {name: np.asarray(value) for name, value in results.items()}


def _worst(found: Arrays, expected: Arrays) -> float:
    return accuracy.worst(found, expected)[1] if set(found) == set(expected) else float("inf")


def _compare(found: Arrays, expected: Arrays, dtype: str, allowed: float) -> str:
    """What is wrong; empty where nothing is (ACC-1 to ACC-3)."""
    if set(found) != set(expected):
        return f"expected {', '.join(expected)}, found {', '.join(found)}"
    for name, array in found.items():
        if array.dtype != dtype:
            return f"{name}: expected {dtype}, found {array.dtype}"
    name, error = accuracy.worst(found, expected)
    return "" if error <= allowed else _where(name, found[name], expected[name])


def _where(name: str, found: np.ndarray, expected: np.ndarray) -> str:
    """The place that is off the most, in words."""
    if found.shape != expected.shape:
        return f"{name}: expected shape {expected.shape}, found {found.shape}"
    place = np.unravel_index(accuracy.errors(found, expected).argmax(), found.shape)
    return f"{name}[{', '.join(map(str, place))}]: expected {expected[place]:.6f}, found {found[place]:.6f}"
