"""What a layer is."""

import re
from abc import abstractmethod

import numpy as np

from rnnspec.config import Config
from rnnspec.errors import SpecError
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid


class Layer(Config, frozen=True, kw_only=True):
    """One layer of a model; `name` is unique in it and prefixes the names of its tensors and states (NAME-1)."""

    name: str

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", self.name):
            raise SpecError(f"{type(self).__name__}.name: expected letters, digits, '_' and '-', found {self.name!r}")

    def outputs(self, inputs: int | None) -> int:
        """Features of the output; `inputs` is None for integer ids. Raises SpecError where that input is no good."""
        if inputs is None:
            raise SpecError(f"layer {self.name!r}: expected features, found integer ids; put an embedding first")
        return inputs

    def states(self, inputs: int | None) -> dict[str, int]:
        """State name → size."""
        return {}

    def start(self, ops: Ops, p: dict[str, Array], zeros: States) -> States:
        """The states of a sequence that is given none, from zeros (batch, size)."""
        return zeros

    def parameters(self, inputs: int | None) -> dict[str, tuple[int, ...]]:
        """Parameter name → shape."""
        return {}

    @abstractmethod
    def apply(self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        """Whole sequences: x (batch, time, features) or, after the last sequence, (batch, features)."""

    def step(self, ops: Ops, p: dict[str, Array], x: Array, state: States) -> tuple[Array, States]:
        """One time step: x (batch, features)."""
        return self.apply(ops, p, x, Valid(), state)

    def initialize(
        self,
        name: str,
        shape: tuple[int, ...],
        inputs: int | None,
        rng: "np.random.Generator",
        scheme: str = "keras",
    ) -> np.ndarray:
        """A starting value for the parameter `name` in float64 (INIT-1, INIT-3)."""
        raise NotImplementedError(f"{type(self).__name__} has the parameter {name!r} but no initialize")
