"""RTNeural's JSON, of a Keras model or of a state dict.

    {"in_shape": [null, null, 1], "layers": [{"type": "lstm", "shape": [null, null, 8], "activation": "tanh",
                                              "weights": [kernel, recurrent_kernel, bias]}, …]}    of a Keras model
    {"lstm.weight_ih_l0": [[…]], …}                                                               a state dict of torch

The first is what RTNeural's `python/model_utils.py` writes, in Keras's convention, and means what RTNeural computes
(`rnnspec.conventions.rtneural`). AIDA-X adds `in_gain` and `out_gain` in dB, and `in_skip`: 1 where the first feature
of the input is added to the output. Amplifiers of another kind, with `model_data`: `rnnspec.convert.arrays.amplifiers`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnspec import Activation, Merge
from rnnspec.activations import LeakyRelu
from rnnspec.conventions import keras
from rnnspec.conventions.rtneural import ACTIVATIONS, conv1d
from rnnspec.convert.arrays import amplifiers
from rnnspec.convert.arrays.files import Nest, as_array, flat
from rnnspec.convert.layers import dense, recurrent
from rnnspec.convert.names import unique
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.convert.torch import network_in, state_dict
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Convolution, Norm, Scale
from rnnspec.shown import quoted

_AROUND = ("in_shape", "layers", "in_skip", "in_gain", "out_gain")


def is_of(nest: Nest) -> bool:
    """Whether a JSON text is one of these, or of an amplifier."""
    return isinstance(nest, dict) and ({"in_shape", "layers"} <= set(nest) or amplifiers.is_of(nest))


def network(nest: Nest, where: str, request: Request) -> Network:
    """The network of any of them.

    Raises:
        SpecError: it is none of them; an array is missing, left over or of another shape.
        UnsupportedError: ours has no such layer.
    """
    if isinstance(nest, dict) and "in_shape" in nest:
        return _of_layers(nest, where, request)
    if amplifiers.is_of(nest):
        return amplifiers.network(nest, where, request)
    return network_in(state_dict(flat(nest, where), where, request), True, request)


@dataclass(frozen=True)
class _Entry:
    """A layer in the JSON: what is said of it, its arrays, its name, where it is, and what goes into it."""

    said: dict[str, Any]
    weights: list[np.ndarray]
    name: str
    at: str
    features: int
    before: str

    @property
    def activation(self) -> Any:
        said = self.said.get("activation", "")
        if not isinstance(said, str) or said not in ACTIVATIONS:
            there = f"no equal here; there are {', '.join(filter(None, ACTIVATIONS))}"
            raise UnsupportedError(f"{self.at}: activation {quoted(said)}: {there}")
        return ACTIVATIONS[said]

    def arrays(self, *dims: tuple[int, ...]) -> list[np.ndarray]:
        """As many arrays, with as many axes, as one of `dims` says. Raises SpecError: other ones."""
        found = tuple(array.ndim for array in self.weights)
        if found not in dims:
            raise SpecError(f"{self.at}: weights: expected arrays of {' or '.join(map(str, dims))} axes, found {found}")
        return self.weights

    def size(self, key: str) -> int:
        value = self.said.get(key, 1)
        value = value[-1] if isinstance(value, list) and value else value
        if type(value) is not int or value < 1:
            raise SpecError(f"{self.at}: {key}: expected a number from 1, found {quoted(value)}")
        return value


def _of_layers(nest: dict[str, Any], where: str, request: Request) -> Network:
    """A chain of layers in Keras's convention, with what AIDA-X has around it."""
    shape, entries = nest["in_shape"], nest.get("layers")
    if not isinstance(shape, list) or not shape or type(shape[-1]) is not int or not isinstance(entries, list):
        raise SpecError(f"{where}: in_shape: expected [null, null, features] and a list of layers")
    features = shape[-1]
    layers: list[WithWeights] = []
    dry = "in_gain" if nest.get("in_gain") else "x"
    for k, said in enumerate(entries):
        at = f"{where}: layers[{k}]"
        kind = said.get("type") if isinstance(said, dict) else None
        read = _KINDS.get(kind) if isinstance(kind, str) else None
        if read is None or not isinstance(kind, str):
            raise UnsupportedError(f"{at}: type {quoted(kind)}: no equal here; there are {', '.join(_KINDS)}")
        if not isinstance(given := said.get("weights", []), list):
            raise SpecError(f"{at}: weights: expected a list of arrays, found {quoted(given)}")
        weights = [as_array(each, f"{at}: weights") for each in given]
        name = unique(kind.replace("-", "_"), {layer.name for layer, _ in layers})
        before = layers[-1][0].name if layers else dry
        made = read(_Entry(said, weights, name, at, features, before))
        for layer, arrays in made[:1]:
            shapes = layer.parameters(features)
            if found := {leaf: array.shape for leaf, array in arrays.items() if shapes.get(leaf) != array.shape}:
                raise SpecError(f"{at}: weights for {features} features: expected {shapes}, found {found}")
            features = layer.outputs(features)
        layers += made
        if isinstance(shown := said.get("shape"), list) and shown[-1:] != [features]:
            raise SpecError(f"{at}: shape {quoted(shown)}: its weights are of {features} features")
        if kind in ("lstm", "gru") and said.get("activation", "") not in ("", "tanh"):
            request.note("its activation is not read: RTNeural's lstm and gru have sigmoid and tanh", name)
        if kind == "conv1d":
            request.note("causal, as RTNeural computes it: the padding is not in the file", name)
    around = [key for key in ("in_skip", "in_gain", "out_gain") if nest.get(key)]
    if around and shape[-1] > sum(array.size for _, arrays in layers for array in arrays.values()):
        raise SpecError(f"{where}: {around[0]}: of {shape[-1]} features, and the layers have no weights for them")
    if not layers:
        raise SpecError(f"{where}: layers: there are none")
    layers = _gain(nest, "in_gain", shape[-1], where) + layers
    layers += amplifiers.skip(nest.get("in_skip") or 0, layers[-1][0].name, features, dry, shape[-1], where, request)
    layers += _gain(nest, "out_gain", features, where)
    if beside := [key for key in nest if key not in _AROUND]:
        request.note(f"not read: {', '.join(map(quoted, beside))}, which say nothing of what is computed")
    return Network(layers, shape[-1], Variables({}, where))


