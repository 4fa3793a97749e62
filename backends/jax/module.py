"""What the user holds: parameters by name, and pure functions of them."""

import os
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any, Self

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from rnnspec import inputs
from rnnspec.backends import forks
from rnnspec.backends.jax.arguments import Arrays
from rnnspec.backends.jax.program import Program, program
from rnnspec.checkpoint import Checkpoint, as_checkpoint, check_weights
from rnnspec.errors import SpecError
from rnnspec.model import Output, Results
from rnnspec.ops import States

_HALVES = (jax.numpy.bfloat16, np.float16)


@jax.tree_util.register_pytree_node_class
class Net:
    """The model: `y, state = net(x, lengths=…, mask=…, state=…, reset=…)`, inference with `net.parameters`.

    `parameters`: the specification's names → arrays; assign others of the same shapes, as after training.

    `net.apply(parameters, x, …)` is the same as a pure function, for `jit`, `grad` and `vmap`. Calls are compiled, once
    for each set of shapes. A network in float64 switches JAX to 64 bits for the time of a call and no longer; `apply`,
    whose gradients are computed after it has returned, has to be called inside `with jax.enable_x64(True)`.

    Where values are traced only their shapes and types can be checked: under `jit`, an id that is not in the vocabulary
    gives NaN, and a length beyond the end counts as all steps.
    """

    def __init__(
        self, checkpoint: Checkpoint, dtype: str, time_major: bool, return_state: bool, seed: int | None
    ) -> None:
        forks.check("jax")
        self.model = checkpoint.model
        self.metadata = checkpoint.metadata
        self.dtype = inputs.check_dtype(dtype)
        self.time_major = time_major
        self.return_state = return_state
        self.seed = seed
        self._arguments = inputs.Arguments(self.model, time_major)
        self._arrays = Arrays(dtype)
        self._calls = 0
        self._entropy = secrets.randbits(32)
        self._program = program(self.model, dtype, time_major, seed)
        with self.precise():
            weights = {name: checkpoint.weights[name].astype(dtype) for name in self.model.parameters()}
            self.parameters = jax.device_put(weights)  # which compiles nothing, as `jnp.asarray` does for each shape

    def __call__(
        self,
        x: ArrayLike | Mapping[str, ArrayLike],
        lengths: ArrayLike | Mapping[str, ArrayLike] | None = None,
        mask: ArrayLike | Mapping[str, ArrayLike] | None = None,
        state: Mapping[str, ArrayLike] | None = None,
        reset: ArrayLike | Mapping[str, ArrayLike] | None = None,
    ) -> Results:
        """Whole sequences: x (batch, time, inputs) or ids (batch, time) → outputs, final states by name.

        With inputs by name x, lengths, mask and reset are mappings by these names (INPUT-7).

        Raises:
            SpecError: x, lengths, mask, state or reset do not fit the model (INPUT-1 to INPUT-6).
        """
        with self.precise():
            return self.apply(self.parameters, x, lengths, mask, state, reset)

    def apply(
        self,
        parameters: Mapping[str, Any],
        x: ArrayLike | Mapping[str, ArrayLike],
        lengths: ArrayLike | Mapping[str, ArrayLike] | None = None,
        mask: ArrayLike | Mapping[str, ArrayLike] | None = None,
        state: Mapping[str, ArrayLike] | None = None,
        reset: ArrayLike | Mapping[str, ArrayLike] | None = None,
        noise: int | Array | None = None,
    ) -> Results:
        """The call as a pure function: outputs, final states by name.

        Args:
            parameters: all in the network's dtype; or all in bfloat16 or float16, in which it then computes.
            noise: given in training, and what its masks are drawn from: the number of the training call, from 0, where
                the network has a seed (DROP-3), else a `jax.random.key`. `net.noise()` has the next one.

        Raises:
            SpecError: parameters or arguments do not fit the model; a float64 network without 64 bits.
        """
        forks.check("jax")
        if jax.dtypes.canonicalize_dtype(self.dtype) != self.dtype:
            raise SpecError("dtype: float64 would become float32 here; call it inside `with jax.enable_x64(True):`")
        arrays, run = self._computing_in(parameters)
        shaped: Any = {n: jax.ShapeDtypeStruct(v.shape, self.dtype) for n, v in parameters.items()}
        check_weights(self.model, shaped, "parameters", allow_nonfinite=True)
        for name, value in parameters.items():
            arrays.check_dtype(f"parameters: {name!r}", value)
        call = self._arguments.of_call(arrays, x, lengths, mask, state, reset)
        y, new = run.sequence(dict(parameters), call.x, call.valid, call.state, noise)
        return (y, self._in_order(new)) if self.return_state else y

    def step(
        self,
        x_t: ArrayLike | Mapping[str, ArrayLike],
        state: Mapping[str, ArrayLike] | None = None,
        lengths: Mapping[str, ArrayLike] | None = None,
        mask: Mapping[str, ArrayLike] | None = None,
    ) -> tuple[Output, States]:
        """One time step: x_t (batch, inputs) or ids (batch,) → output (batch, outputs), states by name.

        Inputs by name that are read whole, as a memory is, are given whole, with lengths or a mask by name (GRAPH-8).

        Raises:
            SpecError: x_t, state, lengths or mask do not fit the model.
            UnsupportedError: a layer runs backward, or reads a sequence whole.
        """
        forks.check("jax")
        with self.precise():
            arrays, run = self._computing_in(self.parameters)
            call = self._arguments.of_step(arrays, x_t, state, lengths, mask)
            y, new = run.step(self.parameters, call.x, call.state, call.valid)
        return y, self._in_order(new)

    def _computing_in(self, parameters: Mapping[str, Any]) -> tuple[Arrays, Program]:
        """What reads arguments and what computes, in the dtype of the network, or in half precision as its first
        parameter is."""
        dtype = next((value.dtype for value in parameters.values()), None)
        if dtype not in _HALVES:
            return self._arrays, self._program
        return Arrays(dtype.name), program(self.model, dtype.name, self.time_major, self.seed)

    def pull(
        self,
        cotangents: dict[str, np.ndarray],
        x: ArrayLike | Mapping[str, ArrayLike],
        lengths: ArrayLike | Mapping[str, ArrayLike] | None,
        mask: ArrayLike | Mapping[str, ArrayLike] | None,
        state: Mapping[str, ArrayLike] | None,
        reset: ArrayLike | Mapping[str, ArrayLike] | None,
        training: bool,
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Results, and gradients of Σ cotangent ⊙ result, by name: what `vjp` gives."""
        with self.precise():
            call = self._arguments.of_call(self._arrays, x, lengths, mask, state, reset)
            noise = self.noise() if training else None
            return self._program.pull(self.parameters, call.x, call.valid, call.state, noise, cotangents)

    def _in_order(self, states: States) -> States:
        """As the model has them: `jit` sorts dictionaries by their keys."""
        return {name: states[name] for name in self._program.sizes}

    def noise(self) -> int | Array:
        """What the next training call draws from: its number where the network has a seed, else a new key.

        It counts, so it belongs outside of `jit`: give its answer to the compiled function.
        """
        self._calls += 1
        if self.seed is not None:
            return self._calls - 1
        return jax.random.fold_in(jax.random.key(self._entropy), self._calls)

    def tree_flatten(self) -> tuple[tuple[dict[str, Array]], "_Static"]:
        """A network is a tree whose leaves are its parameters."""
        return (self.parameters,), _Static(self)

    @classmethod
    def tree_unflatten(cls, static: "_Static", children: tuple[dict[str, Array]]) -> Self:
        """The same network with other parameters, traced ones too."""
        net = object.__new__(cls)
        vars(net).update(vars(static.net))
        (net.parameters,) = children
        return net

    def __reduce__(self) -> tuple:
        options = (self.dtype, self.time_major, self.return_state, self.seed)
        return _restored, (checkpoint(self), options, self._calls, self._entropy)

    def precise(self) -> AbstractContextManager:
        """64 bits, for a network in float64."""
        return jax.enable_x64(True) if self.dtype == "float64" else nullcontext()


class _Static:
    """What a network is without its parameters: equal where two run the same program."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self._key = (net.model, net.dtype, net.time_major, net.return_state, net.seed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _restored(source: Checkpoint, options: tuple, calls: int, entropy: int) -> Net:
    net = Net(source, *options)
    net._calls, net._entropy = calls, entropy
    return net


def load(
    source: Checkpoint | str | os.PathLike,
    *,
    dtype: str = "float32",
    time_major: bool = False,
    return_state: bool = True,
    seed: int | None = None,
    allow_nonfinite: bool = False,
) -> Net:
    """A network from a model file or a checkpoint.

    Args:
        dtype: "float32" or "float64".
        time_major: x and sequence outputs are (time, batch, …).
        return_state: with False, calls return the output alone.
        seed: in training, noise is drawn by the specification's generator (DROP-3); without it, by `jax.random`.

    Raises:
        SpecError: the file or an option is wrong.
        UnsupportedError: this process was forked from one that had loaded a network: JAX would hang here.
    """
    return Net(as_checkpoint(source, allow_nonfinite), dtype, time_major, return_state, seed)


def checkpoint(net: Net) -> Checkpoint:
    """The network's parameters as they are now, in its dtype."""
    weights = {name: np.array(net.parameters[name]) for name in net.model.parameters()}
    return Checkpoint(net.model, weights, deepcopy(net.metadata))
