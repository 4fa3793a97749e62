"""In which order, and along which axis, a framework keeps the gates of a cell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnspec.cells import LSTM, Cell

Arrays = dict[str, np.ndarray]
Part = tuple[Cell, Arrays]  # a cell of ours with its weights

LSTM_GATES = LSTM(units=1).gates
COUPLED_GATES = LSTM(units=1, coupled_input_forget=True).gates


@dataclass(frozen=True)
class Gates:
    """The gates of one kind of cell in a framework.

        gates = columns(GRU.gates, z="update", r="reset", h="new")
        gates.to_ours(kernel)    # (inputs, 3 · units) → (3, units, inputs): reset, update, new
        gates.to_theirs(kernel)  # and back

    Args:
        ours: the gates in the order of the specification.
        theirs: the framework's letter → our gate, in the framework's order.
        columns: gates lie side by side in the last axis, for x W; else one below the other in the first, for W x.
    """

    ours: tuple[str, ...]
    theirs: Mapping[str, str]
    columns: bool

    @property
    def order(self) -> list[int]:
        """For each gate of ours, its place in theirs."""
        return [list(self.theirs.values()).index(gate) for gate in self.ours]

    @property
    def places(self) -> list[int]:
        """For each gate of theirs, its place in ours."""
        return [self.ours.index(gate) for gate in self.theirs.values()]

    def to_ours(self, array: np.ndarray) -> np.ndarray:
        """Theirs, (inputs, gates · units) or (gates · units, inputs) → (gates, units, inputs); a bias (gates · units,)
        likewise."""
        rows = array.T if self.columns else array
        return rows.reshape(len(self.ours), len(rows) // len(self.ours), *rows.shape[1:])[self.order]

    def to_theirs(self, array: np.ndarray) -> np.ndarray:
        """The way back."""
        gates, units, *inputs = array.shape
        rows = array[self.places].reshape(gates * units, *inputs)
        return rows.T if self.columns else rows

    def kernels(self, kernel: np.ndarray, recurrent_kernel: np.ndarray) -> Arrays:
        """Their two kernels as ours, by name."""
        return {"kernel": self.to_ours(kernel), "recurrent_kernel": self.to_ours(recurrent_kernel)}


def rows(ours: tuple[str, ...], /, **theirs: str) -> Gates:
    """Kernels (gates · units, inputs)."""
    return Gates(ours, theirs, columns=False)


def columns(ours: tuple[str, ...], /, **theirs: str) -> Gates:
    """Kernels (inputs, gates · units)."""
    return Gates(ours, theirs, columns=True)


def added(of_input: np.ndarray, of_recurrence: np.ndarray, reset_after: bool = False) -> Arrays:
    """Two biases (gates, units) that are both applied are one of ours, their sum.

    `reset_after`: of a GRU that resets after the product; the new gate's recurrent bias stands inside of the reset, so
    it stays `recurrent_bias`.
    """
    bias = of_input + of_recurrence
    if not reset_after:
        return {"bias": bias}
    bias[-1] = of_input[-1]
    return {"bias": bias, "recurrent_bias": of_recurrence[-1]}


def parted(weights: Mapping[str, Any], xp: Any = np) -> tuple[Any, Any]:
    """The way back, (gates, units) each: ours is the input's, and the recurrence's is 0 but for `recurrent_bias`.

    `xp`: whose tensors these are, NumPy or TensorFlow.
    """
    bias = weights["bias"]
    of_recurrence = xp.zeros_like(bias)
    if "recurrent_bias" in weights:
        zeros = [of_recurrence[k] for k in range(bias.shape[0] - 1)]
        of_recurrence = xp.stack([*zeros, weights["recurrent_bias"]])
    return bias, of_recurrence
