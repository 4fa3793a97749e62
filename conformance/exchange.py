"""An exchange of calls with one variant of a backend, in which each answer is compared, and nothing may change behind
the caller's back: all that is given and answered is watched from the first call to the last.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
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
        steps, state, outputs = case.split == "steps", call.pop("state", None), []
        for part in _parts(case, call.pop("x")):
            y, state = (net.step if steps else net)(part, state=state, **call)
            self.watch.mapping(f"{what}states", state)
            named = case.model.named(y)
            answered = self.watch.answered(what, {**named, **state})
            outputs.append({name: answered[name] for name in named})
        join = partial(np.stack if steps else np.concatenate, axis=1)
        found = {name: join([output[name] for output in outputs]) for name in outputs[0]}
        self.compare(what, found | {name: np.asarray(value) for name, value in state.items()}, case)

    def arguments(self, case: Case, **given: Any) -> dict[str, Any]:
        """The arguments of the case's call by name, copied and watched."""
        call = {name: _copied(value) for name, value in case.call.items()}
        if case.time_major:
            call["x"] = _turned(case, call["x"]) if case.model.by_name else call["x"].swapaxes(0, 1)
        return {name: self.watch.given(name, value) for name, value in (call | given).items()}

    def answered(self, what: str, case: Case, y: Any, state: Mapping[str, Any]) -> None:
        """Compare what a call over whole sequences returned."""
        self.watch.mapping(f"{what}states", state)
        found = self.watch.answered(what, {**case.model.named(y), **state})
        self.compare(what, _turned(case, found) if case.time_major else found, case)

    def vjp(self, net: Any, case: Case | None = None, what: str = "", cotangents: Any = None, **given: Any) -> None:
        """Results and gradients of a call; `cotangents`: in place of the case's, the same in another form."""
        case = case or self.case
        if not self.variant.trains:
            raise Absent("no `vjp`: the backend does not train")
        call, cotangents = self.arguments(case, **given), cotangents or _copied(case.cotangents)
        cotangents = self.watch.given("cotangent", _turned(case, cotangents) if case.time_major else cotangents)
        results, gradients = self.variant.module.vjp(net, cotangents, **call, training=case.training)
        for found, expected in (results, None), (gradients, case.gradients):
            words = what if expected is None else f"{what}gradient of "
            arrays = self.watch.answered(words, found)
            self.compare(words, _turned(case, arrays) if case.time_major else arrays, case, expected)

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


def _turned(case: Case, arrays: Arrays) -> Arrays:
    """Inputs and outputs that are sequences, batch and time exchanged."""
    sequences = case.model.sequences
    return {name: a.swapaxes(0, 1) if name in sequences else a for name, a in arrays.items()}


def _parts(case: Case, x: Any) -> Iterator[Any]:
    """x step by step, or its first two steps and the others; what is not stepped (GRAPH-8) whole each time."""
    if not case.model.by_name:
        yield from np.moveaxis(x, 1, 0) if case.split == "steps" else np.split(x, [2], 1)
        return
    stepped = case.model.stepped
    time = next(x[name].shape[1] for name in x if name in stepped)
    for part in range(time) if case.split == "steps" else (slice(2), slice(2, None)):
        yield {name: value[:, part] if name in stepped else value for name, value in x.items()}
