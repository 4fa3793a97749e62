"""What the user holds: sessions behind the common interface."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from rnnspec import inputs
from rnnspec.backends.onnxruntime.session import Session
from rnnspec.checkpoint import Checkpoint, as_checkpoint
from rnnspec.errors import UnsupportedError
from rnnspec.export import build
from rnnspec.layers import Embedding, Recurrent


class Net:
    """The model in ONNX Runtime, float32: `y, state = net(x, lengths=…, mask=…, state=…)`, arrays in and out."""

    def __init__(self, source: Checkpoint | Session, time_major: bool) -> None:
        self._checkpoint = source if isinstance(source, Checkpoint) else None
        self._loaded = source if isinstance(source, Session) else None
        self.model = source.model
        self.metadata = source.metadata
        self.time_major = time_major

    @cached_property
    def _sequence(self) -> Session:
        if self._loaded is None:
            return Session(build(self.checkpoint()).SerializeToString())
        if self._loaded.step:
            raise UnsupportedError("the file is a single step; call net.step, or export it without --step")
        return self._loaded

    @cached_property
    def _step(self) -> Session | None:
        if self._loaded is None:
            return Session(build(self.checkpoint(), step=True).SerializeToString())
        return self._loaded if self._loaded.step else None

    def checkpoint(self) -> Checkpoint:
        """The checkpoint that the network was made from."""
        if self._checkpoint is None:
            raise UnsupportedError("loaded from an .onnx file: load the model file instead to get its checkpoint")
        return self._checkpoint

    def paths(self) -> dict[str, str]:
        """Recurrent layer → the nodes that it became."""
        return {layer.name: "native: ONNX node" for layer in self.model.layers if isinstance(layer, Recurrent)}

    def __call__(self, x, lengths=None, mask=None, state: Mapping | None = None):
        """Whole sequences: x (batch, time, inputs) or ids (batch, time) → outputs, final states by name.

        Raises:
            SpecError: x, lengths, mask or state do not fit the model (INPUT-1 to INPUT-5).
            UnsupportedError: a mask with holes or left padding, or lengths where the file has no such input.
        """
        x = self._array(x)
        inputs.check_x(self.model, x.shape, time_major=self.time_major)
        batch, time = x.shape[:2][::-1] if self.time_major else x.shape[:2]
        if mask is not None:
            mask = np.asarray(mask)
            inputs.check_mask(mask.dtype == np.bool_, mask.shape, lengths, batch, time)
            lengths = mask.sum(1)
            if not np.array_equal(mask, np.arange(time) < lengths[:, None]):
                raise UnsupportedError("mask: with holes or left padding, which this backend cannot run; use another")
        session = self._sequence
        feeds = self._state(state, batch)
        if lengths is not None:
            lengths = np.asarray(lengths)
            inputs.check_lengths(lengths, batch, time)
        if session.takes_lengths:
            feeds["lengths"] = np.full(batch, time, "int32") if lengths is None else lengths.astype("int32")
        elif lengths is not None and (lengths != time).any():
            raise UnsupportedError("lengths: the file was exported without them; export it again with lengths")
        swap = self.time_major != session.time_major
        feeds["x"] = x.swapaxes(0, 1) if swap else x
        return self._results(session.run(feeds), swap)

    def step(self, x_t, state: Mapping | None = None):
        """One time step: x_t (batch, inputs) or ids (batch,) → output (batch, outputs), states by name.

        Raises:
            SpecError: x_t or state do not fit the model.
            UnsupportedError: a layer runs backward.
        """
        x_t = self._array(x_t)
        inputs.check_x(self.model, x_t.shape, step=True)
        session = self._step
        if session is not None:
            return self._results(session.run({"x": x_t, **self._state(state, len(x_t))}), False)
        for layer in self.model.layers:  # a sequence file streams as sequences of one step
            if isinstance(layer, Recurrent) and layer.direction != "forward":
                raise UnsupportedError(
                    f"layer {layer.name!r} is {layer.direction}: it has no step; run whole sequences"
                )
        y, new = self(x_t[None] if self.time_major else x_t[:, None], state=state)
        if y.ndim == 3:
            y = y[0] if self.time_major else y[:, 0]
        return y, new

    def _array(self, x) -> np.ndarray:
        x = inputs.numbers(x)
        first = self.model.layers[0]
        if isinstance(first, Embedding):
            inputs.check_ids(x, first.vocabulary)
            return x.astype("int64")
        return x.astype("float32")

    def _state(self, state: Mapping | None, batch: int) -> dict[str, np.ndarray]:
        if state is None:
            return {name: np.zeros((batch, size), "float32") for name, size in self.model.states().items()}
        inputs.check_named(state)
        arrays = {name: np.asarray(value, "float32") for name, value in state.items()}
        inputs.check_state(self.model.states(), arrays, batch)
        return arrays

    @staticmethod
    def _results(results: dict, swap: bool):
        y = results.pop("y")
        return (y.swapaxes(0, 1) if swap and y.ndim == 3 else y), results


def load(
    source: Checkpoint | str | os.PathLike,
    *,
    dtype: str = "float32",
    time_major: bool = False,
    allow_nonfinite: bool = False,
) -> Net:
    """A callable network from a model file, a checkpoint, or an .onnx file that rnnspec exported.

    Raises:
        SpecError: the file is wrong.
        UnsupportedError: `dtype="float64"`, which ONNX Runtime's recurrent kernels lack.
    """
    if inputs.check_dtype(dtype) != "float32":
        raise UnsupportedError("dtype: ONNX Runtime has no float64 RNN, GRU or LSTM; use float32")
    if not isinstance(source, Checkpoint) and Path(source).suffix == ".onnx":
        return Net(Session(Path(source).read_bytes(), str(source)), time_major)
    return Net(as_checkpoint(source, allow_nonfinite), time_major)


def checkpoint(net: Net) -> Checkpoint:
    """The checkpoint that the network was made from; UnsupportedError for one loaded from an .onnx file."""
    return net.checkpoint()
