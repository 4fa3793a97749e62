"""What a cell is."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from rnnspec import initializers
from rnnspec.config import Config
from rnnspec.ops import Array, Ops, Parameters, Projected, States
from rnnspec.valid import Valid


class Cell(Config, frozen=True):
    """One time step of a recurrent network, written once over `Ops`.

    A cell's fields are its configuration and its JSON. `gates` names the leading axis of `kernel (gates, units,
    inputs)`, `recurrent_kernel (gates, units, outputs)` and `bias (gates, units)`, in order. A cell whose output is one
    of its states says which in `emits`; one that reads a memory beside x says how many features that has in `memory`,
    and finds it among the parameters that it prepares, as `memory`: (values (batch, steps, features), which count).
    """

    gates: ClassVar[tuple[str, ...]] = ()
    emits: ClassVar[str | None] = None
    memory: ClassVar[int | None] = None

    @abstractmethod
    def outputs(self, inputs: int) -> int:
        """Features of the output, for inputs of `inputs` features."""

    @abstractmethod
    def states(self, inputs: int) -> dict[str, int]:
        """State name → size."""

    @abstractmethod
    def parameters(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """Parameter name → shape."""

    def prepare(self, ops: Ops, p: dict[str, Array]) -> Parameters:
        """Rearrange the parameters once, before the time loop; `project` and `step` receive the result."""
        return p

    @abstractmethod
    def project(self, ops: Ops, p: Parameters, x: Array) -> Projected:
        """What depends on x (…, inputs) alone, for all time steps in one product → (…, features), or several."""

    @abstractmethod
    def step(self, ops: Ops, p: Parameters, projected: Projected, state: States) -> tuple[Array, States]:
        """One time step: projected (batch, features), states (batch, size) → output (batch, outputs), states."""

    def unroll(
        self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States, start: States, reverse: bool
    ) -> tuple[Array, States]:
        """All time steps in one direction, as `Ops.unroll`. Cells made of cells say here what can run apart."""
        return ops.unroll(self, p, x, valid, state, start, reverse)

    def initialize(
        self, name: str, shape: tuple[int, ...], rng: "np.random.Generator", scheme: str = "keras"
    ) -> np.ndarray:
        """A starting value for the parameter `name` in float64 (INIT-1, INIT-3)."""
        return initializers.recurrent(name, shape, rng, scheme)