def _gain(nest: dict[str, Any], key: str, features: int, where: str) -> list[WithWeights]:
    """A factor, in dB."""
    decibels = nest.get(key) or 0
    if type(decibels) not in (int, float) or abs(decibels) > 200:
        raise SpecError(f"{where}: {key}: expected decibels, found {quoted(decibels)}")
    factor = np.full(features, 10 ** (decibels / 20), np.float32)
    return [(Scale(name=key, beta=False), {"gamma": factor})] if decibels else []


def _lstm(entry: _Entry) -> list[WithWeights]:
    return [recurrent(keras.LSTM.to_ours(*_recurrent(entry, 4, 1)), entry.name)]


def _gru(entry: _Entry) -> list[WithWeights]:
    return [recurrent(keras.GRU.to_ours(*_recurrent(entry, 3, 2)), entry.name)]


def _recurrent(entry: _Entry, gates: int, biases: int) -> list[np.ndarray]:
    """Kernel, recurrent kernel and bias of so many gates. Raises SpecError: of other shapes."""
    arrays = entry.arrays((2, 2, biases))
    units = len(arrays[1])
    columns = gates * units
    expected = [(entry.features, columns), (units, columns), (columns,) if biases == 1 else (biases, columns)]
    if (found := [array.shape for array in arrays]) != expected:
        raise SpecError(f"{entry.at}: weights for {entry.features} features: expected {expected}, found {found}")
    return arrays


def _dense(entry: _Entry) -> list[WithWeights]:
    kernel, *bias = entry.arrays((2, 1), (2,))
    return [dense(kernel, bias[0] if bias else None, entry.name, entry.activation)]


def _conv1d(entry: _Entry) -> list[WithWeights]:
    """Kernel (width, inputs / groups, units), as Keras's."""
    kernel, bias = entry.arrays((3, 1))
    padding, strides = entry.said.get("padding", "causal"), entry.size("strides")
    if padding != "causal" or strides != 1:
        raise UnsupportedError(f"{entry.at}: padding {quoted(padding)}, strides {strides}: no equal here")
    width, _, units = kernel.shape
    if entry.size("kernel_size") != width:
        raise SpecError(f"{entry.at}: kernel_size: {entry.said.get('kernel_size')}, and its weights are of {width}")
    options = {"dilation": entry.size("dilation"), "groups": entry.size("groups"), "activation": entry.activation}
    layer = Convolution(name=entry.name, units=units, width=width, padding="causal", **options)
    return [(layer, {"kernel": conv1d(kernel), "bias": bias})]


def _batchnorm(entry: _Entry) -> list[WithWeights]:
    """γ, β, mean and variance; or the last two alone."""
    *affine, mean, variance = entry.arrays((1, 1, 1, 1), (1, 1))
    epsilon = entry.said.get("epsilon")
    if type(epsilon) is not float or epsilon <= 0:
        raise SpecError(f"{entry.at}: epsilon: expected a number above 0, found {quoted(epsilon)}")
    gamma, beta = affine or (np.ones_like(mean), np.zeros_like(mean))
    weights = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
    return [(Norm(name=entry.name, kind="batch", epsilon=epsilon), weights)]


def _only(entry: _Entry) -> list[WithWeights]:
    entry.arrays(())
    return [(Activation(name=entry.name, function=entry.activation), {})]


def _prelu(entry: _Entry) -> list[WithWeights]:
    """x where it is positive, else α x, α for each feature: α x + (1 − α) relu(x)."""
    (alpha,) = entry.arrays((1,), (2,), (3,))
    alpha = alpha.reshape(-1)
    if alpha.size not in (1, entry.features):
        raise SpecError(f"{entry.at}: weights: expected one number, or {entry.features}, found {alpha.size}")
    if (alpha == alpha[0]).all():
        return [(Activation(name=entry.name, function=LeakyRelu(alpha=float(alpha[0]))), {})]
    positive, above, line = (f"{entry.name}_{part}" for part in ("relu", "above", "line"))
    return [
        (Activation(name=positive, function="relu"), {}),
        (Scale(name=above, beta=False), {"gamma": 1 - alpha}),
        (Scale(name=line, of=entry.before, beta=False), {"gamma": alpha}),
        (Merge(name=entry.name, of=[above, line], how="add"), {}),
    ]


_KINDS: dict[str, Callable[[_Entry], list[WithWeights]]] = {
    "lstm": _lstm,
    "gru": _gru,
    "dense": _dense,
    "time-distributed-dense": _dense,
    "conv1d": _conv1d,
    "batchnorm": _batchnorm,
    "prelu": _prelu,
    "activation": _only,
}
