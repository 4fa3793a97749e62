"""Layers with their weights."""

from typing import Any

import numpy as np
from msgspec.structs import replace

from rnnspec import Dense, Embedding, Recurrent, Stack
from rnnspec.activations import Activation
from rnnspec.conventions.gates import Arrays, Part
from rnnspec.convert.request import WithWeights
from rnnspec.layers import Layer, Norm, Scale
from rnnspec.ops import under


def stack(*parts: Part) -> Part:
    """Cells in one cell."""
    weights = {name: a for k, (_, w) in enumerate(parts) for name, a in under(f"cells.{k}", w).items()}
    return Stack(cells=tuple(cell for cell, _ in parts)), weights


def recurrent(part: Part, name: str = "rnn", last: bool = False, **options: Any) -> WithWeights:
    """One direction; `last`: its last output only."""
    return Recurrent(name=name, cell=part[0], return_sequences=not last, **options), part[1]


def bidirectional(forward: Part, backward: Part, name: str = "rnn", last: bool = False, **options: Any) -> WithWeights:
    """Both directions, whose cells may differ."""
    weights = under("forward", forward[1]) | under("backward", backward[1])
    if forward[0] != backward[0]:
        options["backward_cell"] = backward[0]
    layer = Recurrent(name=name, cell=forward[0], direction="bidirectional", return_sequences=not last, **options)
    return layer, weights


def dense(
    kernel: np.ndarray, bias: np.ndarray | None = None, name: str = "head", activation: Activation = "linear"
) -> WithWeights:
    """`tf.matmul(x, kernel) + bias` and Keras `Dense`: kernel (inputs, units)."""
    biased, weights = (False, {}) if bias is None else (True, {"bias": bias})
    layer = Dense(name=name, units=kernel.shape[1], activation=activation, bias=biased)
    return layer, {"kernel": kernel.T} | weights


def embedding(table: np.ndarray, name: str = "embedding") -> WithWeights:
    """`tf.nn.embedding_lookup`, Keras `Embedding`, `nn.Embedding`: (vocabulary, units)."""
    return Embedding(name=name, vocabulary=table.shape[0], units=table.shape[1]), {"embeddings": table}


def activated(layer: WithWeights, activation: Activation) -> WithWeights | None:
    """A linear dense layer with what follows it; None where there is no place for an activation."""
    before, weights = layer
    if not isinstance(before, Dense) or before.activation != "linear":
        return None
    return replace(before, activation=activation), weights


def features_of(layer: Layer, weights: Arrays) -> int | None:
    """Features that go into a layer with these weights; None for ids."""
    if isinstance(layer, Embedding):
        return None
    leaf = "gamma" if isinstance(layer, Norm | Scale) else "kernel"
    return next(array.shape[-1] for name, array in weights.items() if name.split(".")[-1] == leaf)
