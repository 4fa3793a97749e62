"""A model that can be called."""

from collections.abc import Mapping

import numpy as np

from rnnspec import inputs
from rnnspec.checkpoint import Checkpoint
from rnnspec.layers import Embedding
from rnnspec.reference.ops import NumpyOps
from rnnspec.valid import Valid


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
        self._weights = self.model.by_layer({name: array.astype(dtype) for name, array in checkpoint.weights.items()})

    def __call__(self, x, lengths=None, mask=None, state: Mapping | None = None, reset=None):
        """Whole sequences: x (batch, time, inputs) or ids (batch, time) → outputs, final states by name.

        Raises:
            SpecError: x, lengths, mask or state do not fit the model (INPUT-1 to INPUT-6).
        """
        x = self._array(x)
        inputs.check_x(self.model, x.shape, time_major=self.time_major)
        if self.time_major:
            x = x.swapaxes(0, 1)
        if lengths is not None:
            lengths = inputs.array(lengths, "lengths")
            inputs.check_lengths(lengths, *x.shape[:2])
        if mask is not None:
            mask = inputs.array(mask, "mask")
            inputs.check_mask(mask.dtype == np.bool_, mask.shape, lengths, *x.shape[:2])
        if reset is not None:
            reset = inputs.array(reset, "reset")
            inputs.check_reset(reset.dtype == np.bool_, reset.shape, *x.shape[:2])
        valid = Valid(lengths, mask, reset)
        y, new = self.model.apply(self._ops(), self._weights, x, valid, self._state(state, len(x)))
        return self._swapped(y), new

    def step(self, x_t, state: Mapping | None = None):
        """One time step: x_t (batch, inputs) or ids (batch,) → output (batch, outputs), states by name.

        Raises:
            SpecError: x_t or state do not fit the model.
            UnsupportedError: a layer runs backward.
        """
        x_t = self._array(x_t)
        inputs.check_x(self.model, x_t.shape, step=True)
        return self.model.step(self._ops(), self._weights, x_t, self._state(state, len(x_t)))

    def _ops(self) -> NumpyOps:
        """Operations for one call."""
        self._calls += self.training
        return NumpyOps(self.training, self.seed, self._calls - 1)

    def _swapped(self, y):
        if isinstance(y, tuple):
            return tuple(self._swapped(part) for part in y)
        return y.swapaxes(0, 1) if self.time_major and y.ndim == 3 else y

    def _array(self, x) -> np.ndarray:
        x = inputs.numbers(x)
        if isinstance(self.model.layers[0], Embedding):
            inputs.check_ids(x, self.model.layers[0].vocabulary)
            return x
        return x.astype(self.dtype)

    def _state(self, state: Mapping | None, batch: int) -> dict[str, np.ndarray]:
        if state is None:
            zeros = {name: np.zeros((batch, size), self.dtype) for name, size in self.model.states().items()}
            return self.model.start(NumpyOps(), self._weights, zeros)
        inputs.check_named(state)
        arrays = {name: inputs.numbers(value, f"state: {name!r}").astype(self.dtype) for name, value in state.items()}
        inputs.check_state(self.model.states(), arrays, batch)
        return arrays
