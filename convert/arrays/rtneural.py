"""RTNeural's JSON, of both kinds, and NeuralPi's.

    {"in_shape": [null, null, 1], "layers": [{"type": "lstm", "shape": [null, null, 8], "activation": "tanh",
                                              "weights": [kernel, recurrent_kernel, bias]}, …]}    of a Keras model
    {"lstm.weight_ih_l0": [[…]], …}                                                               a state dict of torch
    {"model_data": {"unit_type": "LSTM", "skip": 1, …}, "state_dict": {"rec.weight_ih_l0": …}}    NeuralPi, GuitarML

The first is what RTNeural's `python/model_utils.py` writes, in Keras's convention (RTNeural/model_loader.h reads it):
an LSTM has σ and tanh, a GRU resets after the product, `conv1d` is causal. NeuralPi's adds `skip` features of the input
to the output (CoreAudioML, `SimpleRNN`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnspec import Activation, Dense, Merge
from rnnspec.activations import Elu
from rnnspec.conventions import keras
from rnnspec.convert.arrays.files import Nest, as_array, flat
from rnnspec.convert.layers import dense, recurrent
from rnnspec.convert.names import unique
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.convert.torch import chain_in, found
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Convolution, Norm
from rnnspec.shown import quoted

ACTIVATIONS: dict[str, Any] = {
    "": "linear",
    "tanh": "tanh",
    "relu": "relu",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
    "elu": Elu(alpha=1.0),
}


def is_of(nest: Nest) -> bool:
    """Whether a JSON text is one of these."""
    if not isinstance(nest, dict):
        return False
    return {"in_shape", "layers"} <= set(nest) or {"model_data", "state_dict"} <= set(nest)


def network(nest: Nest, where: str, request: Request) -> Network:
    """The network of any of them.

    Raises:
        SpecError: it is none of them; an array is missing, left over or of another shape.
        UnsupportedError: ours has no such layer.
    """
    if isinstance(nest, dict) and "in_shape" in nest:
        return _of_layers(nest, where, request)
    if isinstance(nest, dict) and "model_data" in nest:
        return _of_model_data(nest, where, request)
    variables = Variables(flat(nest, where), where)
    return chain_in(variables, request, ordered=True)


def _of_layers(nest: dict[str, Any], where: str, request: Request) -> Network:
    """A chain of layers in Keras's convention."""
    shape, entries = nest["in_shape"], nest.get("layers")
    if not isinstance(shape, list) or not shape or type(shape[-1]) is not int or not isinstance(entries, list):
        raise SpecError(f"{where}: in_shape: expected [null, null, features] and a list of layers")
    layers: list[WithWeights] = []
    features = shape[-1]
    for k, entry in enumerate(entries):
        at = f"{where}: layers[{k}]"
        kind = entry.get("type") if isinstance(entry, dict) else None
        read = _KINDS.get(kind) if isinstance(kind, str) else None
        if read is None or not isinstance(kind, str):
            raise UnsupportedError(f"{at}: type {quoted(kind)}: no equal here; there are {', '.join(_KINDS)}")
        given = entry.get("weights") or []
        weights = [as_array(each, f"{at}: weights") for each in given if given]
        name = unique(kind.replace("-", "_"), {layer.name for layer, _ in layers})
        layer, arrays = read(entry, weights, name, at)
        shapes = layer.parameters(features)
        if found := {leaf: array.shape for leaf, array in arrays.items() if shapes.get(leaf) != array.shape}:
            raise SpecError(f"{at}: weights for {features} features: expected {shapes}, found {found}")
        layers.append((layer, arrays))
        features = layer.outputs(features)
        if isinstance(said := entry.get("shape"), list) and said[-1:] != [features]:
            raise SpecError(f"{at}: shape {said}: its weights are of {features} features")
    if any(layer.name.startswith(("lstm", "gru")) for layer, _ in layers):
        request.note("lstm and gru have sigmoid and tanh, whatever their activation says: RTNeural has no others")
    return Network(layers, shape[-1], Variables({}, where))


