"""torch's own function for a plain layer, with as little around it as its own modules have.

One step takes torch's RNN 10 µs, of which nothing may be lost to finding out anew what the layer is.
"""

from typing import Self

import torch
from torch import Tensor, nn

from rnnspec.backends.torch import kernels
from rnnspec.cells import GRU, LSTM, RNN, Cell
from rnnspec.layers import Recurrent
from rnnspec.model import Model
from rnnspec.ops import States


class Direct:
    """A layer that runs forward, with a cell for which torch has a function (`direct`)."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        name = kernels.name(cell).removeprefix("torch.")
        self._sequence, self._step = getattr(torch, name), getattr(torch, f"{name}_cell")
        self._bias = "bias" in cell.parameters(1)
        self._pair = isinstance(cell, LSTM)
        self._kept: tuple[list[tuple[str, Tensor, int]], list[Tensor], Tensor | None] = [], [], None

    def sequence(self, p: dict[str, Tensor], x: Tensor, state: States) -> tuple[Tensor, States]:
        """All steps, of which there is one at least: x (batch, time, inputs) → outputs, final states."""
        options = self._bias, 1, 0.0, kernels.recording(), False, True
        weights, h = self.weights(p), state["h"].unsqueeze(0)
        if self._pair:
            y, h, c = kernels.call(self._sequence, x, (h, state["c"].unsqueeze(0)), weights, *options)
            return y, {"h": h[0], "c": c[0]}
        y, h = kernels.call(self._sequence, x, h, weights, *options)
        return y, {"h": h[0]}

    def step(self, p: dict[str, Tensor], x: Tensor, state: States) -> tuple[Tensor, States]:
        """One step: x (batch, inputs) → output, states."""
        if self._pair:
            h, c = self._step(x, (state["h"], state["c"]), *self.weights(p))
            return h, {"h": h, "c": c}
        h = self._step(x, state["h"], *self.weights(p))
        return h, {"h": h}

    def weights(self, p: dict[str, Tensor]) -> list[Tensor]:
        """What torch takes. Views of parameters are kept where no gradient is asked for, while they are the same ones
        in the same memory: `functional_call` exchanges parameters, and `.to` their memory."""
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.jit.is_tracing():
            return kernels.weights(self.cell, p)
        tensors, views, tail = self._kept
        for name, tensor, pointer in tensors:
            if p[name] is not tensor or tensor.data_ptr() != pointer:
                return self._keep(p)
        if tail is not None:
            tail.copy_(p["recurrent_bias"])  # the only one that torch lays out otherwise, so no view of it
        return views or self._keep(p)

    def _keep(self, p: dict[str, Tensor]) -> list[Tensor]:
        given = {name: tensor for name, tensor in p.items() if not name.startswith("initial.")}
        if any(type(tensor) is not nn.Parameter for tensor in given.values()):  # those of vmap have no memory
            return kernels.weights(self.cell, p)
        with torch.inference_mode(False), torch.no_grad():
            views = kernels.weights(self.cell, {name: tensor.data for name, tensor in given.items()})
        tail = views[3][-given["recurrent_bias"].numel() :] if "recurrent_bias" in p else None
        self._kept = [(name, tensor, tensor.data_ptr()) for name, tensor in given.items()], views, tail
        return views

    def __deepcopy__(self, memo: dict) -> Self:
        return type(self)(self.cell)

    def __reduce__(self) -> tuple:
        return type(self), (self.cell,)


def direct(model: Model) -> dict[str, Direct]:
    """The layers of the model for which a function of torch is all they need where every step is valid, by name."""
    recurrent = (layer for layer in model.layers if isinstance(layer, Recurrent) and layer.direction == "forward")
    return {layer.name: Direct(layer.cell) for layer in recurrent if _serves(layer.cell)}


def _serves(cell: Cell) -> bool:
    plain = type(cell) in (RNN, LSTM, GRU) and kernels.obstacle(cell) is None
    return plain and not (isinstance(cell, LSTM) and cell.projection)
