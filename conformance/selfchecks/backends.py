"""The runner on backends made by hand (CONF-1 to CONF-4, CONF-7): what it asks, and what it makes of answers."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from rnnspec.conformance import differentiable, runner, variant
from rnnspec.conformance.case import SEED, Case
from rnnspec.conformance.check import Check, equal, holds
from rnnspec.conformance.selfchecks.handmade import PLAIN, answer_of, backend, comes_out, declared, raising
from rnnspec.conformance.vectors import cases
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reference import Net

_WRONG = "invalid-lengths-beyond"


class Foreign:
    """An array that only `numpy.asarray` understands."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array


def _interface() -> None:
    plain = backend(lambda y, state: (Foreign(y), {name: Foreign(s) for name, s in state.items()}))
    for id in (PLAIN, "lstm-forward-mask", "lstm-chunks", "lstm-steps", "hold-forward-restarts", _WRONG):
        comes_out("a backend of load, call and step", plain, id, "pass")
    for id in ("time-major-last", "training-layers"):
        comes_out("a backend without its option", plain, id, "unsupported", "load")
    equal("its variants", [(v.dtype, v.path) for v in variant.variants(plain)], [("float32", None)])
    asked: list[dict[str, Any]] = []
    full = ModuleType("full")

    def load(
        checkpoint: Any, dtype: str = "float32", path: str = "own", time_major: bool = False, seed: int = 0
    ) -> Net:
        asked.append({"dtype": dtype, "path": path, "time_major": time_major})
        return Net(checkpoint, dtype, time_major)

    full.load, full.PATHS = load, ("a", "b")  # type: ignore[attr-defined]
    found = variant.variants(full)
    expected = [("float32", None), ("float32", "a"), ("float64", "a"), ("float32", "b"), ("float64", "b")]
    equal("the variants of two paths", [(v.dtype, v.path) for v in found], expected)
    case = next(case for case in cases() if case.id == "time-major-last")
    equal("their outcomes", {runner.run(case, v).outcome for v in found}, {"pass"})
    loaded = [{"dtype": d, "path": p or "own", "time_major": True} for d, p in expected]
    equal("what they were loaded with", asked, loaded)


def _answers() -> None:
    def padded(y: np.ndarray, state: Any) -> tuple:
        y[1, 2:] = np.nan  # the second row of the case has two steps
        return y, state

    wrong: dict[str, tuple[Callable, str]] = {
        "NaN past the end": (padded, "y["),
        "a float64 output": (lambda y, state: (y.astype("float64"), state), "y: expected float32, found float64"),
        "float64 states": (
            lambda y, state: (y, {k: s.astype("float64") for k, s in state.items()}),
            "expected float32, found float64",
        ),
        "a state too many": (lambda y, state: (y, state | {"more": y}), "more"),
        "no state": (lambda y, state: (y, {}), "rnn.c"),
        "another name": (lambda y, state: (y, {k.upper(): s for k, s in state.items()}), "RNN.C"),
        "an output of one row": (lambda y, state: (y[:1], state), "shape"),
        "a last bit too many": (lambda y, state: (y + np.float32(1e-4), state), "y["),
        "the wrong states": (lambda y, state: (y, {k: s * np.float32(1.01) for k, s in state.items()}), "rnn.c["),
    }
    for what, (answer, says) in wrong.items():
        comes_out(what, backend(answer), PLAIN, "fail", says)
    comes_out("a KeyError", raising(KeyError("h")), PLAIN, "fail", "KeyError")
    comes_out("a SpecError about a valid call", raising(SpecError("x: no")), PLAIN, "fail", "SpecError: x: no")


def _refusals() -> None:
    def refuses(error: Exception) -> ModuleType:
        module = backend()

        def load(checkpoint: Any) -> None:
            raise error

        module.load = load  # type: ignore[attr-defined]
        return module

    two_lines = type("SpecError", (SpecError,), {"__str__": lambda self: f"{self.args[0]}\nhelp"})  # ours joins them
    anything = ModuleType("anything")
    anything.load = lambda checkpoint: lambda x, **call: (x, {})  # type: ignore[attr-defined]
    comes_out("lengths beyond the end taken", anything, _WRONG, "fail", "accepted")
    comes_out("the right error", refuses(SpecError("lengths: row 2 is 7")), _WRONG, "pass")
    comes_out("another error", refuses(KeyError("lengths 7")), _WRONG, "fail", "KeyError")
    comes_out("a ValueError", refuses(ValueError("lengths: row 2 is 7")), _WRONG, "fail", "ValueError")
    comes_out("refused as too hard", refuses(UnsupportedError("lengths: 7")), _WRONG, "fail", "UnsupportedError")
    comes_out("an error that names no field", refuses(SpecError("row 2 is 7")), _WRONG, "fail", "'lengths'")
    comes_out("two lines", refuses(two_lines("lengths: row 2 is 7")), _WRONG, "fail", "line")
    backward = "invalid-step-backward"
    comes_out("no step, as an error", refuses(SpecError("layer 'rnn': no step")), backward, "fail", "SpecError")
    comes_out("no step", refuses(UnsupportedError("layer 'rnn': no step")), backward, "pass")


