"""A mutant: the reference, wrong in one way, as a backend module."""

import importlib
import inspect
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from rnnspec.checkpoint import Checkpoint, as_checkpoint
from rnnspec.conformance import differentiable
from rnnspec.conformance.check import missing
from rnnspec.conformance.mutants.change import changed
from rnnspec.model import Model


@dataclass(frozen=True)
class Mutant:
    """A wrong implementation that someone could have written.

    Args:
        clause: what of SPEC.md it breaks.
        wrong: what it does, in words; unique among the mutants of the clause.
        target: for a change to a function: "cells.lstm:LSTM.step", or "activations:_NAMED[gelu]".
        before, after: the piece of the function and what stands in its place, as `change` reads them.
        weights: for a change to the weights: a checkpoint → the checkpoint as it is misread.
        gradients: for a change to the gradients, and not to the results.
        trains: only training shows it.
    """

    clause: str
    wrong: str
    target: str = ""
    before: str = ""
    after: str = ""
    weights: Callable[[Checkpoint], Checkpoint] | None = None
    gradients: Callable[[dict, dict], dict] | None = None
    trains: bool = False

    @property
    def id(self) -> str:
        """The clause and what is wrong."""
        return f"{self.clause}: {self.wrong}"

    @property
    def missing(self) -> list[str]:
        """The packages that its target needs and that are not installed: it can only live where there are none."""
        return missing(("onnx", "onnxruntime")) if self.target.startswith(("export.", "conventions.onnx")) else []

    @contextmanager
    def alive(self) -> Iterator[ModuleType]:
        """A backend module that is wrong while the context lasts, in a process that has loaded the library for it.

        Raises:
            AssertionError: the library of this process may be in use.
            ValueError: the source has no such piece: the catalogue is behind it.
        """
        if multiprocessing.parent_process() is None:
            raise AssertionError(f"{self.id}: a mutant lives in a process of `Workers`")
        if not self.target:
            yield self._backend()
            return
        owner, name = self.place()
        right = _get(owner, name)
        _set(owner, name, changed(right, owner, self.before, self.after))
        try:
            yield self._backend()
        finally:
            _set(owner, name, right)

    def place(self) -> tuple[Any, str]:
        """What holds its target, and the target's name there."""
        module, _, path = self.target.partition(":")
        owner: Any = importlib.import_module(f"rnnspec.{module}")
        *outer, name = path.rstrip("]").replace("[", ".").split(".")
        for part in outer:
            owner = getattr(owner, part)
        return owner, name

    def _backend(self) -> ModuleType:
        module = ModuleType("mutant")

        def load(source: Any, dtype: str = "float32", seed: int = 0, time_major: bool = False) -> Any:
            checkpoint = as_checkpoint(source)
            if not self.weights:  # a model that was read before has its graph already
                model = Model.from_builtins(checkpoint.model.to_builtins())
                checkpoint = replace(checkpoint, model=model)
            checkpoint = self.weights(checkpoint) if self.weights else checkpoint
            return differentiable.load(checkpoint, dtype, seed, time_major)

        def vjp(net: Any, cotangents: dict, x: Any, *given: Any, **call: Any) -> tuple[dict, dict]:
            results, gradients = differentiable.vjp(net, cotangents, x, *given, **call)
            return results, self.gradients({"x": x} | call, gradients) if self.gradients else gradients

        module.load, module.vjp, module.checkpoint = load, vjp, differentiable.checkpoint  # type: ignore[attr-defined]
        return module


def _get(owner: Any, name: str) -> Any:
    return owner[name] if isinstance(owner, dict) else inspect.getattr_static(owner, name)


def _set(owner: Any, name: str, value: Any) -> None:
    if isinstance(owner, dict):
        owner[name] = value
    else:
        setattr(owner, name, value)
