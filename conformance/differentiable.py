"""The reference with all that a backend may have: its gradients are the oracle's. Mutants are made of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnspec import inputs
from rnnspec.checkpoint import Checkpoint, as_checkpoint
from rnnspec.conformance import oracle
from rnnspec.conformance.case import Arrays
from rnnspec.reference import Net


class Differentiable(Net):
    """The reference, which counts its calls in training."""

    trained = 0


def load(source: Any, dtype: str = "float32", seed: int = 0, time_major: bool = False) -> Differentiable:
    """The reference; `seed` is of the noise in `vjp`."""
    return Differentiable(as_checkpoint(source), dtype, time_major, seed=seed)


def checkpoint(net: Differentiable) -> Checkpoint:
    """The network's weights in its dtype."""
    return net.checkpoint.copy(net.dtype)


def vjp(
    net: Differentiable,
    cotangents: Mapping[str, Any],
    x: Any,
    lengths: Any = None,
    mask: Any = None,
    state: Mapping[str, Any] | None = None,
    reset: Any = None,
    training: bool = False,
) -> tuple[Arrays, Arrays]:
    """Results and gradients by name (CONF-4)."""
    y, new = net(x, lengths, mask, state, reset)  # which checks the arguments
    shapes = {name: array.shape for name, array in {**net.model.named(y), **new}.items()}
    pulled = {name: np.asarray(value) for name, value in cotangents.items()}
    inputs.check_cotangents(shapes, {name: value.shape for name, value in pulled.items()})
    pulled = {name: pulled.get(name, np.zeros(shape)) for name, shape in shapes.items()}
    given = {"x": x, "lengths": lengths, "mask": mask, "reset": reset, "state": state or None}
    call = {name: _arrays(value) for name, value in given.items() if value is not None}
    if net.time_major:
        call["x"] = _turned(net, call["x"]) if net.model.by_name else call["x"].swapaxes(0, 1)
    options = {"training": training, "seed": net.seed, "calls": net.trained}
    net.trained += training
    results, gradients = oracle.vjp(net.checkpoint, call, _turned(net, pulled), **options)  # type: ignore[arg-type]
    found = ({name: array.astype(net.dtype) for name, array in arrays.items()} for arrays in (results, gradients))
    results, gradients = (_turned(net, arrays) for arrays in found)
    return results, gradients


def _turned(net: Net, arrays: Arrays) -> Arrays:
    """x and outputs that are sequences, batch and time exchanged where time comes first."""
    if not net.time_major:
        return arrays
    sequences = net.model.sequences
    return {name: array.swapaxes(0, 1) if name in sequences else array for name, array in arrays.items()}


def _arrays(value: Any) -> Any:
    """An array, or a mapping of them."""
    return {name: np.asarray(v) for name, v in value.items()} if isinstance(value, Mapping) else np.asarray(value)