def _activation(entry: dict[str, Any], at: str) -> Any:
    said = entry.get("activation", "")
    if said not in ACTIVATIONS:
        raise UnsupportedError(f"{at}: activation {quoted(said)}: no equal here; there are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[said]


def _count(weights: list[np.ndarray], dims: tuple[int, ...], at: str) -> None:
    """Raise SpecError where there are not as many arrays, with as many axes."""
    if tuple(array.ndim for array in weights) != dims:
        raise SpecError(f"{at}: weights: expected arrays of {dims} axes, found {tuple(a.ndim for a in weights)}")


def _lstm(entry: dict[str, Any], weights: list[np.ndarray], name: str, at: str) -> WithWeights:
    _count(weights, (2, 2, 1), at)
    return recurrent(keras.LSTM.to_ours(*weights), name)


def _gru(entry: dict[str, Any], weights: list[np.ndarray], name: str, at: str) -> WithWeights:
    _count(weights, (2, 2, 2), at)
    return recurrent(keras.GRU.to_ours(*weights), name)


def _dense(entry: dict[str, Any], weights: list[np.ndarray], name: str, at: str) -> WithWeights:
    _count(weights, (2, 1), at)
    kernel, bias = weights
    return dense(kernel, bias, name, _activation(entry, at))


def _conv1d(entry: dict[str, Any], weights: list[np.ndarray], name: str, at: str) -> WithWeights:
    """Kernel (width, inputs / groups, units), as Keras's."""
    _count(weights, (3, 1), at)
    sizes = {key: _size(entry, key, at) for key in ("dilation", "strides", "groups")}
    if entry.get("padding", "causal") != "causal" or sizes["strides"] != 1:
        raise UnsupportedError(
            f"{at}: padding {quoted(entry.get('padding'))}, strides {sizes['strides']}: no equal here"
        )
    layer = Convolution(
        name=name,
        units=weights[0].shape[2],
        width=weights[0].shape[0],
        padding="causal",
        dilation=sizes["dilation"],
        groups=sizes["groups"],
        activation=_activation(entry, at),
    )
    return layer, {"kernel": weights[0].transpose(2, 0, 1), "bias": weights[1]}


def _batchnorm(entry: dict[str, Any], weights: list[np.ndarray], name: str, at: str) -> WithWeights:
    _count(weights, (1, 1, 1, 1), at)
    epsilon = entry.get("epsilon")
    if type(epsilon) is not float or epsilon <= 0:
        raise SpecError(f"{at}: epsilon: expected a number above 0, found {quoted(epsilon)}")
    names = ("gamma", "beta", "mean", "variance")
    return Norm(name=name, kind="batch", epsilon=epsilon), dict(zip(names, weights, strict=True))


def _only(entry: dict[str, Any], weights: list[np.ndarray], name: str, at: str) -> WithWeights:
    _count(weights, (), at)
    return Activation(name=name, function=_activation(entry, at)), {}


def _size(entry: dict[str, Any], key: str, at: str) -> int:
    value = entry.get(key, 1)
    value = value[-1] if isinstance(value, list) and value else value
    if type(value) is not int or value < 1:
        raise SpecError(f"{at}: {key}: expected a number from 1, found {quoted(value)}")
    return value


_KINDS: dict[str, Callable[[dict[str, Any], list[np.ndarray], str, str], WithWeights]] = {
    "lstm": _lstm,
    "gru": _gru,
    "dense": _dense,
    "time-distributed-dense": _dense,
    "conv1d": _conv1d,
    "batchnorm": _batchnorm,
    "activation": _only,
}


def _of_model_data(nest: dict[str, Any], where: str, request: Request) -> Network:
    """A recurrent module, a linear layer, and some features of the input past both."""
    data = nest["model_data"]
    skip = data.get("skip", 0) if isinstance(data, dict) else None
    if type(skip) is not int or skip < 0:
        raise SpecError(f"{where}: model_data: skip: expected how many features of the input are added, found {skip!r}")
    variables = Variables(flat(nest["state_dict"], where), where)
    blocks, ours, rest = found(variables, request)
    if rest or [block.place for block in blocks] != ["rec", "lin"]:
        raise UnsupportedError(f"{where}: state_dict: expected rec and lin, found {[block.place for block in blocks]}")
    layers = [layer for block in blocks for layer in block.build(ours[block.place])]
    inputs = blocks[0].inputs or 0
    request.note("time was the first axis: load it with time_major=True")
    if skip:
        last, dry = layers[-1][0].name, "x"
        if inputs != skip:
            dry = "dry"
            kernel = np.eye(skip, inputs, dtype=np.float32)
            layers.append((Dense(name=dry, of="x", units=skip, bias=False), {"kernel": kernel}))
        layers.append((Merge(name="sum", of=[last, dry], how="add"), {}))
        request.note(f"skip={skip}: the first {skip} of the input's features are added to the output")
    return Network(layers, inputs, variables)
