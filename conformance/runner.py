"""Run cases on a backend: any module with `load(checkpoint) -> net` (CONF-1 to CONF-4)."""

import inspect
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from rnnspec import accuracy
from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.cases import Case
from rnnspec.errors import UnsupportedError


@dataclass(frozen=True)
class Variant:
    """A backend under one set of its options."""

    module: ModuleType
    dtype: str = "float32"
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        path = f" {dict(self.options)['path']}" if self.options else ""
        return f"{self.module.__name__.removeprefix('rnnspec.backends.')}{path} {self.dtype}"

    def load(self, checkpoint: Checkpoint) -> Any:
        """A net; `dtype` is only passed where it is not the default, so that `load(checkpoint)` is all one needs."""
        dtype = {} if self.dtype == "float32" else {"dtype": self.dtype}
        return self.module.load(checkpoint, **dtype, **dict(self.options))


@dataclass(frozen=True)
class Result:
    """What came of a case: "pass", "fail" or "unsupported" (the backend raised UnsupportedError)."""

    case: str
    variant: str
    outcome: str
    error: float = 0.0
    detail: str = ""
    clauses: tuple[str, ...] = field(default=())


def variants(module: ModuleType) -> list[Variant]:
    """float32 and, where `load` takes a dtype, float64; each of the module's PATHS where it takes a path."""
    takes = inspect.signature(module.load).parameters
    dtypes = ("float32", "float64") if "dtype" in takes else ("float32",)
    paths = module.PATHS if "path" in takes else (None,)
    return [Variant(module, dtype, (("path", path),) if path else ()) for path in paths for dtype in dtypes]


def run(case: Case, variant: Variant) -> Result:
    """One case on one variant; any exception other than UnsupportedError is a failure."""
    try:
        actual = _call(case, variant.load(case.checkpoint))
    except UnsupportedError as refusal:
        outcome, error, detail = "unsupported", 0.0, str(refusal)
    except Exception as problem:
        outcome, error, detail = "fail", float("inf"), f"{type(problem).__name__}: {problem}"
    else:
        error, detail = _compare(actual, case, variant.dtype)
        outcome = "fail" if detail else "pass"
    return Result(case.id, variant.name, outcome, error, detail, case.clauses)


def _compare(actual: dict[str, np.ndarray], case: Case, dtype: str) -> tuple[float, str]:
    """The largest error, and what is wrong; nothing is where the second is empty (ACC-1 to ACC-3)."""
    if set(actual) != set(case.expected):
        return float("inf"), f"expected {', '.join(case.expected)}, found {', '.join(actual)}"
    for name, array in actual.items():
        if array.dtype != dtype:
            return float("inf"), f"{name}: expected {dtype}, found {array.dtype}"
    name, error = accuracy.worst(actual, case.expected)
    return error, "" if error <= accuracy.TOLERANCE[dtype] else _where(name, actual, case)


def _call(case: Case, net: Any) -> dict[str, np.ndarray]:
    """y and final states as arrays, by the way of calling that the case asks for."""
    call = case.call(case.inputs)
    x, state = call["x"], call["state"]
    if case.split == "whole":
        y, state = net(x, **{name: value for name, value in call.items() if name != "x" and value is not None})
    elif case.split == "chunks":
        first, state = net(x[:, :4], state=state)
        second, state = net(x[:, 4:], state=state)
        y = np.concatenate([np.asarray(first), np.asarray(second)], 1)
    else:
        outputs = []
        for t in range(x.shape[1]):
            y, state = net.step(x[:, t], state)
            outputs.append(np.asarray(y))
        y = np.stack(outputs, 1)
    results = {**case.model.named(y), **state}
    return {name: np.asarray(value) for name, value in results.items()}


def _where(name: str, actual: dict[str, np.ndarray], case: Case) -> str:
    """The place that is off the most, in words."""
    found, expected = actual[name], case.expected[name]
    if found.shape != expected.shape:
        return f"{name}: expected shape {expected.shape}, found {found.shape}"
    distance = np.abs(found - expected)
    place = np.unravel_index(np.where(np.isfinite(distance), distance, np.inf).argmax(), found.shape)
    return f"{name}[{', '.join(map(str, place))}]: expected {expected[place]:.6f}, found {found[place]:.6f}"
