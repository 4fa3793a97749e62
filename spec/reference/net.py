"""A model that can be called."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from rnnspec import inputs
from rnnspec.checkpoint import Checkpoint
from rnnspec.model import Output
from rnnspec.reference.ops import NumpyOps


class Net:
    """The reference network: `y, state = net(x, lengths=…, mask=…, state=…)`.

    Args:
        checkpoint: architecture and weights.
        dtype: "float32" or "float64"; weights, inputs and states are converted to it.
        time_major: x and sequence outputs are (time, batch, …).
        training: whether dropout and zoneout draw masks, of `seed` and the number of the call (DROP-3).
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        dtype: str = "float32",
        time_major: bool = False,
        training: bool = False,
        seed: int = 0,
    ) -> None:
        self.checkpoint = checkpoint
        self.model = checkpoint.model
        self.metadata = checkpoint.metadata
        self.dtype = inputs.check_dtype(dtype)
        self.time_major = time_major
        self.training = training
        self.seed = seed
        self._calls = 0
        self._arguments = inputs.Arguments(self.model, time_major)
        self._arrays = inputs.NumpyArrays(dtype)
        self._weights = self.model.by_layer({name: array.astype(dtype) for name, array in checkpoint.weights.items()})

    def __call__(
        self,
        x: ArrayLike | Mapping[str, ArrayLike],
        lengths: ArrayLike | Mapping[str, ArrayLike] | None = None,
        mask: ArrayLike | Mapping[str, ArrayLike] | None = None,
        state: Mapping[str, ArrayLike] | None = None,
        reset: ArrayLike | Mapping[str, ArrayLike] | None = None,
    ) -> tuple[Output, dict[str, np.ndarray]]:
        """Whole sequences: x (batch, time, inputs) or ids (batch, time) → outputs, final states by name.

        With inputs by name x, lengths, mask and reset are mappings by these names (INPUT-7).

        Raises:
            SpecError: x, lengths, mask or state do not fit the model (INPUT-1 to INPUT-6).
        """
        call = self._arguments.of_call(self._arrays, x, lengths, mask, state, reset)
        values = {n: self._swapped(n, value) for n, value in call.x.items()} if self.time_major else call.x
        given = self._start(call.rows) if call.state is None else call.state
        y, new = self.model.apply(self._ops(), self._weights, values, call.valid, given)
        return (self.model.each(self._swapped, y) if self.time_major else y), new

    def step(
        self,
        x_t: ArrayLike | Mapping[str, ArrayLike],
        state: Mapping[str, ArrayLike] | None = None,
        lengths: Mapping[str, ArrayLike] | None = None,
        mask: Mapping[str, ArrayLike] | None = None,
    ) -> tuple[Output, dict[str, np.ndarray]]:
        """One time step: x_t (batch, inputs) or ids (batch,) → output (batch, outputs), states by name.

        Inputs by name that are read whole, as a memory is, are given whole, with lengths or a mask by name (GRAPH-8).

        Raises:
            SpecError: x_t, state, lengths or mask do not fit the model.
            UnsupportedError: a layer runs backward, or reads a sequence whole.
        """
        call = self._arguments.of_step(self._arrays, x_t, state, lengths, mask)
        given = self._start(call.rows) if call.state is None else call.state
        if not self.time_major:
            return self.model.step(self._ops(), self._weights, call.x, given, call.valid)
        x = {n: v if n in self.model.stepped else self._swapped(n, v) for n, v in call.x.items()}
        y, new = self.model.step(self._ops(), self._weights, x, given, call.valid)
        return self.model.each(lambda name, part: part if part.ndim == 2 else self._swapped(name, part), y), new

    def _ops(self) -> NumpyOps:
        """Operations for one call."""
        self._calls += self.training
        return NumpyOps(self.training, self.seed, self._calls - 1)

    def _swapped(self, name: str, value: np.ndarray) -> np.ndarray:
        """An input or output with time and batch exchanged, where time comes first."""
        return value.swapaxes(0, 1) if self.time_major and name in self.model.sequences else value

    def _start(self, batch: int) -> dict[str, np.ndarray]:
        """The states of sequences that are given none."""
        zeros = {name: np.zeros((batch, size), self.dtype) for name, size in self._arguments.states.items()}
        return self.model.start(NumpyOps(), self._weights, zeros)