def _outcomes() -> None:
    refuse = UnsupportedError("not here")
    known: dict[str, Any] = {
        "expected_failures": [{"variant": "*", "case": PLAIN, "reason": "known", "link": "https://x"}]
    }
    with declared(backend(lambda y, state: (y * 2, state)), **known) as failing:
        outcomes = [
            answer_of(backend(), PLAIN).outcome,
            answer_of(backend(lambda y, state: (y * 2, state)), PLAIN).outcome,
            answer_of(raising(RuntimeError("crash")), PLAIN).outcome,
            answer_of(raising(refuse), PLAIN).outcome,
            answer_of(failing, PLAIN).outcome,
        ]
    equal("the outcomes", outcomes, ["pass", "fail", "fail", "unsupported", "expected failure"])
    case = next(case for case in cases() if case.id == PLAIN)
    result = answer_of(backend(), PLAIN)
    equal("the result's case", (result.case, result.clauses), (case.id, case.clauses))


def _training() -> None:
    asked: list[tuple[int, bool]] = []

    def module(change: Callable[[dict, dict], tuple[dict, dict]]) -> ModuleType:
        made = ModuleType("training")

        def load(checkpoint: Any, dtype: str = "float32", seed: int = 0) -> Net:
            return differentiable.load(checkpoint, dtype, seed)

        def vjp(net, cotangents, x, lengths=None, mask=None, state=None, reset=None, training=False):
            asked.append((net.seed, training))
            return change(*differentiable.vjp(net, cotangents, x, lengths, mask, state, reset, training))

        made.load, made.vjp = load, vjp  # type: ignore[attr-defined]
        return made

    right = module(lambda results, gradients: (results, gradients))
    comes_out("right gradients", right, PLAIN, "pass", dtype="float64")
    comes_out("training", right, "training-layers", "pass", dtype="float64")
    comes_out("training in float32", right, "training-layers", "pass")
    equal("the seeds and modes of those calls", asked, [(0, False), (SEED, True), (SEED, True)])
    for what, change in {
        "a bias without a gradient": lambda r, g: (r, g | {"rnn.bias": g["rnn.bias"] * 0}),
        "a gradient left out": lambda r, g: (r, {name: a for name, a in g.items() if name != "x"}),
        "NaN in a gradient": lambda r, g: (r, g | {"x": g["x"] * np.nan}),
        "wrong results": lambda r, g: ({name: a * 1.01 for name, a in r.items()}, g),
    }.items():
        comes_out(what, module(change), PLAIN, "fail", dtype="float64")
    doubled = module(lambda results, gradients: (results, {name: array * 2 for name, array in gradients.items()}))
    comes_out("wrong gradients in float32", doubled, "lstm-forward-empty", "fail", "gradient of")
    doubled.load = lambda checkpoint: differentiable.load(checkpoint)  # type: ignore[attr-defined]
    comes_out("wrong gradients where there is no float64", doubled, "lstm-forward-mask", "fail", "gradient of")
    comes_out("training, wrong gradients", module(lambda r, g: (r, {k: a * 2 for k, a in g.items()})),
               "training-layers", "fail")  # fmt: skip


def _remembered() -> None:
    """A backend that knows the files by heart, and nothing else."""
    tried = [case for case in cases() if isinstance(case, Case) and case.id.startswith(("lstm-", "rnn-"))]
    tried = [case for case in tried if case.split == "whole"]
    known = {case.weights[min(case.weights)].tobytes(): case for case in tried}

    class Answer:
        def __init__(self, case: Case) -> None:
            self.case = case

        def __call__(self, x: np.ndarray, **call: Any) -> tuple:
            rows = [row.tobytes() for row in self.case.inputs["x"]]
            order = [rows.index(row.tobytes()) if row.tobytes() in rows else 0 for row in x]
            found = {name: array[order].astype("float32") for name, array in self.case.expected.items()}
            return found.pop("y"), found

    def load(checkpoint: Any) -> Answer:
        key = checkpoint.weights[min(checkpoint.weights)].tobytes()
        return Answer(known.get(key, next(iter(known.values()))))

    module = ModuleType("remembered")
    module.load = load  # type: ignore[attr-defined]
    outcomes = [runner.run(case, variant.Variant(module)).outcome for case in tried]
    failed = outcomes.count("fail")
    holds(f"expected some of {len(tried)} remembered answers to fail, found {failed}", 0 < failed < len(tried))
    again = [replace(case, id=f"{case.id}-again").fresh(1) for case in tried[:3]]
    for case, fresh in zip(tried, again, strict=False):
        holds(
            f"{case.id}: the second run has the numbers on disk", not np.isin(fresh.inputs["x"], case.inputs["x"]).any()
        )


CHECKS = (
    Check("backend-interface", ("CONF-1",), _interface),
    Check("backend-wrong-answers", ("CONF-2", "CONF-3", "ACC-1", "ACC-3"), _answers),
    Check("backend-refusals", ("CONF-2",), _refusals),
    Check("backend-outcomes", ("CONF-3",), _outcomes),
    Check("backend-training", ("CONF-4",), _training),
    Check("backend-remembered-answers", ("CONF-7",), _remembered),
)
