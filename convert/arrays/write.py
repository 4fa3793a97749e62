"""Our models as RTNeural's JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnnspec.activations import LeakyRelu
from rnnspec.atomic import write_atomically
from rnnspec.cells import GRU, LSTM
from rnnspec.checkpoint import Checkpoint
from rnnspec.conventions import keras
from rnnspec.conventions.rtneural import ACTIVATIONS, name_of, to_conv1d
from rnnspec.convert.outward import at_inference, check_said
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Activation, Convolution, Dense, Dropout, Layer, Norm, Recurrent
from rnnspec.ops import grouped

_CELLS: dict[type, Any] = {LSTM: ("lstm", keras.LSTM), GRU: ("gru", keras.GRU)}
_SAID: dict[type, dict[str, Any]] = {  # what RTNeural's layers can be told; the rest is as it is by default
    LSTM: {"units": None, "bias": None},
    GRU: {"units": None, "bias": None, "reset_after": (True,)},
    Recurrent: {"name": None, "cell": None},
    Convolution: dict.fromkeys(("name", "units", "width", "dilation", "groups", "activation", "bias"))
    | {"padding": ("causal",)},
}


def write(checkpoint: Checkpoint, target: Path) -> list[str]:
    """Write the JSON that RTNeural's `json_parser::parseJson` reads, of the kind that a Keras model gives.

    LSTM and GRU (that resets after the product) in one direction over all steps, with σ and tanh; dense layers,
    causal convolutions, batch norms, activations. RTNeural's layers have biases: ours without one get zeros. A dropout
    is left out.

    Args:
        target: .json.

    Returns:
        What RTNeural does without, a line each.

    Raises:
        SpecError: another suffix.
        UnsupportedError: RTNeural has no such layer; the message names it.
    """
    if target.suffix != ".json":
        raise SpecError(f"{target}: expected a name in .json")
    checkpoint, notes = at_inference(checkpoint, "RTNeural")
    model, of = checkpoint.model, grouped(checkpoint.weights)
    inputs = model.inputs
    if not isinstance(inputs, int) or model.padding is not None or any(layer.of is not None for layer in model.layers):
        raise UnsupportedError("RTNeural has chains of layers over one input of features, without padding")
    entries = []
    for layer, features in model.chain():
        if isinstance(layer, Dropout):
            notes.append(f"{layer.name}: left out: outside training it is the identity")
            continue
        weights = {name: np.asarray(array) for name, array in of.get(layer.name, {}).items()}
        kind, said, arrays = _entry(layer, weights, int(features))
        shape = [None, None, layer.outputs(features)]
        entries.append({"type": kind, "shape": shape, **said, "weights": [array.tolist() for array in arrays]})
    if not any(entry["weights"] or entry["activation"] for entry in entries):
        raise UnsupportedError("RTNeural has no model without a layer, and this one is the identity")
    text = json.dumps({"in_shape": [None, None, inputs], "layers": entries}, indent=1)
    write_atomically(target, (text + "\n").encode())
    return notes


def _entry(
    layer: Layer, weights: Mapping[str, np.ndarray], features: int
) -> tuple[str, dict[str, Any], list[np.ndarray]]:
    """The type of a layer, what is said of it, and its arrays in RTNeural's order."""
    whose = f"layer {layer.name!r}: RTNeural"
    if isinstance(layer, Recurrent) and type(layer.cell) in _CELLS:
        check_said(layer, _SAID[Recurrent], f"{whose}'s layer")
        check_said(layer.cell, _SAID[type(layer.cell)], f"{whose}'s {type(layer.cell).__name__}")
        kind, convention = _CELLS[type(layer.cell)]
        arrays = convention.to_theirs(dict(weights))
        gates = arrays["kernel"].shape[1]
        bias = arrays.get("bias", np.zeros((2, gates) if kind == "gru" else gates, np.float32))
        return kind, {"activation": "tanh"}, [arrays["kernel"], arrays["recurrent_kernel"], bias]
    if isinstance(layer, Dense):
        return (
            "dense",
            {"activation": _activation(layer.activation, whose)},
            [weights["kernel"].T, _bias(layer, weights)],
        )
    if isinstance(layer, Convolution):
        check_said(layer, _SAID[Convolution], f"{whose}'s conv1d")
        said = {"kernel_size": [layer.width], "dilation": [layer.dilation], "groups": layer.groups}
        kernel = to_conv1d(weights["kernel"])
        return "conv1d", said | {"activation": _activation(layer.activation, whose)}, [kernel, _bias(layer, weights)]
    if isinstance(layer, Norm) and layer.kind == "batch":
        beta = weights.get("beta", np.zeros_like(weights["gamma"]))
        return "batchnorm", {"epsilon": layer.epsilon}, [weights["gamma"], beta, weights["mean"], weights["variance"]]
    if isinstance(layer, Activation) and isinstance(layer.function, LeakyRelu):
        return "prelu", {}, [np.full((1, features), layer.function.alpha)]
    if isinstance(layer, Activation):
        return "activation", {"activation": _activation(layer.function, whose)}, []
    what = layer.cell if isinstance(layer, Recurrent) else layer
    raise UnsupportedError(f"{whose} has no {type(what).__name__}")


def _bias(layer: Dense | Convolution, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    return weights.get("bias", np.zeros(layer.units, np.float32))


def _activation(activation: Any, whose: str) -> str:
    if (name := name_of(activation)) is None:
        there = ", ".join(filter(None, ACTIVATIONS))
        raise UnsupportedError(f"{whose} has no activation {activation!r}; it has {there}")
    return name
