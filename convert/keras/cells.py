"""Keras's cells → ours."""

from typing import Any

import numpy as np

from rnnspec import CellDropout
from rnnspec.activations import Activation
from rnnspec.conventions import cudnn, keras
from rnnspec.conventions.gates import Part
from rnnspec.conventions.keras import Version
from rnnspec.convert.keras.activations import activation
from rnnspec.convert.keras.saved import Saved
from rnnspec.convert.layers import stack
from rnnspec.convert.request import Request
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError

Kernels = tuple[np.ndarray, np.ndarray]
_GATES = {f"{kind.__name__}Cell": len(kind.gates.ours) for kind in keras.CELLS.values()}


class Cells:
    """Reads cells.

    Args:
        variables: those of the source.
        version: the Keras that wrote it.
        request: where notes go, and settings come from.
    """

    def __init__(self, variables: Variables, version: Version, request: Request) -> None:
        self.variables, self.version, self.request = variables, version, request

    def take(self, saved: Saved, leaf: str, *shape: int | None) -> np.ndarray:
        """A variable of a layer or cell, which must be of floats.

        Raises:
            UnsupportedError: it is quantised.
        """
        array = self.variables.take(saved.variables[leaf], *shape)
        if array.dtype.kind != "f":
            raise UnsupportedError(f"{saved.where}: {leaf} is quantised ({array.dtype}); save the model before that")
        return array

    def read(self, cell: Saved, inputs: int | None, place: str) -> Part:
        """The cell, in our place of that name, with its weights; `inputs` if they are known.

        Raises:
            SpecError: a variable is missing or of another shape.
            UnsupportedError: ours has no such cell.
        """
        if cell.kind == "StackedRNNCells":
            parts = []
            for k, inner in enumerate(cell.inner.values()):
                parts.append(self.read(inner, inputs, f"{place}.cells.{k}"))
                inputs = parts[-1][0].outputs(inputs or 1)
            return stack(*parts)
        if cell.leaves is None:
            return self._layer_norm(cell, inputs, place)
        units = cell.size("units")
        kernel = self.take(cell, "kernel", inputs, _GATES[cell.kind] * units)
        recurrent_kernel = self.take(cell, "recurrent_kernel", units, _GATES[cell.kind] * units)
        part = {"SimpleRNNCell": self._rnn, "LSTMCell": self._lstm, "GRUCell": self._gru}[cell.kind](
            cell, units, (kernel, recurrent_kernel), place
        )
        return self._with_dropout(cell, part)

    def activation(self, cell: Saved, place: str) -> Activation:
        """`activation`, tanh by default."""
        return self._activation(cell, place, "activation", "activation", keras.ACTIVATION)

    def gate_activation(self, cell: Saved, place: str) -> Activation:
        """`recurrent_activation`, whose default depends on the version."""
        return self._activation(cell, place, "recurrent_activation", "gate_activation", self.version.gate_activation)

    def _activation(self, cell: Saved, place: str, theirs: str, ours: str, default: str) -> Activation:
        value = cell.config.get(theirs)
        if theirs not in cell.config:
            value = self.request.settings.get(place, ours, default, also=(theirs,) if theirs != ours else ())
            self.request.note(f"{place}: {ours} is not in the source: {value}")
        return activation(value, self.version, cell.where)

    def _rnn(self, cell: Saved, units: int, kernels: Kernels, place: str) -> Part:
        bias = self.take(cell, "bias", units) if "bias" in cell.variables else None
        return keras.SimpleRNN.to_ours(*kernels, bias, self.activation(cell, place))

    def _lstm(self, cell: Saved, units: int, kernels: Kernels, place: str) -> Part:
        acts: dict[str, Any] = {"gate_activation": self.gate_activation(cell, place)}
        acts |= dict.fromkeys(("cell_activation", "output_activation"), self.activation(cell, place))
        if "bias" not in cell.variables:
            return keras.LSTM.to_ours(*kernels, **acts)
        if self._is_cudnn(cell, 8 * units):
            self.request.note(f"{place}: cuDNN's two biases are added up")
            return cudnn.LSTM.to_ours(*kernels, self.take(cell, "bias", 8 * units), **acts)
        return keras.LSTM.to_ours(*kernels, self.take(cell, "bias", 4 * units), **acts)

    def _gru(self, cell: Saved, units: int, kernels: Kernels, place: str) -> Part:
        acts: dict[str, Any] = {
            "gate_activation": self.gate_activation(cell, place),
            "activation": self.activation(cell, place),
        }
        if acts["gate_activation"] in ("softmax", "log_softmax"):
            raise UnsupportedError(f"{cell.where}: recurrent_activation runs over the units of one gate: no equal here")
        after = cell.get("reset_after", bool)
        if after is None:
            after = self.request.settings.get(place, "reset_after", self.version.reset_after)
            if not isinstance(after, bool):
                raise SpecError(f"--set reset_after: expected true or false, found {after!r}")
            self.request.note(f"{place}: reset_after is not in the source: {str(after).lower()}")
        if "bias" not in cell.variables:
            return keras.GRU.to_ours(*kernels, reset_after=after, **acts)
        if after and self._is_cudnn(cell, 6 * units):
            self._summed(place)
            return cudnn.GRU.to_ours(*kernels, self.take(cell, "bias", 6 * units), **acts)
        if after:
            self._summed(place)
        bias = self.take(cell, "bias", *((2, 3 * units) if after else (3 * units,)))
        return keras.GRU.to_ours(*kernels, bias, **acts)

    def _summed(self, place: str) -> None:
        self.request.note(f"{place}: the input's and the recurrent biases of its reset and update gates are added up")

    def _is_cudnn(self, cell: Saved, length: int) -> bool:
        """Whether the bias has the length of cuDNN's: its kernels are then turned, whatever class loads them."""
        bias = self.variables.get(cell.variables["bias"])
        return bias is not None and bias.shape == (length,)

    def _layer_norm(self, cell: Saved, inputs: int | None, place: str) -> Part:
        """Géron's `LNSimpleRNNCell`, whose code is not in the source: its variables say what it is."""
        recurrent = self.variables[cell.variables["recurrent_kernel"]]
        units = recurrent.shape[1] if recurrent.ndim == 2 else 1
        shapes = {"kernel": (inputs, units), "recurrent_kernel": (units, units)}
        arrays = {name: self.take(cell, name, *shapes.get(name, (units,))) for name in cell.variables}
        epsilon = self.request.settings.get(place, "epsilon", 1e-3)
        act = self.activation(cell, place)
        self.request.note(
            f"{place}: {cell.kind} is not Keras's own: by its variables taken for SimpleRNNCell(activation=None), "
            f"LayerNormalization(epsilon={epsilon}), then {act}"
        )
        return keras.LNSimpleRNN.to_ours(**arrays, epsilon=epsilon, activation=act)

    def _with_dropout(self, cell: Saved, part: Part) -> Part:
        rates = {ours: cell.get(theirs, (int, float), 0.0) for ours, theirs in _RATES.items()}
        return (CellDropout(cell=part[0], per="sequence", **rates), part[1]) if any(rates.values()) else part


_RATES = {"input": "dropout", "state": "recurrent_dropout"}
