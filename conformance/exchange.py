"""An exchange of calls with one variant of a backend, in which each answer is compared, and nothing may change behind
the caller's back: all that is given and answered is watched from the first call to the last.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance import comparison
from rnnspec.conformance.case import Arrays, Case
from rnnspec.conformance.variant import Absent, Variant
from rnnspec.conformance.watch import Watch
from rnnspec.errors import SpecError


class Exchange:
    """The calls of a case or of a protocol. Its methods raise AssertionError, in one line, where an answer is wrong or
    something has changed; `what` is the call in words.

    Args:
        case: whose model is loaded, and whose call is made, where nothing else is said.
        variant: what is called.

    `error` is the worst of all compared arrays, `headroom` how many times it would fit into what ACC-2 allows; `paths`:
    what the net says of its layers.
    """

    def __init__(self, case: Case, variant: Variant) -> None:
        self.case = case
        self.variant = variant
        self.watch = Watch()
        self.error = 0.0
        self.headroom = float("inf")
        self.paths: dict[str, str] = {}

    def load(self, case: Case | None = None, **options: Any) -> Any:
        """A net of the case's model, from a copy of its weights."""
        case = case or self.case
        weights = {name: array.copy() for name, array in case.weights.items()}
        self.watch.given("weight", weights)
        net = self.variant.load(Checkpoint(case.model, weights), **options)
        if hasattr(net, "paths"):
            self.paths |= net.paths()
        return net

    def call(self, net: Any, case: Case | None = None, what: str = "", **given: Any) -> None:
        """A call in the way that the case asks for; `given`: arguments in place of the case's, in another form."""
        case = case or self.case
        call = self.arguments(case, **given)
        if case.split == "whole":
            y, state = net(**call)
            self.answered(what, case, y, state)
            return
        steps, state, outputs = case.split == "steps", call.get("state"), []
        for part in np.moveaxis(call["x"], 1, 0) if steps else np.split(call["x"], [2], 1):
            y, state = net.step(part, state) if steps else net(part, state=state)
            self.watch.mapping(f"{what}states", state)
            outputs.append(self.watch.answered(what, {"y": y, **state})["y"])
        joined = np.stack(outputs, 1) if steps else np.concatenate(outputs, 1)
        self.compare(what, {"y": joined} | {name: np.asarray(value) for name, value in state.items()}, case)

    def arguments(self, case: Case, **given: Any) -> dict[str, Any]:
        """The arguments of the case's call by name, copied and watched."""
        call = {name: _copied(value) for name, value in case.call.items()}
        call |= _turned({"x": call["x"]}) if case.time_major else {}
        return {name: self.watch.given(name, value) for name, value in (call | given).items()}

    def answered(self, what: str, case: Case, y: Any, state: Mapping[str, Any]) -> None:
        """Compare what a call over whole sequences returned."""
        self.watch.mapping(f"{what}states", state)
        found = self.watch.answered(what, {**case.model.named(y), **state})
        self.compare(what, _turned(found) if case.time_major else found, case)

    def vjp(self, net: Any, case: Case | None = None, what: str = "", cotangents: Any = None, **given: Any) -> None:
        """Results and gradients of a call; `cotangents`: in place of the case's, the same in another form."""
        case = case or self.case
        if not self.variant.trains:
            raise Absent("no `vjp`: the backend does not train")
        call, cotangents = self.arguments(case, **given), cotangents or _copied(case.cotangents)
        cotangents = self.watch.given("cotangent", _turned(cotangents) if case.time_major else cotangents)
        results, gradients = self.variant.module.vjp(net, cotangents, **call, training=case.training)
        for found, expected in (results, None), (gradients, case.gradients):
            words = what if expected is None else f"{what}gradient of "
            arrays = self.watch.answered(words, found)
            self.compare(words, _turned(arrays) if case.time_major else arrays, case, expected)

    def compare(self, what: str, found: Arrays, case: Case, gradients: Arrays | None = None) -> None:
        """Names, dtypes, shapes and numbers are those that the case expects, of its results or of its gradients."""
        expected, factor = (case.expected, 1.0) if gradients is None else (gradients, case.summed())
        allowed = case.allowed(self.variant.dtype, self.variant.declared.looseness) * factor
        error = comparison.worst(found, expected)
        self.error = max(self.error, error / factor)
        self.headroom = min(self.headroom, allowed / error if error else float("inf"))
        if problem := comparison.wrong(found, expected, self.variant.dtype, allowed):
            raise AssertionError(what + problem)

    def refused(self, what: str, says: str, call: Callable[[], Any], *others: type[Exception]) -> None:
        """The call raises SpecError, or one of `others`, in one line that says so."""
        try:
            call()
        except SpecError as error:
            text = str(error)
            if says not in text or "\n" in text:
                raise AssertionError(f"{what}: expected one line that says {says!r}, found {text!r}") from None
        except others:
            pass
        except Exception as error:
            raise AssertionError(f"{what}: expected SpecError, found {type(error).__name__}: {error}") from None
        else:
            raise AssertionError(f"{what}: accepted; expected SpecError")


def _copied(value: Any) -> Any:
    """Arrays, alone or by name, copied."""
    return {name: array.copy() for name, array in value.items()} if isinstance(value, dict) else np.array(value)


def _turned(arrays: Arrays) -> Arrays:
    """x and the outputs that are sequences, batch and time exchanged."""
    return {name: a.swapaxes(0, 1) if name.partition(".")[0] in ("x", "y") and a.ndim > 1 + (name != "x") else a
            for name, a in arrays.items()}  # fmt: skip
