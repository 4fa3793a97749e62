"""What is compared: one recurrent layer, its weights and what goes into it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from rnnspec import GRU, LSTM, RNN, Checkpoint, Model, Recurrent
from rnnspec.cells import Cell

LAYER = "r"
SMALL = ((32, 100), (1, 100))  # (batch, time) at 128 inputs and units; the larger layer has the first alone


@dataclass(frozen=True)
class Case:
    """One forward layer on (batch, time, inputs); made from seed 0, biases included."""

    cell: Cell
    inputs: int
    batch: int = 1
    time: int = 1

    @property
    def name(self) -> str:
        """The cell, for the table."""
        kind = type(self.cell).__name__
        return f"{kind} reset {'after' if self.cell.reset_after else 'before'}" if isinstance(self.cell, GRU) else kind

    @property
    def size(self) -> str:
        """The sizes, for the table."""
        return f"{self.batch}, {self.time}, {self.inputs}, {self.cell.units}"

    @property
    def checkpoint(self) -> Checkpoint:
        """The weights, with biases that are not zero."""
        return _checkpoint(self.cell, self.inputs)

    def weights(self) -> dict[str, np.ndarray]:
        """Parameter name → array."""
        return {name.removeprefix(LAYER + "."): array for name, array in self.checkpoint.weights.items()}

    @cached_property
    def x(self) -> np.ndarray:
        """(batch, time, inputs)."""
        return _noise(np.random.default_rng(1), (self.batch, self.time, self.inputs), 1.0)

    @cached_property
    def state(self) -> dict[str, np.ndarray]:
        """State name → (batch, units)."""
        rng = np.random.default_rng(2)
        return {name: _noise(rng, (self.batch, size)) for name, size in self.checkpoint.model.states().items()}

    @cached_property
    def cotangents(self) -> list[np.ndarray]:
        """What backward starts from: gradients of the outputs and of each final state."""
        rng = np.random.default_rng(3)
        return [
            _noise(rng, (self.batch, self.time, self.cell.units)),
            *(_noise(rng, h.shape) for h in self.state.values()),
        ]

    def at(self, batch: int, time: int) -> "Case":
        """The same layer at other sizes."""
        return replace(self, batch=batch, time=time)

    def sequences(self) -> Iterator["Case"]:
        """The layer at the sizes at which whole sequences are measured."""
        for batch, time in SMALL if self.has_step else SMALL[:1]:
            yield self.at(batch, time)

    @property
    def has_step(self) -> bool:
        """Whether one step is measured as well: for the small layer."""
        return self.cell.units == 128


def layers(quick: bool, gru_before: bool = True) -> Iterator[Case]:
    """Every cell at every width: 128 → 128, and unless `quick` 256 → 512."""
    for inputs, units in ((128, 128),) if quick else ((128, 128), (256, 512)):
        for cell in (
            LSTM(units=units),
            GRU(units=units, reset_after=True),
            GRU(units=units, reset_after=False),
            RNN(units=units),
        ):
            if gru_before or not isinstance(cell, GRU) or cell.reset_after:
                yield Case(cell, inputs)


@cache
def _checkpoint(cell: Cell, inputs: int) -> Checkpoint:
    model = Model(inputs=inputs, layers=[Recurrent(name=LAYER, cell=cell)])
    weights = Checkpoint.initialize(model, seed=0).weights
    rng = np.random.default_rng(0)
    return Checkpoint(model, {n: w + _noise(rng, w.shape) * ("bias" in n) for n, w in weights.items()})


def _noise(rng: np.random.Generator, shape: tuple[int, ...], scale: float = 0.5) -> np.ndarray:
    return (rng.standard_normal(shape) * scale).astype("float32")
