"""A case of layers in a chain or a graph: what it cites of itself, and how it is called in words."""

from typing import Any

from rnnspec.conformance.case import INPUTS, RAGGED, ZERO, Case, draw
from rnnspec.conformance.configurations import of_cell
from rnnspec.conformance.features import features
from rnnspec.layers import Embedding, Layer, Recurrent
from rnnspec.model import Model


def case(id: str, clauses: str, *layers: Layer, **call: Any) -> Case:
    """Layers on features, or on ids where an embedding comes first; `inputs`, `padding` and `outputs` are the model's,
    the rest of the call `draw`'s. `comment`: what cannot be seen in the model and the call."""
    ids = isinstance(layers[0], Embedding)
    inputs = call.pop("inputs", None if ids else INPUTS)
    outputs = call.pop("outputs", None)
    model = Model(inputs=inputs, layers=layers, padding=call.pop("padding", None), outputs=outputs)
    cited = clauses.split() + _of_graph(model)
    for feature in sorted(features(model)):
        room, _, tag = feature.partition(".")
        cited += of_cell(tag) if room == "cell" and "." not in tag else []
        cited += ["GRU-2"] * (feature == "cell.gru.reset_after=false") + ["GRU-3"] * (
            feature == "cell.gru.reset_after=true"
        )
    cited += ["NAME-3", "UNROLL-1", "UNROLL-6"] if any(isinstance(layer, Recurrent) for layer in layers) else []
    cited += ["UNROLL-2", "UNROLL-3"] if {"lengths", "mask"} & set(call) else []
    cited += ["UNROLL-4"] if call.get("lengths") == ZERO or "mask" in call else []
    cited += ["STEP-1"] if call.get("split", "whole") != "whole" else []
    pulled = call.get("pulled")
    if pulled or (pulled is None and call.get("split", "whole") == "whole" and not call.get("time_major")):
        cited += ["INPUT-5", "GRAD-1"] + ["GRAD-2"] * bool({"lengths", "mask"} & set(call))
        kinked = any("clip" in feature or "relu" in feature or "hard" in feature for feature in features(model))
        cited += ["GRAD-3"] * kinked
    return draw(id, tuple(dict.fromkeys(cited)), model, comment=_in_words(model, call, call.pop("comment", "")), **call)


_OF_LAYER = {
    "merge": "MERGE-1",
    "repeat": "REPEAT-1 REPEAT-2",
    "summary": "SUMMARY-1 SUMMARY-2",
    "norm": "NORMALISE-3",
    "activation": "ACTIVATION-1",
    "scale": "SCALE-1",
    "convolution": "CONVOLUTION-1 CONVOLUTION-2 CONVOLUTION-3 CONVOLUTION-4",
    "pool": "POOL-1 CONVOLUTION-3 CONVOLUTION-4",
    "attention": "ATTENTION-1 ATTENTION-2 ATTENTION-5 ATTENTION-6",
}


def _of_graph(model: Model) -> list[str]:
    """The clauses of version 2 that every case with such a model tries."""
    cited = ["GRAPH-1", "GRAPH-2", "GRAPH-4", "INPUT-7"] if model.by_name else []
    cited += ["GRAPH-3"] if model.outputs is not None else []
    cited += ["GRAPH-5"] if any(isinstance(layer, Recurrent) and layer.start for layer in model.layers) else []
    for layer in model.layers:
        cited += _OF_LAYER.get(str(layer.__struct_config__.tag), "").split()
    return cited


def _in_words(model: Model, call: dict, more: str) -> str:
    """What is called how, for who reads the case."""
    kinds = [str(layer.__struct_config__.tag) for layer in model.layers if not isinstance(layer, Recurrent)]
    for layer in model.layers:
        if isinstance(layer, Recurrent):
            cells = dict.fromkeys(cell for cell, _ in layer.directions.values())
            kinds.append(f"{layer.direction} {' and '.join(str(cell.__struct_config__.tag) for cell in cells)}")
    said = {
        "padding in the input": model.padding is not None,
        "lengths, one row empty": call.get("lengths") == ZERO,
        "ragged lengths": call.get("lengths") == RAGGED,
        "a mask with holes": "mask" in call,
        "resets": "reset" in call,
        "given states": call.get("state", False),
        "two calls": call.get("split") == "chunks",
        "step by step": call.get("split") == "steps",
        "time first": call.get("time_major", False),
        "in training": call.get("training", False),
    }
    return "; ".join([", ".join(kinds), *(words for words, holds in said.items() if holds), *([more] if more else [])])
