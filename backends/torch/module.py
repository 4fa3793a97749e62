"""What the user holds: an `nn.Module`."""

import os
from collections.abc import Callable, Mapping
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
from rnnspec.errors import SpecError
from rnnspec.layers import Recurrent
from rnnspec.model import ByLayer, Results
from rnnspec.valid import Valid

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
            module._parameters[last] = nn.Parameter(torch.tensor(checkpoint.weights[name], dtype=kind))
        self._direct = direct(self.model)
        if path == "native":
            for layer in self.model.layers:
                if isinstance(layer, Recurrent):
                    kernels.insist(layer, Valid())

    def paths(self) -> dict[str, str]:
        """Recurrent layer → the paths that its cells take, and why they are not native ones; no reset is native."""
        recurrent = [layer for layer in self.model.layers if isinstance(layer, Recurrent)]
        return {layer.name: kernels.describe(layer, self.path, self.training) for layer in recurrent}

    def forward(
        self,
        x: Tensor | ArrayLike,
        lengths: Tensor | ArrayLike | None = None,
        mask: Tensor | ArrayLike | None = None,
        state: Mapping[str, Tensor | ArrayLike] | None = None,
        reset: Tensor | ArrayLike | None = None,
    ) -> Results:
        """Whole sequences: x (batch, time, inputs) or ids (batch, time) → outputs, final states by name.

        Raises:
            SpecError: x, lengths, mask, state or reset do not fit the model (INPUT-1 to INPUT-6).
            UnsupportedError: `path="native"` and a reset.
        """
        if not isinstance(x, Tensor):
            return self._record(self.forward, x, lengths, mask, state, reset)
        values, valid, given = self._arguments.of_call(self._arrays(), x, lengths, mask, state, reset)
        if self.time_major:
            values = values.transpose(0, 1)
        weights = self._weights()
        given = self._start(values.shape[0], weights) if given is None else given
        y, new = self.model.apply(self._ops(), weights, values, valid, given)
        y = tuple(self._turned(part) for part in y) if isinstance(y, tuple) else self._turned(y)
        return (y, new) if self.return_state else y

    if TYPE_CHECKING:  # nn.Module says of it that it takes anything
        __call__ = forward

    def step(
        self, x_t: Tensor | ArrayLike, state: Mapping[str, Tensor | ArrayLike] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One time step: x_t (batch, inputs) or ids (batch,) → output (batch, outputs), states by name.

        Raises:
            SpecError: x_t or state do not fit the model.
            UnsupportedError: a layer runs backward.
        """
        if not isinstance(x_t, Tensor):
            return self._record(self.step, x_t, state)
        values, given = self._arguments.of_step(self._arrays(), x_t, state)
        weights = self._weights()
        given = self._start(values.shape[0], weights) if given is None else given
        return self.model.step(self._ops(), weights, values, given)

    def _arrays(self) -> Arrays:
        return Arrays(self._buffers["_anchor"])

    def _ops(self) -> TorchOps:
        """Operations for one call, of which only those in training count."""
        if self.seed is not None:  # torch.compile would compile anew for every number
            self._calls += self.training
        return TorchOps(
            self.training, self.path, self.seed, self._calls - 1, self._direct if self.path in NATIVE else {}
        )

    def _turned(self, y: Tensor) -> Tensor:
        return y.transpose(0, 1) if self.time_major and y.ndim == 3 else y

    def _record(self, call: Callable[..., Any], x: ArrayLike, *arguments: Any) -> Any:
        """The same call on x as a tensor; an array in evaluation mode is inference, so that NumPy takes the results."""
        tensor = as_tensor(inputs.numbers(x), "x", self._anchor.device)
        tensor = tensor if self.model.inputs is None else tensor.to(self._anchor.dtype)
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            return call(tensor, *arguments)

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


def _collect(module: nn.Module | None) -> dict[str, Tensor]:
    if module is None:
        return {}
    if not module._modules:
        return module._parameters
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
