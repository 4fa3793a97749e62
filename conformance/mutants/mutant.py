"""A mutant: the reference, wrong in one way, as a backend module."""

import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from rnnspec.checkpoint import Checkpoint, as_checkpoint
from rnnspec.conformance import differentiable
from rnnspec.conformance.check import missing

Rows = dict[str, list[tuple[str, str, str, str]]]  # target → clause, what is wrong, the piece of source, its place's


@dataclass(frozen=True)
class Mutant:
    """A wrong implementation that someone could have written.

    Args:
        clause: what of SPEC.md it breaks.
        wrong: what it does, in words; unique among the mutants of the clause.
        target: for a change to the source: "cells.lstm:LSTM.step", or "activations:_NAMED[gelu]".
        old, new: the piece of the target's source, which occurs in it once, and what stands in its place.
        weights: for a change to the weights: a checkpoint → the checkpoint as it is misread.
        gradients: for a change to the gradients, and not to the results.
        trains: only training shows it.
    """

    clause: str
    wrong: str
    target: str = ""
    old: str = ""
    new: str = ""
    weights: Callable[[Checkpoint], Checkpoint] | None = None
    gradients: Callable[[dict, dict], dict] | None = None
    trains: bool = False

    @property
    def id(self) -> str:
        return f"{self.clause}: {self.wrong}"

    @property
    def missing(self) -> list[str]:
        """The packages that its target needs and that are not installed: it can only live where there are none."""
        return missing(("onnx", "onnxruntime")) if self.target.startswith(("export.", "conventions.onnx")) else []

    @contextmanager
    def alive(self) -> Iterator[ModuleType]:
        """A backend module that is wrong while the context lasts."""
        if not self.target:
            yield self._backend()
            return
        owner, name = _owner(self.target)
        right = _get(owner, name)
        _set(owner, name, rewritten(right, owner, self.old, self.new))
        try:
            yield self._backend()
        finally:
            _set(owner, name, right)

    def _backend(self) -> ModuleType:
        module = ModuleType("mutant")

        def load(source: Any, dtype: str = "float32", seed: int = 0, time_major: bool = False) -> Any:
            checkpoint = as_checkpoint(source)
            checkpoint = self.weights(checkpoint) if self.weights else checkpoint
            return differentiable.load(checkpoint, dtype, seed, time_major)

        def vjp(net: Any, cotangents: dict, x: Any, *given: Any, **call: Any) -> tuple[dict, dict]:
            results, gradients = differentiable.vjp(net, cotangents, x, *given, **call)
            return results, self.gradients({"x": x} | call, gradients) if self.gradients else gradients

        module.load, module.vjp, module.checkpoint = load, vjp, differentiable.checkpoint  # type: ignore[attr-defined]
        return module


def rewritten(function: Callable, owner: Any, old: str, new: str) -> Callable:
    """The function with one piece of its source exchanged.

    Raises:
        ValueError: the piece does not occur exactly once: the catalogue is behind the reference.
    """
    function = inspect.unwrap(function)
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(old) != 1:
        raise ValueError(f"{function.__qualname__}: {old!r} occurs {source.count(old)} times, expected once")
    source = source.replace(old, new)
    scope = vars(inspect.getmodule(function)) | {}
    if function.__name__ == "<lambda>":
        return eval(source[source.index("lambda") :].strip().rstrip(","), scope)
    body = textwrap.indent(source, " ")
    exec(f"def make(__class__):\n{body}\n return {function.__name__}", scope)  # `super()` finds its class there
    return scope["make"](owner)


def _owner(target: str) -> tuple[Any, str]:
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(f"rnnspec.{module}")
    *outer, name = path.rstrip("]").replace("[", ".").split(".")
    for part in outer:
        owner = getattr(owner, part)
    return owner, name


def _get(owner: Any, name: str) -> Any:
    return owner[name] if isinstance(owner, dict) else inspect.getattr_static(owner, name)


def _set(owner: Any, name: str, value: Any) -> None:
    if isinstance(owner, dict):
        owner[name] = value
    else:
        setattr(owner, name, value)
