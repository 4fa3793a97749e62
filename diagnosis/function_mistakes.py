"""The wrong function: activations, and what layer norms are taken of."""

from collections.abc import Iterator
from functools import partial

import msgspec
import numpy as np

from rnnspec.activations import Activation, Elu, LeakyRelu
from rnnspec.cells import GRU, LSTM, Cell, LayerNorm
from rnnspec.config import Config
from rnnspec.conventions import keras, onnx, tensorflow
from rnnspec.diagnosis.change import Changed, PartMistake
from rnnspec.diagnosis.trial import Arrays
from rnnspec.layers import Dense

with_fields = msgspec.structs.replace


def function_mistakes() -> Iterator[PartMistake]:
    """All of them."""
    yield from _norms()
    yield from _activations()


def _norms() -> Iterator[PartMistake]:
    for epsilon in (1e-3, 1e-5, 1e-6, 1e-8, 1e-12):
        change = partial(_norm, {"epsilon": epsilon})
        yield PartMistake(f"epsilon {epsilon:g}", f"the layer norm's epsilon is {epsilon:g}", change)
    for cell, sentence in (
        ("carry", "the normalised c is carried on"),
        ("output", "c is carried on as it is, not normalised"),
    ):
        yield PartMistake(f"norm {cell}", sentence, partial(_norm, {"cell": cell}))
    for over, sentence in (("all", "over all gates together"), ("gate", "over each gate by itself")):
        yield PartMistake(f"norm over {over}", f"the layer norm is taken {sentence}", partial(_norm, {"over": over}))
    yield PartMistake("no cell norm", "the norm of c is left out", _no_cell_norm)
    for kind, value in (("gamma", 1), ("beta", 0)):
        yield PartMistake(f"no {kind}", f"the layer norm's {kind} is left out", partial(_no_factor, kind, value))


def _norm(fields: dict, cell, p: Arrays) -> Changed:
    norm: LayerNorm | None = getattr(cell, "layer_norm", None) if isinstance(cell, Cell) else None
    if norm is None or all(getattr(norm, name) == value for name, value in fields.items()):
        return None
    if "cell" in fields and norm.cell is None:
        return None
    if fields.get("over") == "all" and isinstance(cell, GRU) and (norm.gates == "joint" or not cell.reset_after):
        return None
    return with_fields(cell, layer_norm=with_fields(norm, **fields)), p


def _no_cell_norm(cell, p: Arrays) -> Changed:
    if not isinstance(cell, LSTM) or not cell.layer_norm or not cell.layer_norm.cell:
        return None
    kept = {name: array for name, array in p.items() if not name.startswith("cell_")}
    return with_fields(cell, layer_norm=with_fields(cell.layer_norm, cell=None)), kept


def _no_factor(kind: str, value: float, cell, p: Arrays) -> Changed:
    names = [name for name in p if name.endswith("_" + kind)] if isinstance(cell, Cell) else []
    return (cell, p | {name: np.full_like(p[name], value) for name in names}) if names else None


_FIELDS = (("gate_activation",), ("cell_activation",), ("output_activation",), ("cell_activation", "output_activation"),
           ("activation",))  # fmt: skip
_HARD = (keras.KERAS_2.hard_sigmoid, keras.KERAS_3.hard_sigmoid)
_ANY: tuple[Activation, ...] = ("sigmoid", *_HARD, "tanh", "relu", "linear")
_OF_DENSE: tuple[Activation, ...] = ("softmax", "log_softmax")
_SLOPES = onnx.ACTIVATIONS["LeakyRelu"][1]["alpha"], tensorflow.LEAKY_RELU, keras.LAYERS["LeakyReLU"]
_GELU: tuple[Activation, ...] = ("gelu", "gelu_tanh")
_RELU: tuple[Activation, ...] = (
    *(LeakyRelu(alpha=alpha) for alpha in _SLOPES),
    Elu(alpha=keras.LAYERS["ELU"]),
    "relu6",
)


def _activations() -> Iterator[PartMistake]:
    for fields in _FIELDS:
        for activation in (*_ANY, *_GELU, *_RELU):
            word, verb = in_words(activation), "are" if len(fields) > 1 else "is"
            change = partial(_activation, Cell, fields, activation)
            usual = fields == ("gate_activation",) and "sigmoid" in word
            yield PartMistake(
                f"{' '.join(fields)} {word}", f"{' and '.join(fields)} {verb} {word}", change, usual=usual
            )
    for activation in (*_ANY, *_OF_DENSE, *_GELU, *_RELU):
        word, change = in_words(activation), partial(_activation, Dense, ("activation",), activation)
        usual = word in ("linear", *_OF_DENSE)
        yield PartMistake(f"dense activation {word}", f"the dense layer's activation is {word}", change, usual=usual)


def _activation(kind: type[Config], fields: tuple[str, ...], activation: Activation, part, p: Arrays) -> Changed:
    if not isinstance(part, kind) or any(not hasattr(part, field) for field in fields):
        return None
    now = [getattr(part, field) for field in fields]
    if activation in _GELU and not any(each in _GELU for each in now):
        return None
    if activation in _RELU and not all(each == "relu" or isinstance(each, (LeakyRelu, Elu)) for each in now):
        return None
    return None if activation in now else (with_fields(part, **dict.fromkeys(fields, activation)), p)


def in_words(activation: Activation) -> str:
    """A name, or the tag with its parameters: hard_sigmoid(0.2, 0.5)."""
    if isinstance(activation, str):
        return activation
    values = ", ".join(f"{getattr(activation, name):.4g}" for name in activation.__struct_fields__)
    return f"{activation.__struct_config__.tag}({values})"
