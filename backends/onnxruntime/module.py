"""What the user holds: sessions behind the common interface."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from rnnspec import inputs
from rnnspec.checkpoint import Checkpoint, as_checkpoint
from rnnspec.convert.onnx import files
from rnnspec.errors import UnsupportedError
from rnnspec.export.model import serialised
from rnnspec.export.session import Session
from rnnspec.export.start import initial_states
from rnnspec.layers import Recurrent
from rnnspec.model import Output
from rnnspec.reading import contents


class _Arrays(inputs.NumpyArrays):
    def ids(self, x: ArrayLike, vocabulary: int) -> np.ndarray:
        return super().ids(x, vocabulary).astype("int64")


class Net:
    """The model in ONNX Runtime, float32: `y, state = net(x, lengths=…, mask=…, state=…, reset=…)`, arrays in and out.

    From a checkpoint, each kind of call gets a graph of its own when it is first made: without any of these, with
    lengths, with a mask, with resets, a single step.
    """

    def __init__(self, source: Checkpoint | Session, time_major: bool) -> None:
        self._checkpoint = source if isinstance(source, Checkpoint) else None
        self._loaded = source if isinstance(source, Session) else None
        self._sessions: dict[tuple, Session] = {}
        self._initial = source.initial if isinstance(source, Session) else initial_states(source)
        self.model = source.model
        self.metadata = source.metadata
        self.time_major = time_major
        self._arguments = inputs.Arguments(self.model, time_major)
        self._arrays = _Arrays("float32")

    def _session(self, **options: bool) -> Session:
        """The graph for a kind of call."""
        key = tuple(options.items())
        if key not in self._sessions:
            data, tensors = serialised(self.checkpoint(), "model.data", **options)
            self._sessions[key] = Session(data, tensors=tensors)
        return self._sessions[key]

    def checkpoint(self) -> Checkpoint:
        """The checkpoint that the network was made from. Raises UnsupportedError: it was made from an .onnx file."""
        if self._checkpoint is None:
            raise UnsupportedError("loaded from an .onnx file: load the model file instead to get its checkpoint")
        return self._checkpoint

    def paths(self) -> dict[str, str]:
        """Recurrent layer → a native node, or a `Scan` and why, in sequences with lengths."""
        return (self._loaded or self._session(lengths=True, mask=False, reset=False)).paths

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
            SpecError: x, lengths, mask, reset or state do not fit the model (INPUT-1 to INPUT-6).
            UnsupportedError: a loaded file that was exported without the inputs that the call needs.
        """
        values, valid, given = self._arguments.of_call(self._arrays, x, lengths, mask, state, reset)
        return self._run(values, *valid, given)

    def _run(
        self,
        x: np.ndarray,
        lengths: np.ndarray | None,
        mask: np.ndarray | None,
        reset: np.ndarray | None,
        given: dict[str, np.ndarray] | None,
    ) -> tuple[Output, dict[str, np.ndarray]]:
        """The call on checked arguments."""
        batch, time = x.shape[:2][::-1] if self.time_major else x.shape[:2]
        if mask is not None and np.array_equal(mask, np.arange(time) < mask.sum(1)[:, None]):
            lengths, mask = mask.sum(1), None  # the same, and faster
        if batch == 0:  # ONNX Runtime's LSTM ends the process
            axis = 1 if self.time_major else 0
            y, new = self(np.zeros((*x.shape[:axis], 1, *x.shape[axis + 1 :]), x.dtype))
            y = self._each(y, lambda part: part.take([], axis if part.ndim == 3 else 0))
            return y, {name: value[:0] for name, value in new.items()}
        if time == 0:  # ONNX Runtime's Scan needs a step: one that is not valid changes nothing
            axis = 0 if self.time_major else 1
            padded = np.zeros((*x.shape[:axis], 1, *x.shape[axis + 1 :]), x.dtype)
            y, new = self(padded, np.zeros(batch, int), state=given)
            return self._each(y, lambda part: part.take([], axis) if part.ndim == 3 else part), new
        if self._loaded is None:
            session = self._session(lengths=lengths is not None, mask=mask is not None, reset=reset is not None)
        else:
            session = self._loaded
        swap = self.time_major != session.time_major
        feeds = {"x": x.swapaxes(0, 1) if swap else x, **_steps(session, lengths, mask, reset, batch, time)}
        return self._results(session.run(feeds | self._states(given, batch)), swap)

    def step(
        self, x_t: ArrayLike, state: Mapping[str, ArrayLike] | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """One time step: x_t (batch, inputs) or ids (batch,) → output (batch, outputs), states by name.

        Raises:
            SpecError: x_t or state do not fit the model.
            UnsupportedError: a layer runs backward, or reverses its output.
        """
        values, given = self._arguments.of_step(self._arrays, x_t, state)
        session = self._loaded or self._session(step=True)
        if session.step:
            return self._results(session.run({"x": values, **self._states(given, len(values))}), False)
        for layer in self.model.layers:  # a sequence file streams as sequences of one step
            if isinstance(layer, Recurrent) and layer.direction != "forward":
                raise UnsupportedError(
                    f"layer {layer.name!r} is {layer.direction}: it has no step; run whole sequences"
                )
            if isinstance(layer, Recurrent) and layer.reverse_output:
                raise UnsupportedError(f"layer {layer.name!r} reverses its output: it has no step; run whole sequences")
        y, new = self(values[None] if self.time_major else values[:, None], state=given)
        if y.ndim == 3:
            y = y[0] if self.time_major else y[:, 0]
        return y, new

    def _states(self, given: dict[str, np.ndarray] | None, batch: int) -> dict[str, np.ndarray]:
        """The given states, or those that sequences start from."""
        return {name: np.tile(value, (batch, 1)) for name, value in self._initial.items()} if given is None else given

    def _results(self, results: dict[str, np.ndarray], swap: bool) -> tuple[Output, dict[str, np.ndarray]]:
        separate = self.model.separate
        y = (results.pop("y.forward"), results.pop("y.backward")) if separate else results.pop("y")
        return self._each(y, lambda part: part.swapaxes(0, 1) if swap and part.ndim == 3 else part), results

    def _each(self, y: Output, change: Callable[[np.ndarray], np.ndarray]) -> Output:
        """The output, or both where they are separate, changed."""
        return tuple(map(change, y)) if self.model.separate else change(y)


def _steps(
    session: Session,
    lengths: np.ndarray | None,
    mask: np.ndarray | None,
    reset: np.ndarray | None,
    batch: int,
    time: int,
) -> dict[str, np.ndarray]:
    """The inputs that say which steps count, as the graph takes them."""
    if session.step:
        raise UnsupportedError("the file is a single step; call net.step, or export it without --step")
    feeds = {}
    counts = np.full(batch, time) if lengths is None else lengths
    if "mask" in session.takes:
        feeds["mask"] = np.arange(time) < counts[:, None] if mask is None else mask
    elif mask is not None:
        raise UnsupportedError("mask: with holes or left padding, and the file was exported without --mask")
    elif "lengths" in session.takes:
        feeds["lengths"] = counts.astype("int32")
    elif (counts != time).any():
        raise UnsupportedError("lengths: the file was exported without them; export it again with lengths")
    if "reset" in session.takes:
        feeds["reset"] = np.zeros((batch, time), bool) if reset is None else reset
    elif reset is not None and reset.any():
        raise UnsupportedError("reset: the file was exported without it; export it again with --reset")
    return feeds


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
        data = contents(Path(source))
        return Net(Session(data, str(source), files.external(data, Path(source))), time_major)
    return Net(as_checkpoint(source, allow_nonfinite), time_major)


def checkpoint(net: Net) -> Checkpoint:
    """The network's weights in float32; UnsupportedError for one loaded from an .onnx file."""
    return net.checkpoint().copy("float32")
