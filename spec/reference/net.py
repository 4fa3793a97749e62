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
        x: ArrayLike,
        lengths: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        state: Mapping[str, ArrayLike] | None = None,
        reset: ArrayLike | None = None,
    ) -> tuple[Output, dict[str, np.ndarray]]:
        """Whole sequences: x (batch, time, inputs) or ids (batch, time) → outputs, final states by name.

        Raises:
            SpecError: x, lengths, mask or state do not fit the model (INPUT-1 to INPUT-6).
        """
        values, valid, given = self._arguments.of_call(self._arrays, x, lengths, mask, state, reset)
        if self.time_major:
            values = values.swapaxes(0, 1)
        given = self._start(len(values)) if given is None else given
        y, new = self.model.apply(self._ops(), self._weights, values, valid, given)
        return self._swapped(y), new

    def step(
        self, x_t: ArrayLike, state: Mapping[str, ArrayLike] | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """One time step: x_t (batch, inputs) or ids (batch,) → output (batch, outputs), states by name.

        Raises:
            SpecError: x_t or state do not fit the model.
            UnsupportedError: a layer runs backward.
        """
        values, given = self._arguments.of_step(self._arrays, x_t, state)
        given = self._start(len(values)) if given is None else given
        return self.model.step(self._ops(), self._weights, values, given)

    def _ops(self) -> NumpyOps:
        """Operations for one call."""
        self._calls += self.training
        return NumpyOps(self.training, self.seed, self._calls - 1)

    def _swapped(self, y: Output) -> Output:
        if isinstance(y, tuple):
            return tuple(self._swapped(part) for part in y)
        return y.swapaxes(0, 1) if self.time_major and y.ndim == 3 else y

    def _start(self, batch: int) -> dict[str, np.ndarray]:
        """The states of sequences that are given none."""
        zeros = {name: np.zeros((batch, size), self.dtype) for name, size in self._arguments.states.items()}
        return self.model.start(NumpyOps(), self._weights, zeros)
