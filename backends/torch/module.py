"""What the user holds: an `nn.Module`."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from rnnspec import inputs
from rnnspec.backends.torch import kernels
from rnnspec.backends.torch.arguments import Arrays, as_tensor
from rnnspec.backends.torch.direct import direct
from rnnspec.backends.torch.layers import Layer, Named, through
from rnnspec.backends.torch.ops import NATIVE, TorchOps
from rnnspec.checkpoint import Checkpoint, as_checkpoint
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.graph import Node
from rnnspec.layers import Recurrent
from rnnspec.model import Output, Results

PATHS = ("native", "fused", "generic")


class Net(Named):
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
        self._learned = any(isinstance(layer, Recurrent) and layer.learned_state for layer in self.model.layers)
        self._nodes = through(self.model.graph.nodes)
        tensors = {name: torch.tensor(array, dtype=kind) for name, array in checkpoint.weights.items()}
        for node, weights in zip(self.model.graph.nodes, self.model.by_layer(tensors).values(), strict=True):
            self.put(node.name, Layer(node, {name: weights[name] for name in node.layer.parameters(node.features)}))
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
        x: Tensor | PackedSequence | ArrayLike | Mapping[str, Tensor | ArrayLike],
        lengths: Tensor | ArrayLike | Mapping[str, Any] | None = None,
        mask: Tensor | ArrayLike | Mapping[str, Any] | None = None,
        state: Mapping[str, Tensor | ArrayLike] | None = None,
        reset: Tensor | ArrayLike | Mapping[str, Any] | None = None,
    ) -> Results:
        """Whole sequences: x (batch, time, inputs) or ids (batch, time) → outputs, final states by name.

        With inputs by name x, lengths, mask and reset are mappings by these names (INPUT-7). A `PackedSequence` has its
        lengths with it, and what has its steps is packed as it is.

        Raises:
            SpecError: x, lengths, mask, state or reset do not fit the model (INPUT-1 to INPUT-6).
            UnsupportedError: `path="native"` and a reset.
        """
        if isinstance(x, PackedSequence):
            return self._packed(x, lengths, mask, state, reset)
        if not (isinstance(x, Tensor) or _tensors(x)):
            return self._record(self.forward, x, lengths, mask, state, reset)
        call = self._arguments.of_call(self._arrays(), x, lengths, mask, state, reset)
        values = {name: self._turned(name, value) for name, value in call.x.items()} if self.time_major else call.x
        p, nodes = self._walked()
        given = self._start(call.rows, p) if call.state is None else call.state
        y, new = self.model.apply(self._ops(), p, values, call.valid, given, nodes)
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
        p, nodes = self._walked()
        given = self._start(call.rows, p) if call.state is None else call.state
        return self.model.step(self._ops(), p, values, given, call.valid, nodes)

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

    def _packed(self, x: PackedSequence, lengths: Any, mask: Any, state: Any, reset: Any) -> Results:
        """The call on packed rows."""
        if lengths is not None or mask is not None:
            raise SpecError(f"{'mask' if lengths is None else 'lengths'}: a PackedSequence has its own; leave it out")
        first = not self.time_major
        padded, lengths = pad_packed_sequence(x, batch_first=first)
        found = self(padded, lengths, None, state, reset)

        def packed(name: str, y: Tensor) -> Any:
            if self.model.results[name].time != "x":
                return y
            data, sizes, *_ = pack_padded_sequence(y, lengths, first, enforce_sorted=x.sorted_indices is None)
            return PackedSequence(data, sizes, x.sorted_indices, x.unsorted_indices)

        if self.return_state:
            return self.model.each(packed, found[0]), found[1]
        return self.model.each(packed, found)

    def _tensor(self, name: str, x: Tensor | ArrayLike) -> Tensor:
        """An input as a tensor, in the dtype of the network unless it is ids; a tensor as it is."""
        if isinstance(x, Tensor):
            return x
        tensor = as_tensor(inputs.numbers(x, name), name, self._anchor.device)
        return tensor if self.model.given[name].features is None else tensor.to(self._anchor.dtype)

    def _start(self, batch: int, p: Any) -> dict[str, Tensor]:
        """The states of sequences that are given none."""
        anchor = self._anchor
        zeros = {name: anchor.new_zeros(batch, size) for name, size in self._arguments.states.items()}
        if self._learned:
            p = {name: layer.tensors() for name, layer in self._layers().items()}
        return self.model.start(TorchOps(), p, zeros)

    def _layers(self) -> dict[str, Layer]:
        """The module of each layer; looked up anew in every call, since DataParallel exchanges them."""
        modules = self._modules
        return {name: modules[place] for name, place in self.places.items()}

    def _walked(self) -> tuple[Any, Sequence[Node]]:
        """What goes along the graph: the parameters of each layer, or where a hook has to fire the modules."""
        modules, p = self._modules, {}
        for name, place in self.places.items():
            layer: Any = modules[place]
            if layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks:
                return self._layers(), self._nodes
            p[name] = layer.tensors()
        return p, ()

    def tensors(self) -> dict[str, Tensor]:
        """All weights by the names of the specification, as they are now, whatever they are made of."""
        found = {name: layer.tensors() for name, layer in self._layers().items()}
        return {f"{layer}.{name}": value for layer, each in found.items() for name, value in each.items()}


def _tensors(x: Any) -> bool:
    """Whether all inputs by name are tensors."""
    return isinstance(x, Mapping) and all(isinstance(value, Tensor) for value in x.values())


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


def checkpoint(net: nn.Module) -> Checkpoint:
    """The network's weights as they are now: float32, in which bfloat16 and float16 are exact, or float64.

    Args:
        net: what `load` gave, as it is or inside `torch.compile`, DataParallel and DistributedDataParallel.

    Raises:
        SpecError: it is another module.
    """
    inner: Any = net
    while isinstance(inner, nn.Module) and not isinstance(inner, Net):
        inner = getattr(inner, "_orig_mod", None) or getattr(inner, "module", None)
    if inner is None:
        found = f"{type(net).__name__}; from_native takes torch's own layers"
        raise SpecError(f"checkpoint: expected a network that load gave, found {found}")
    tensors = {name: tensor.detach().cpu() for name, tensor in inner.tensors().items()}
    wide = {name: t if t.dtype in (torch.float32, torch.float64) else t.float() for name, t in tensors.items()}
    return Checkpoint(inner.model, {name: t.numpy().copy() for name, t in wide.items()}, deepcopy(inner.metadata))
