"""What a layer is."""

import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rnnspec.config import Config, unsaid
from rnnspec.errors import SpecError
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid

Features = (
    Any  # what reaches a layer: a number, None for integer ids, or a tuple of these where it reads several places
)


class Place(NamedTuple):
    """What stands at a place of the graph: `features` a step, None for integer ids, along the time axis that is named
    after the input or the layer where it begins; with `time` None a vector a row."""

    features: int | None
    time: str | None

    def __str__(self) -> str:
        of = "ids" if self.features is None else f"{self.features} features"
        return f"a vector of {of}" if self.time is None else f"a sequence of {of} along the time of {self.time!r}"


class Layer(Config, frozen=True, kw_only=True):
    """One layer of a model; `name` is unique in it and prefixes the names of its tensors and states (NAME-1).

    `of`: the place that the layer reads, or several: the name of an input, of a layer before it, or of a final state
    (`encoder.h`); left out, the layer before (GRAPH-2).
    """

    name: str
    of: str | Sequence[str] | None = None

    since: ClassVar[int] = 1  # the version of the specification that has the layer
    most: ClassVar[int] = 1  # places that it can read; where that is more than one, features, x and valid are tuples
    whole: ClassVar[tuple[int, ...]] = ()  # those of the places whose steps it reads all at once: it has no step there

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", self.name):
            raise SpecError(f"{type(self).__name__}.name: expected letters, digits, '_' and '-', found {self.name!r}")

    def to_builtins(self) -> dict[str, Any]:
        """As plain data; what came with version 2 is left out where it says nothing."""
        return unsaid(super().to_builtins(), "of", "start")

    def outputs(self, inputs: Features) -> int:
        """Features of the output; `inputs` is None for integer ids. Raises SpecError where that input is no good."""
        if inputs is None:
            raise SpecError(f"layer {self.name!r}: expected features, found integer ids; put an embedding first")
        return inputs

    def place(self, *reads: Place) -> Place:
        """What stands after the layer, where it reads these. Raises SpecError where it cannot read them."""
        return Place(self.outputs(reads[0].features), reads[0].time)

    def valid(self, ops: Ops, valid: Any) -> Valid:
        """Which steps of the output count, where these of what it reads do."""
        return valid

    def states(self, inputs: Features) -> dict[str, int]:
        """State name → size."""
        return {}

    def initial(self, ops: Ops, p: dict[str, Array], zeros: States) -> States:
        """The states of a sequence that is given none, from zeros (batch, size)."""
        return zeros

    def parameters(self, inputs: Features) -> dict[str, tuple[int, ...]]:
        """Parameter name → shape."""
        return {}

    @property
    def fixed(self) -> tuple[str, ...]:
        """Parameters that are statistics and no weights: they have no gradient (NORMALISE-3)."""
        return ()

    @abstractmethod
    def apply(self, ops: Ops, p: dict[str, Array], x: Any, valid: Any, state: States) -> tuple[Array, States]:
        """Whole sequences: x (batch, time, features) or, where there is no sequence, (batch, features)."""

    def step(self, ops: Ops, p: dict[str, Array], x: Any, valid: Any, state: States) -> tuple[Array, States]:
        """One time step: x (batch, features); what is given whole (GRAPH-8) as in `apply`."""
        return self.apply(ops, p, x, valid, state)

    def initialize(
        self,
        name: str,
        shape: tuple[int, ...],
        inputs: Features,
        rng: "np.random.Generator",
        scheme: str = "keras",
    ) -> np.ndarray:
        """A starting value for the parameter `name` in float64 (INIT-1, INIT-3)."""
        raise NotImplementedError(f"{type(self).__name__} has the parameter {name!r} but no initialize")
