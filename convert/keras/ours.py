"""An architecture of ours as the configuration beside a file of Keras's weights."""

from typing import Any

import numpy as np

from rnnspec import GRU, LSTM, RNN, Cell, Dense, Embedding, Model, Recurrent, Stack
from rnnspec.cells.wrapper import Wrapper
from rnnspec.convert.request import Network
from rnnspec.errors import UnsupportedError


def as_keras(model: Model, where: str) -> dict[str, Any]:
    """The JSON of a Sequential that has the same variables in the same order.

    Raises:
        UnsupportedError: Keras has no such layer or cell.
    """
    layers = [_layer(layer, where) for layer in model.layers]
    return {"class_name": "Sequential", "config": {"layers": [layer for layer in layers if layer]}}


def with_layers(model: Model, network: Network) -> Network:
    """The weights that were found, with the layers as `model` has them."""
    weights: dict[str, dict[str, np.ndarray]] = {layer.name: found for layer, found in network.layers}
    layers = [(layer, weights.get(layer.name, {})) for layer in model.layers]
    return Network(layers, model.inputs, network.variables, model.padding)


def _layer(layer: Any, where: str) -> dict[str, Any] | None:
    if isinstance(layer, Embedding):
        return _object("Embedding", layer.name, input_dim=layer.vocabulary, output_dim=layer.units)
    if isinstance(layer, Dense):
        return _object("Dense", layer.name, units=layer.units, use_bias=layer.bias)
    if not isinstance(layer, Recurrent):
        return None
    forward, *backward = (_recurrent(cell, layer.name, where) for cell, _ in layer.directions.values())
    if not backward:
        return forward
    backward[0]["config"]["go_backwards"] = True
    return _object("Bidirectional", layer.name, layer=forward, backward_layer=backward[0])


def _recurrent(cell: Cell, name: str, where: str) -> dict[str, Any]:
    found = _cell(cell, where)
    kind, config = found["class_name"], found["config"]
    if kind in ("SimpleRNNCell", "LSTMCell", "GRUCell"):
        return _object(kind.removesuffix("Cell"), **config | {"name": name, "return_sequences": True})
    return _object("RNN", name, cell=found, return_sequences=True)


def _cell(cell: Cell, where: str) -> dict[str, Any]:
    while isinstance(cell, Wrapper):
        cell = cell.cell
    if isinstance(cell, Stack):
        return _object("StackedRNNCells", "", cells=[_cell(inner, where) for inner in cell.cells])
    if isinstance(cell, RNN) and cell.layer_norm:
        return _object("LayerNormRNNCell", "", units=cell.units)
    kinds = {RNN: "SimpleRNNCell", LSTM: "LSTMCell", GRU: "GRUCell"}
    if not isinstance(cell, (RNN, LSTM, GRU)) or type(cell) not in kinds:
        raise UnsupportedError(f"{where}: Keras has no cell like {type(cell).__name__}")
    after = {"reset_after": cell.reset_after} if isinstance(cell, GRU) else {}
    return _object(kinds[type(cell)], "", units=cell.units, use_bias=cell.bias, recurrent_activation="sigmoid", **after)


def _object(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}}
