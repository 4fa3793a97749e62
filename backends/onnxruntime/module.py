"""What the user holds: sessions behind the common interface."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from rnnspec import inputs
from rnnspec.checkpoint import Checkpoint, as_checkpoint
from rnnspec.convert.onnx import files
from rnnspec.errors import UnsupportedError
from rnnspec.export.inputs import counted
from rnnspec.export.model import serialised
from rnnspec.export.session import Session
from rnnspec.export.start import initial_states
from rnnspec.layers import Recurrent
from rnnspec.model import Output
from rnnspec.reading import contents
from rnnspec.valid import Valid


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

    def _session(self, step: bool, lengths: bool, mask: bool, reset: bool) -> Session:
        """The graph for a kind of call."""
        kind = step, lengths, mask, reset
        if kind not in self._sessions:
            options = {"step": step, "lengths": lengths, "mask": mask, "reset": reset}
            data, tensors = serialised(self.checkpoint(), "model.data", **options)
            self._sessions[kind] = Session(data, tensors=tensors)
        return self._sessions[kind]

    def checkpoint(self) -> Checkpoint:
        """The checkpoint that the network was made from. Raises UnsupportedError: it was made from an .onnx file."""
        if self._checkpoint is None:
            raise UnsupportedError("loaded from an .onnx file: load the model file instead to get its checkpoint")
        return self._checkpoint

    def paths(self) -> dict[str, str]:
        """Recurrent layer → a native node, or a `Scan` and why, in sequences with lengths."""
        return (self._loaded or self._session(False, True, False, False)).paths

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
            SpecError: x, lengths, mask, reset or state do not fit the model (INPUT-1 to INPUT-7).
            UnsupportedError: a loaded file that was exported without the inputs that the call needs.
        """
        return self._run(self._arguments.of_call(self._arrays, x, lengths, mask, state, reset), step=False)

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
            UnsupportedError: a layer runs backward, or reverses its output, or reads a sequence whole.
        """
        call = self._arguments.of_step(self._arrays, x_t, state, lengths, mask)
        if self._loaded is None or self._loaded.step:
            return self._run(call, step=True)
        for layer in self.model.layers:  # a sequence file streams as sequences of one step
            if layer.name not in self.model.stepped:
                raise UnsupportedError(
                    f"layer {layer.name!r} runs whole at every step, and the file was exported without --step"
                )
            if isinstance(layer, Recurrent) and layer.direction != "forward":
                raise UnsupportedError(
                    f"layer {layer.name!r} is {layer.direction}: it has no step; run whole sequences"
                )
            if isinstance(layer, Recurrent) and layer.reverse_output:
                raise UnsupportedError(f"layer {layer.name!r} reverses its output: it has no step; run whole sequences")
        axis = 0 if self.time_major else 1
        values = {n: np.expand_dims(v, axis) if n in self.model.stepped else v for n, v in call.x.items()}
        call = call._replace(x=values, valid={name: Valid() for name in counted(self.model, False)})
        y, new = self._run(call, step=False)
        return self.model.each(lambda _, part: part.take(0, axis) if part.ndim == 3 else part, y), new

    def _run(self, call: inputs.Call, step: bool) -> tuple[Output, dict[str, np.ndarray]]:
        """A call whose arguments were checked."""
        counts = call.valid
        lengths = mask = reset = False
        for name, valid in call.valid.items():
            if valid.mask is not None:
                valid = self._shortened(call.x[name], valid.mask, valid.reset)
                counts = {**counts, name: valid}
            lengths |= valid.lengths is not None
            mask |= valid.mask is not None
            reset |= valid.reset is not None
        session = self._loaded or self._session(step, lengths, mask, reset)
        if session.step != step:
            raise UnsupportedError("the file is a single step; call net.step, or export it without --step")
        feeds = {**call.x, **self._states(call)}
        if swap := self.time_major != session.time_major:
            for name in self.model.sequences & feeds.keys() - (self.model.stepped if step else set()):
                feeds[name] = feeds[name].swapaxes(0, 1)
        if lengths or mask or reset or self._loaded is not None:
            for name, valid in counts.items():
                feeds |= session.counts(name, valid, *self._sizes(call.x[name]))
        results = session.run(feeds)
        y = self._output(results)
        if swap:
            y = self.model.each(lambda _, part: part.swapaxes(0, 1) if part.ndim == 3 else part, y)
        return y, results

    def _sizes(self, x: np.ndarray) -> tuple[int, int]:
        """Rows and steps of a sequence."""
        return (x.shape[1], x.shape[0]) if self.time_major else (x.shape[0], x.shape[1])

    def _shortened(self, x: np.ndarray, mask: np.ndarray, reset: np.ndarray | None) -> Valid:
        """Lengths in place of a mask that says no more: they are faster."""
        lengths = mask.sum(1)
        same = np.array_equal(mask, np.arange(self._sizes(x)[1]) < lengths[:, None])
        return Valid(lengths=lengths, reset=reset) if same else Valid(mask=mask, reset=reset)

    def _states(self, call: inputs.Call) -> dict[str, np.ndarray]:
        """The given states, or those that sequences start from; those that start from another place the graph finds."""
        if call.state is not None:
            return call.state
        return {name: np.tile(value, (call.rows, 1)) for name, value in self._initial.items()}

    def _output(self, results: dict[str, np.ndarray]) -> Output:
        """The outputs, taken out of the results."""

        def one(name: str) -> Output:
            if (pair := f"{name}.forward") in results:
                return results.pop(pair), results.pop(f"{name}.backward")
            return results.pop(name)

        return one("y") if self.model.outputs is None else {name: one(name) for name in self.model.outputs}


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
