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
    """

    def __init__(self, checkpoint: Checkpoint, dtype: str = "float32", time_major: bool = False) -> None:
        self.checkpoint = checkpoint
        self.model = checkpoint.model
        self.metadata = checkpoint.metadata
        self.dtype = inputs.check_dtype(dtype)
        self.time_major = time_major
        self._ops = NumpyOps()
        self._weights = self.model.by_layer({name: array.astype(dtype) for name, array in checkpoint.weights.items()})

    def __call__(self, x, lengths=None, mask=None, state: Mapping | None = None):
        """Whole sequences: x (batch, time, inputs) or ids (batch, time) → outputs, final states by name.

        Raises:
            SpecError: x, lengths, mask or state do not fit the model (INPUT-1 to INPUT-5).
        """
        x = self._array(x)
        inputs.check_x(self.model, x.shape, time_major=self.time_major)
        if self.time_major:
            x = x.swapaxes(0, 1)
        if lengths is not None:
            lengths = np.asarray(lengths)
            inputs.check_lengths(lengths, *x.shape[:2])
        if mask is not None:
            mask = np.asarray(mask)
            inputs.check_mask(mask.dtype == np.bool_, mask.shape, lengths, *x.shape[:2])
        y, new = self.model.apply(self._ops, self._weights, x, Valid(lengths, mask), self._state(state, len(x)))
        return (y.swapaxes(0, 1) if self.time_major and y.ndim == 3 else y), new

    def step(self, x_t, state: Mapping | None = None):
        """One time step: x_t (batch, inputs) or ids (batch,) → output (batch, outputs), states by name.

        Raises:
            SpecError: x_t or state do not fit the model.
            UnsupportedError: a layer runs backward.
        """
        x_t = self._array(x_t)
        inputs.check_x(self.model, x_t.shape, step=True)
        return self.model.step(self._ops, self._weights, x_t, self._state(state, len(x_t)))

    def _array(self, x) -> np.ndarray:
        x = inputs.numbers(x)
        if isinstance(self.model.layers[0], Embedding):
            inputs.check_ids(x, self.model.layers[0].vocabulary)
            return x
        return x.astype(self.dtype)

    def _state(self, state: Mapping | None, batch: int) -> dict[str, np.ndarray]:
        if state is None:
            return {name: np.zeros((batch, size), self.dtype) for name, size in self.model.states().items()}
        inputs.check_named(state)
        arrays = {name: np.asarray(value, self.dtype) for name, value in state.items()}
        inputs.check_state(self.model.states(), arrays, batch)
        return arrays
