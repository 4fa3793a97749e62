"""What the user holds: an `nn.Module`."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from rnnspec import inputs
from rnnspec.backends.torch import kernels
from rnnspec.backends.torch.arguments import Arrays, as_tensor
from rnnspec.backends.torch.direct import direct
from rnnspec.backends.torch.ops import NATIVE, TorchOps
from rnnspec.checkpoint import Checkpoint, as_checkpoint
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Recurrent
from rnnspec.model import ByLayer, Output, Results

PATHS = ("native", "fused", "generic")


class Net(nn.Module):
    """The model as a module: `y, state = net(x, lengths=…, mask=…, state=…, reset=…)`.

    `state_dict` uses the specification's names and shapes. Tensors go in and out as torch's do; arrays and lists are
    accepted too, and outside training they are run without recording gradients.

    Raises:
        SpecError: `path` is none of these.
    """

    def __init__(
        self, checkpoint: Checkpoint, dtype: str, path: str, time_major: bool, return_state: bool, seed: int | None
    ) -> None:
        super().__init__()
        if path not in ("auto", *PATHS):
            raise SpecError(f"path: expected 'auto' or one of {', '.join(PATHS)}, found {path!r}")
        self.model = checkpoint.model
        self.metadata = checkpoint.metadata
        self.path = path
        self.time_major = time_major
        self.return_state = return_state
        self.seed = seed
        self._calls = 0
        self._arguments = inputs.Arguments(self.model, time_major)
        kind = getattr(torch, inputs.check_dtype(dtype))
        self.register_buffer("_anchor", torch.zeros(0, dtype=kind), persistent=False)  # follows .to(dtype, device)
        for name in self.model.parameters():
            *path_, last = name.split(".")
            module: nn.Module = self
            for part in path_:
                # Not add_module: it refuses names of methods, and "forward" is a direction.
                module = module._modules.setdefault(part, _Scope())
            tensor = torch.tensor(checkpoint.weights[name], dtype=kind)
            if name in self.model.fixed:
                module.register_buffer(last, tensor)
            else:
                module._parameters[last] = nn.Parameter(tensor)
        self._direct = direct(self.model)
        for found in ("by_name", "sequences", "alike", "stepped"):
            with suppress(UnsupportedError):  # torch.compile enters no lock, and Python 3.11 finds these under one
                getattr(self.model, found)
        if path in ("native", "fused"):
            for layer in self.model.layers:
                if isinstance(layer, Recurrent):
                    (kernels.insist if path == "native" else kernels.insist_fused)(layer)

    @property
    def dtype(self) -> torch.dtype:
        """That of weights, inputs and states."""
        return self._buffers["_anchor"].dtype

    def paths(self) -> dict[str, str]:
        """Recurrent layer → the paths that its cells take, and why they are not native ones; no reset is native."""
        recurrent = [layer for layer in self.model.layers if isinstance(layer, Recurrent)]
        return {layer.name: kernels.describe(layer, self.path, self.training) for layer in recurrent}

    def forward(
        self,
        x: Tensor | ArrayLike | Mapping[str, Tensor | ArrayLike],
        lengths: Tensor | ArrayLike | Mapping[str, Any] | None = None,
        mask: Tensor | ArrayLike | Mapping[str, Any] | None = None,
        state: Mapping[str, Tensor | ArrayLike] | None = None,
        reset: Tensor | ArrayLike | Mapping[str, Any] | None = None,
    ) -> Results:
        """Whole sequences: x (batch, time, inputs) or ids (batch, time) → outputs, final states by name.

        With inputs by name x, lengths, mask and reset are mappings by these names (INPUT-7).

        Raises:
            SpecError: x, lengths, mask, state or reset do not fit the model (INPUT-1 to INPUT-6).
            UnsupportedError: `path="native"` and a reset.
        """
        if not (isinstance(x, Tensor) or _tensors(x)):
            return self._record(self.forward, x, lengths, mask, state, reset)
        call = self._arguments.of_call(self._arrays(), x, lengths, mask, state, reset)
        values = {name: self._turned(name, value) for name, value in call.x.items()} if self.time_major else call.x
        weights = self._weights()
        given = self._start(call.rows, weights) if call.state is None else call.state
        y, new = self.model.apply(self._ops(), weights, values, call.valid, given)
        y = self.model.each(self._turned, y) if self.time_major else y
        return (y, new) if self.return_state else y

    if TYPE_CHECKING:  # nn.Module says of it that it takes anything
        __call__ = forward

    def step(
        self,
        x_t: Tensor | ArrayLike | Mapping[str, Tensor | ArrayLike],
        state: Mapping[str, Tensor | ArrayLike] | None = None,
        lengths: Mapping[str, Any] | None = None,
        mask: Mapping[str, Any] | None = None,
    ) -> tuple[Output, dict[str, Tensor]]:
        """One time step: x_t (batch, inputs) or ids (batch,) → output (batch, outputs), states by name.

        Inputs by name that are read whole, as a memory is, are given whole, with lengths or a mask by name (GRAPH-8).

        Raises:
            SpecError: x_t, state, lengths or mask do not fit the model.
            UnsupportedError: a layer runs backward, or reads a sequence whole.
        """
        if not (isinstance(x_t, Tensor) or _tensors(x_t)):
            return self._record(self.step, x_t, state, lengths, mask)
        call = self._arguments.of_step(self._arrays(), x_t, state, lengths, mask)
        values = call.x
        if self.time_major and self.model.by_name:
            values = {n: v if n in self.model.stepped else self._turned(n, v) for n, v in values.items()}
        weights = self._weights()
        given = self._start(call.rows, weights) if call.state is None else call.state
        return self.model.step(self._ops(), weights, values, given, call.valid)

    def _arrays(self) -> Arrays:
        return Arrays(self._buffers["_anchor"])

    def _ops(self) -> TorchOps:
        """Operations for one call, of which only those in training count."""
        if self.seed is not None:  # torch.compile would compile anew for every number
            self._calls += self.training
        return TorchOps(
            self.training, self.path, self.seed, self._calls - 1, self._direct if self.path in NATIVE else {}
        )

    def _turned(self, name: str, y: Tensor) -> Tensor:
        """An input or output with time and batch exchanged, if it has a time."""
        return y.transpose(0, 1) if name in self.model.sequences else y

    def _record(self, call: Callable[..., Any], x: Any, *arguments: Any) -> Any:
        """The same call on x as tensors; arrays in evaluation mode are inference, so that NumPy takes the results."""
        given = self.model.given
        if self.model.by_name:
            x = inputs.check_mapping("x", x, given, given)
            tensors = {name: self._tensor(name, value) for name, value in x.items()}
        else:
            tensors = self._tensor("x", x)
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            return call(tensors, *arguments)

    def _tensor(self, name: str, x: Tensor | ArrayLike) -> Tensor:
        """An input as a tensor, in the dtype of the network unless it is ids; a tensor as it is."""
        if isinstance(x, Tensor):
            return x
        tensor = as_tensor(inputs.numbers(x, name), name, self._anchor.device)
        return tensor if self.model.given[name].features is None else tensor.to(self._anchor.dtype)

    def _start(self, batch: int, weights: ByLayer) -> dict[str, Tensor]:
        """The states of sequences that are given none."""
        anchor = self._anchor
        zeros = {name: anchor.new_zeros(batch, size) for name, size in self._arguments.states.items()}
        return self.model.start(TorchOps(), weights, zeros)

    def _weights(self) -> ByLayer:
        # Read anew at every call: functional_call and parametrizations exchange the parameters.
        modules = self._modules
        return {layer.name: _collect(modules.get(layer.name)) for layer in self.model.layers}


class _Scope(nn.Module):
    """A place in the tree of names."""

    def extra_repr(self) -> str:
        return ", ".join(f"{name} {tuple(value.shape)}" for name, value in self.named_parameters(recurse=False))


def _tensors(x: Any) -> bool:
    """Whether all inputs by name are tensors."""
    return isinstance(x, Mapping) and all(isinstance(value, Tensor) for value in x.values())


def _collect(module: nn.Module | None) -> dict[str, Tensor]:
    if module is None:
        return {}
    if not module._modules:
        return module._parameters | module._buffers if module._buffers else module._parameters
    inner = {f"{place}.{k}": v for place, part in module._modules.items() for k, v in _collect(part).items()}
    return dict(module._parameters) | inner


def load(
    source: Checkpoint | str | os.PathLike,
    *,
    dtype: str = "float32",
    path: str = "auto",
    time_major: bool = False,
    return_state: bool = True,
    seed: int | None = None,
    allow_nonfinite: bool = False,
) -> Net:
    """A module, in evaluation mode, from a model file or a checkpoint.

    Args:
        dtype: "float32" or "float64".
        path: "native" is torch's own layer, where it means the same; "fused" a loop with a gradient derived from the
            cell's `step`; "generic" a loop over `step` under torch's own gradient; "auto" takes the first of them that
            there is. A program that torch transforms (`torch.compile`, `torch.func`, autocast) has generic for fused.
        time_major: x and sequence outputs are (time, batch, …).
        return_state: with False, calls return the output alone.
        seed: in training, noise is drawn by the specification's generator (DROP-3); without it, by torch's.

    Raises:
        SpecError: the file or an option is wrong.
        UnsupportedError: `path="native"` and a layer without a native path.
    """
    return Net(as_checkpoint(source, allow_nonfinite), dtype, path, time_major, return_state, seed).eval()


def checkpoint(net: Net) -> Checkpoint:
    """The network's weights as they are now, in its dtype."""
    weights = {name: tensor.detach().cpu().numpy().copy() for name, tensor in net.state_dict().items()}
    return Checkpoint(net.model, weights, deepcopy(net.metadata))
