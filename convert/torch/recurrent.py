"""`nn.RNN`, `nn.LSTM`, `nn.GRU` and their cells, recognised by the names and shapes of their weights."""

from collections.abc import Callable
from functools import partial
from typing import Any

from rnnspec.conventions import torch
from rnnspec.conventions.gates import Part
from rnnspec.convert.layers import bidirectional, recurrent
from rnnspec.convert.request import Request, WithWeights
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError

KINDS = {len(kind.gates.ours): kind.__name__ for kind in torch.CELLS.values()}


class Stacked:
    """The layers of one module: weight_ih_l0, weight_ih_l0_reverse, weight_ih_l1, … or, of a cell, weight_ih.

    Args:
        prefix: what the names begin with, "" or "lstm.".
        suffixes: what they end with.

    Raises:
        SpecError: a weight is missing, or of an impossible shape.
    """

    def __init__(self, variables: Variables, prefix: str, suffixes: set[str]) -> None:
        self.variables, self.prefix, self.suffixes = variables, prefix, suffixes
        self.directions = 2 if any(suffix.endswith("_reverse") for suffix in suffixes) else 1
        first = "" if "" in suffixes else "_l0"
        self.count = len({suffix.removesuffix("_reverse") for suffix in suffixes})
        self.biased = any(
            self._name(leaf, suffix) in variables for leaf in ("bias_ih", "bias_hh") for suffix in suffixes
        )
        self.projected = any(self._name("weight_hr", suffix) in variables for suffix in suffixes)
        rows, each = variables.take(self._name("weight_hh", first), None, None).shape
        units = variables.take(self._name("weight_hr", first), None, None).shape[1] if self.projected else each
        self.gates, remainder = divmod(rows, units)
        if remainder or self.gates not in ((4,) if self.projected else KINDS):
            raise SpecError(
                f"{variables.where}: variable {self._name('weight_hh', first)!r}: expected rows for "
                f"{'4' if self.projected else '1, 3 or 4'} gates of {units} units, found shape {(rows, each)}"
            )
        self.kind = KINDS[self.gates]
        self.inputs = variables.take(self._name("weight_ih", first), rows, None).shape[1]
        self.outputs = self.directions * each
        self._rows, self._each, self._units = rows, each, units

    def layers(self, name: str, request: Request, nonlinearity: str | None = None) -> list[WithWeights]:
        """The layers, `name` if there is one and `name_0`, `name_1`, … if there are more.

        `nonlinearity`: of an `nn.RNN`, where it is known; else it is asked for.
        """
        if self.biased:
            request.note("bias_ih and bias_hh are added up" + self._but, name)
        return [
            self._layer(k, f"{name}_{k}" if self.count > 1 else name, request, nonlinearity) for k in range(self.count)
        ]

    @property
    def form(self) -> str:
        """What kind of module it is, sizes left aside."""
        return f"{self.kind} × {self.count}" + (", bidirectional" if self.directions == 2 else "")

    @property
    def _but(self) -> str:
        return ", but for the new gate's, where bias_hh is recurrent_bias" if self.kind == "GRU" else ""

    def _layer(self, k: int, name: str, request: Request, nonlinearity: str | None) -> WithWeights:
        suffix = "" if "" in self.suffixes else f"_l{k}"
        layout = self._layout(name, request, nonlinearity)
        forward = layout(*self._take(suffix, self.outputs if k else self.inputs))
        if self.directions == 1:
            return recurrent(forward, name)
        return bidirectional(
            forward, layout(*self._take(f"{suffix}_reverse", self.outputs if k else self.inputs)), name
        )

    def _layout(self, name: str, request: Request, nonlinearity: str | None) -> Callable[..., Part]:
        if self.kind != "RNN":
            return torch.LSTM.to_ours if self.kind == "LSTM" else torch.GRU.to_ours
        chosen = nonlinearity or request.settings.get(name, "activation", also=("nonlinearity",))
        if chosen is None:
            request.note(
                f"{name}: nn.RNN's nonlinearity is not in the file; tanh; --set {name}.activation=relu for relu"
            )
        if chosen not in (None, *torch.NONLINEARITIES):
            raise SpecError(f"--set {name}.activation: nn.RNN has tanh and relu, found {chosen!r}")
        activation: Any = chosen or torch.NONLINEARITIES[0]
        return partial(torch.RNN.to_ours, activation=activation)

    def _take(self, suffix: str, inputs: int):
        shapes = {"weight_ih": (self._rows, inputs), "weight_hh": (self._rows, self._each)}
        if self.biased:
            shapes |= {"bias_ih": (self._rows,), "bias_hh": (self._rows,)}  # type: ignore[dict-item]
        if self.projected:
            shapes |= {"weight_hr": (self._each, self._units)}
        taken = {leaf: self.variables.take(self._name(leaf, suffix), *shape) for leaf, shape in shapes.items()}
        return [taken.get(leaf) for leaf in torch.LEAVES if leaf in taken or leaf.startswith("bias")]

    def _name(self, leaf: str, suffix: str) -> str:
        return f"{self.prefix}{leaf}{suffix}"
