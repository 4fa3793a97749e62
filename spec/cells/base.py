"""What a cell is."""

from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np

from rnnspec import initializers
from rnnspec.config import Config
from rnnspec.ops import Array, Ops, Parameters, States

Activation = Literal["linear", "tanh", "sigmoid", "relu"]


class Cell(Config, frozen=True):
    """One time step of a recurrent network, written once over `Ops`.

    A cell's fields are its configuration and its JSON. `gates` names the leading axis of `kernel (gates, units,
    inputs)`, `recurrent_kernel (gates, units, outputs)` and `bias (gates, units)`, in order.
    """

    gates: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Features of the output."""

    @abstractmethod
    def states(self) -> dict[str, int]:
        """State name → size."""

    @abstractmethod
    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """Parameter name → shape, for inputs of `inputs` features."""

    def prepare(self, ops: Ops, p: dict[str, Array]) -> Parameters:
        """Rearrange the parameters once, before the time loop; `project` and `step` receive the result."""
        return p

    @abstractmethod
    def project(self, ops: Ops, p: Parameters, x: Array) -> Array:
        """What depends on x (…, inputs) alone, for all time steps in one product → (…, features)."""

    @abstractmethod
    def step(self, ops: Ops, p: Parameters, projected: Array, state: States) -> tuple[Array, States]:
        """One time step: projected (batch, features), states (batch, size) → output (batch, outputs), states."""

    def initialize(self, name: str, shape: tuple[int, ...], rng: "np.random.Generator") -> np.ndarray:
        """A starting value for the parameter `name` in float64 (INIT-1)."""
        return initializers.by_name(name, shape, rng)
