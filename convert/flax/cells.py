"""The cells of Flax, recognised by the names of the modules inside."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnspec.activations import Activation
from rnnspec.conventions import flax
from rnnspec.conventions.gates import Part
from rnnspec.convert.assumed import activation
from rnnspec.convert.request import Request
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError

# Kinds by the units in a row of nnx's dense_i
_FUSED = {len(flax.KINDS[kind].gates.ours): kind for kind in ("SimpleCell", "GRUCell", "LSTMCell")}


@dataclass(frozen=True)
class FlaxCell:
    """A cell at `scope`, "" or "rnn/cell/": its kind, the modules inside for x and h, and its inputs and units.

    linen has a module for every gate; nnx (`fused`) has dense_i and dense_h for all.
    """

    scope: str
    kind: str
    i: tuple[str, ...]
    h: tuple[str, ...]
    inputs: int
    units: int
    fused: bool = False

    def part(self, variables: Variables, request: Request, place: str) -> Part:
        """Our cell and its weights; what the tree does not hold is asked for at `place`.

        Raises:
            SpecError: a variable is missing, or of another shape.
        """

        kind = flax.KINDS[self.kind]
        gates = len(kind.gates.ours)

        def take(modules: tuple[str, ...], leaf: str, *rows: int) -> np.ndarray:
            columns = self.units * (gates if self.fused else 1)
            arrays = [variables.take(f"{self.scope}{module}/{leaf}", *rows, columns) for module in modules]
            return np.concatenate(arrays, axis=-1)

        kernels = take(self.i, "kernel", self.inputs), take(self.h, "kernel", self.units)
        bias = take(self.i if kind.biased == "i" else self.h, "bias")
        last = f"{self.scope}{self.h[-1]}/bias"
        hn_bias = None
        if self.kind in ("GRUCell", "MGUCell") and not self.fused and (self.kind == "GRUCell" or last in variables):
            hn_bias = variables.take(last, self.units)
        if self.kind == "SimpleCell":
            residual = request.settings.get(place, "residual")
            if residual is None:
                request.note(f"{place}: residual is not in the file; false; --set {place}.residual=true if it was")
            if residual is True:
                request.note(f"{place}: residual: the identity is added to the recurrent kernel")
            elif residual not in (None, False):
                raise SpecError(f"--set {place}.residual: expected true or false, found {residual!r}")
            return flax.SimpleCell.to_ours(*kernels, bias, self._activation(request, place), residual is True)
        both = self._gate_activation(request, place), self._activation(request, place)
        if self.kind == "LSTMCell":
            return flax.LSTMCell.to_ours(*kernels, bias, *both)
        if self.kind == "MGUCell":
            meaning = "an update gate RNN" if hn_bias is None else "a GRU whose reset and update gates are the same"
            request.note(f"{place}: MGUCell is {meaning}")
            return flax.MGUCell.to_ours(*kernels, bias, hn_bias, *both)
        return flax.GRUCell.to_ours(*kernels, bias, hn_bias, *both)

    def _activation(self, request: Request, place: str) -> Activation:
        return _asked(request, place, "activation", "activation_fn", flax.ACTIVATION)

    def _gate_activation(self, request: Request, place: str) -> Activation:
        return _asked(request, place, "gate_activation", "gate_fn", flax.GATE_ACTIVATION)


def _asked(request: Request, place: str, name: str, also: str, default: Activation) -> Activation:
    if not request.settings.given(place, name, also=(also,)):
        request.note("activations are not in the file: Flax's own, tanh and sigmoid for gates, where nothing is set")
    return activation(request.settings.get(place, name, default, also=(also,)), f"--set {place}.{name}")


def recognise(variables: Variables, scope: str, modules: set[str]) -> FlaxCell | None:
    """The cell at `scope`, if the modules inside are those of one.

    Raises:
        SpecError: a kernel is missing or of an impossible shape.
    """
    if modules & {"dense_i", "dense_h"}:
        return _fused(variables, scope)
    named: dict[str, Callable[[set[str]], bool]] = {
        "LSTMCell": lambda m: bool(m & {"ig", "hg"}),
        "GRUCell": lambda m: bool(m & {"iz", "hz"}),
        "MGUCell": lambda m: bool(m & {"in", "hn"}),
        "SimpleCell": lambda m: {"i", "h"} <= m,
    }
    for kind, fits in named.items():
        if fits(modules):
            i, h = (tuple(f"{side}{gate}" for gate in flax.KINDS[kind].gates.theirs) for side in "ih")
            if "if_" in modules:  # nnx: `if` is a keyword
                i = tuple("if_" if name == "if" else name for name in i)
            inputs, units = variables.take(f"{scope}{i[-1]}/kernel", None, None).shape
            return FlaxCell(scope, kind, i, h, inputs, units)
    return None


def _fused(variables: Variables, scope: str) -> FlaxCell:
    inputs = variables.take(f"{scope}dense_i/kernel", None, None).shape[0]
    units, columns = variables.take(f"{scope}dense_h/kernel", None, None).shape
    if columns % units or columns // units not in _FUSED:
        raise SpecError(
            f"{variables.where}: variable '{scope}dense_h/kernel': expected columns for 1, 3 or 4 gates of {units} "
            f"units, found shape {(units, columns)}"
        )
    return FlaxCell(scope, _FUSED[columns // units], ("dense_i",), ("dense_h",), inputs, units, fused=True)
