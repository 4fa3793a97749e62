"""The modules below the user's: one for each layer, named as it is, which holds its parameters and fires its hooks."""

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any

import msgspec
from torch import Tensor, nn
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from rnnspec.backends.torch.ops import TorchOps
from rnnspec.graph import Node
from rnnspec.layers import Layer as SpecLayer
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid

_ALL = Valid()
_MAKERS = (BasePruningMethod, SpectralNorm, WeightNorm)  # hooks that make a tensor of others before each call


class Named(nn.Module):
    """A module whose children go by names of ours in `state_dict`, whatever names the module needs for itself.

    torch finds a child by its attribute, as `net.lstm`: one called as something that every module has, `forward`, or
    that this one has, `model`, is the attribute `forward_`, and its parameters are `forward_.kernel` to torch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, str] = {}  # our name → the attribute, in the order of the children

    def put(self, name: str, child: nn.Module) -> None:
        """Add a child."""
        place = name
        while hasattr(self, place):
            place += "_"
        self.places[name] = place
        self.add_module(place, child)

    def named(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All parameters by our names."""
        yield from self._parameters.items()
        for name, place in self.places.items():
            inner = self._modules[place]
            found = inner.named() if isinstance(inner, Named) else inner.named_parameters()
            yield from ((f"{name}.{key}", value) for key, value in found)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As of every module; the keys are our names."""
        found, prefix = super().state_dict(*args, **kwargs), args[1] if len(args) > 1 else kwargs.get("prefix", "")
        self._rename(found, prefix, {place: name for name, place in self.places.items()})
        return found

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        self._rename(state_dict, prefix, self.places)
        super()._load_from_state_dict(state_dict, prefix, *args)

    @staticmethod
    def _rename(tensors: dict[str, Any], prefix: str, names: dict[str, str]) -> None:
        """Exchange the first part of keys under the prefix, in place and in their order."""
        if all(before == after for before, after in names.items()):
            return
        items = list(tensors.items())
        tensors.clear()
        for key, value in items:
            first, dot, rest = key.removeprefix(prefix).partition(".")
            known = key.startswith(prefix) and first in names
            tensors[f"{prefix}{names[first]}{dot}{rest}" if known else key] = value


class Scope(Named):
    """A place in the tree of names: `forward` in `lstm.forward.kernel`.

    Args:
        names: of its tensors, below it.
        weights: the tensors; those that are `fixed` are buffers, the others parameters.
    """

    def __init__(self, weights: dict[str, Tensor], fixed: Iterable[str] = ()) -> None:
        super().__init__()
        inside: dict[str, dict[str, Tensor]] = {}
        for name, tensor in weights.items():
            place, _, rest = name.partition(".")
            if rest:
                inside.setdefault(place, {})[rest] = tensor
            elif name in fixed:
                self.register_buffer(name, tensor)
            else:
                self._parameters[name] = nn.Parameter(tensor)
        self._own = tuple(name for name in weights if "." not in name)
        for place, tensors in inside.items():
            self.put(place, Scope(tensors))

    def tensors(self) -> dict[str, Tensor]:
        """What is in it by the names below it, as it is now: others exchange parameters, or make them of others."""
        own: dict[str, Any] = self._parameters
        if self._forward_pre_hooks or len(own) != len(self._own):
            own = self._made()
        if not self.places:  # as mostly
            return own
        parts = [(name, self._modules[place].tensors()) for name, place in self.places.items()]
        inner = {f"{place}.{name}": value for place, part in parts for name, value in part.items()}
        return {**own, **inner}

    def _made(self) -> dict[str, Tensor]:
        """Its own tensors where not all are parameters."""
        for hook in self._forward_pre_hooks.values():
            if isinstance(hook, _MAKERS):
                hook(self, ())
        return {name: getattr(self, name) for name in self._own}

    def forward(self, *arguments: Any, **named: Any) -> Any:
        """That of the layer around a direction called forward: torch takes a module's `forward` for its function."""
        layer = self.__dict__.get("_around")
        return nn.Module.forward(self) if layer is None else layer.run(*arguments, **named)

    def extra_repr(self) -> str:
        """Names and shapes of what it holds."""
        return ", ".join(f"{name} {tuple(value.shape)}" for name, value in self.named_parameters(recurse=False))


class Layer(Scope):
    """A layer in its place: `y = net.dense(x)`, `y, state = net.lstm(x)`."""

    def __init__(self, node: Node, weights: dict[str, Tensor]) -> None:
        super().__init__(weights, node.layer.fixed)
        self._node = node
        if child := self._child():
            child.__dict__["_around"] = self

    def _child(self) -> nn.Module | None:
        """The direction called forward."""
        return self._modules.get(self.places.get("forward", ""))

    @property
    def forward(self) -> Any:
        """What torch calls; in a layer with a direction called forward that is the module that holds its parameters."""
        return self._child() or self.run

    def run(
        self, x: Any, valid: Any = _ALL, state: States | None = None, ops: TorchOps | None = None, step: bool = False
    ) -> Any:
        """The layer alone, on x (batch, time, features), or with `step` (batch, features) → its output; with states
        behind it, where it has any."""
        layer, p = self._node.layer, self.tensors()
        ops = TorchOps(self.training) if ops is None else ops
        if state is None:
            first = x[0] if isinstance(x, tuple) else x
            zeros = {name: first.new_zeros(first.shape[0], size) for name, size in self._node.states.items()}
            state = layer.initial(ops, p, zeros)
        y, new = (layer.step if step else layer.apply)(ops, p, x, valid, state)
        return (y, new) if self._node.states else y

    def called(self, *arguments: Any) -> tuple[Any, States]:
        """What it gives, and its states, with hooks around."""
        found = self(*arguments)
        return found if self._node.states else (found, {})

    def _get_name(self) -> str:
        return type(self._node.layer).__name__

    def extra_repr(self) -> str:
        """The configuration, without what is as by default."""
        layer, shown = self._node.layer, []
        for field in msgspec.structs.fields(type(layer)):
            value = getattr(layer, field.name)
            if field.name not in ("name", "of") and (field.required or value != field.default):
                shown.append(f"{field.name}={value!r}")
        return ", ".join(shown)


class Through:
    """A layer in a walk along the graph, which runs it in its module: that is `p`, in place of its parameters."""

    def __init__(self, layer: SpecLayer) -> None:
        self.valid = layer.valid

    def apply(self, ops: Ops, p: Any, x: Any, valid: Any, state: States) -> tuple[Array, States]:
        """As the layer's own."""
        return p.called(x, valid, state, ops)

    def step(self, ops: Ops, p: Any, x: Any, valid: Any, state: States) -> tuple[Array, States]:
        """As the layer's own."""
        return p.called(x, valid, state, ops, True)


def through(nodes: Iterable[Node]) -> list[Node]:
    """The same nodes for a walk whose `p` are modules."""
    found = [copy(node) for node in nodes]
    for node in found:
        node.layer = Through(node.layer)  # type: ignore[assignment]
    return found
