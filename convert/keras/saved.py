"""A Keras configuration as a tree of layers and cells: data, of which nothing is executed."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rnnspec.conventions import cudnn
from rnnspec.conventions.keras import FUNCTIONS
from rnnspec.errors import SpecError, UnsupportedError

MODELS = ("Functional", "Model", "Sequential")
CELLS = ("SimpleRNNCell", "LSTMCell", "GRUCell", "StackedRNNCells")
LAYERS_OF_CELLS = {  # a layer → the cell that it makes
    "SimpleRNN": "SimpleRNNCell",
    "LSTM": "LSTMCell",
    "GRU": "GRUCell",
    "CuDNNLSTM": "LSTMCell",
    "CuDNNGRU": "GRUCell",
}
RECURRENT = (*LAYERS_OF_CELLS, "RNN", "Bidirectional")
ACTIVATIONS = ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", "ThresholdedReLU")
JOINS = {"Concatenate": "concat", "Add": "sum", "Multiply": "mul", "Average": "ave"}  # → our `merge`
NOISE = ("GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization")  # at inference the identity
READABLE = (  # what a chain of version 1 of the specification is made of
    *RECURRENT,
    *ACTIVATIONS,
    *MODELS,
    "Dense",
    "Dropout",
    "Embedding",
    "Masking",
    "SpatialDropout1D",
    "TimeDistributed",
)
GRAPHS = {  # what a graph has besides → what the configuration of Keras's own always says, as others have these names
    "Conv1D": "kernel_size",
    "DepthwiseConv1D": "depth_multiplier",
    "MaxPooling1D": "pool_size",
    "AveragePooling1D": "pool_size",
    "GlobalMaxPooling1D": "name",
    "GlobalAveragePooling1D": "name",
    "BatchNormalization": "axis",
    "LayerNormalization": "axis",
    "Normalization": "axis",
    "Rescaling": "scale",
    "RepeatVector": "n",
    "Flatten": "name",
    "Reshape": "target_shape",
    "Attention": "use_scale",
    "AdditiveAttention": "use_scale",
    "MultiHeadAttention": "key_dim",
    "Maximum": "name",
    "Minimum": "name",
    "Subtract": "name",
    "GetItem": "name",  # an operation of Keras 3: y[:, -1]
    "Mean": "axis",  # and these
    "Max": "axis",
    "Sum": "axis",
    "Identity": "name",
} | dict.fromkeys((*NOISE, *FUNCTIONS), "name")
# What a mask is made of, where Keras 3 writes down how one comes from others
MASKS = ("NotEqual", "Any", "LogicalOr", "LogicalAnd", "ExpandDims", "ConvertToTensor", "Concatenate", "ZerosLike")
OPERATIONS = ("GetItem", "Mean", "Max", "Sum", *FUNCTIONS)
NORMS = ("BatchNormalization", "LayerNormalization")
STATISTICS = ("moving_mean", "moving_variance", "mean", "variance")  # which no training makes
TENSORFLOW = {  # operations of TensorFlow in a model of Keras 2 (`TFOpLambda`), by their names there → those of Keras 3
    "__operators__.getitem": "GetItem",
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.subtract": "Subtract",
    "math.multiply": "Multiply",
    "math.maximum": "Maximum",
    "math.minimum": "Minimum",
    "concat": "Concatenate",
    "math.reduce_mean": "Mean",
    "math.reduce_max": "Max",
    "math.reduce_sum": "Sum",
    "nn.relu": "Relu",
    "nn.softplus": "Softplus",
    "math.tanh": "Tanh",
    "nn.tanh": "Tanh",
    "math.sigmoid": "Sigmoid",
    "nn.sigmoid": "Sigmoid",
    "identity": "Identity",
}
_KERAS = ("keras", "tf_keras", "tensorflow")  # the packages of its own classes


@dataclass
class Saved:
    """A model, layer or cell as its configuration describes it.

    Args:
        kind: its class.
        where: file and name, for messages.
        config: the arguments that made it.
        inner: attribute → what is inside: `cell`, `forward_layer`, `layers/lstm_1`, as Keras 3 names its paths.
        leaves: its own variables in Keras's order; None for a cell of a class that is not Keras's.
        variables: leaf → name in the source, once `locate` has found them.
        nodes: the calls that it took part in (`inbound_nodes`).
    """

    kind: str
    where: str
    config: dict[str, Any]
    inner: dict[str, "Saved"] = field(default_factory=dict)
    leaves: tuple[str, ...] | None = ()
    variables: dict[str, str] = field(default_factory=dict)
    nodes: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.config.get("name", ""))

    @property
    def unknown(self) -> str:
        """What is wrong with a layer that ours has not."""
        return "holds code, which is never run" if self.kind == "Lambda" else "has no equal here"

    def get(self, name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """A field of the configuration, or the default. Raises SpecError where it is of another type."""
        value = self.config.get(name, default)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if value is not default and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise SpecError(f"{self.where}: {name}: expected {expected}, found {value!r}")
        return value

    def size(self, name: str) -> int:
        """A field that must be there and count something. Raises SpecError: it is no positive integer."""
        value = self.get(name, int)
        if value is None or value < 1:
            raise SpecError(f"{self.where}: {name}: expected a number from 1, found {value!r}")
        return value

    def walk(self, frozen: bool = False) -> Iterator[tuple["Saved", bool]]:
        """This and what is inside, in Keras's order, with whether it is frozen (`trainable: false`)."""
        frozen = frozen or self.config.get("trainable") is False
        yield self, frozen
        for part in self.inner.values():
            yield from part.walk(frozen)


def read_config(data: Any, where: str) -> Saved:
    """The tree of a model's, layer's or cell's JSON.

        {"class_name": "Sequential", "config": {"layers": [
          {"class_name": "Embedding", "config": {…}},        layers/embedding       ("embeddings",)
          {"class_name": "Bidirectional", "config": {        layers/bidirectional   ()
            "layer": {"class_name": "LSTM", …}}}]}}            forward_layer        ()
                                                                 cell               ("kernel", …, "bias")
                                                               backward_layer       …

    On the right is the tree: the place of each `Saved` in the one above it, and its `leaves`.

    Raises:
        SpecError: it is no such thing.
        UnsupportedError: a `Bidirectional` of what is not recurrent.
    """
    kind, config = (data.get("class_name"), data.get("config")) if isinstance(data, dict) else (None, None)
    if isinstance(config, list) and kind == "Sequential":  # in Keras before 2.2.3
        config = {"layers": config}
    if not isinstance(kind, str) or not isinstance(config, dict):
        raise SpecError(f"{where}: expected a Keras object with class_name and config, found {_brief(data)}")
    kind = _kind(kind, data.get("module"))
    name = config.get("name", data.get("name"))
    where = f"{where}: {name!r} ({kind})" if kind not in MODELS else where
    if kind in ("Lambda", "__lambda__", "LambdaLayer"):
        kind, config = "Lambda", {"name": name}  # code, which is not so much as decoded
    if kind in ("TFOpLambda", "SlicingOpLambda"):
        kind = TENSORFLOW.get(str(config.get("function")), kind)
    saved = Saved(kind, where, config, nodes=_list(data.get("inbound_nodes", []), f"{where}: inbound_nodes"))
    _describe(saved)
    return saved


def _kind(name: str, module: Any) -> str:
    """The class, in full where it is not Keras's but has the name of one that is: `Package>LSTM`."""
    package, _, short = name.rpartition(">")
    if not package and isinstance(module, str) and module.split(".")[0] not in _KERAS:
        package = module
    return f"{package}>{short}" if package and short in (*READABLE, *JOINS, *CELLS, *GRAPHS) else short


def _describe(saved: Saved) -> None:
    """Fill in what is inside, and the variables."""
    kind, config, where = saved.kind, saved.config, saved.where
    bias = ("bias",) if saved.get("use_bias", bool, True) else ()
    if kind in MODELS:
        saved.inner = _numbered("layers", config.get("layers"), where)
    elif kind == "StackedRNNCells":
        saved.inner = _numbered("cells", config.get("cells"), where)
    elif kind == "RNN":
        cell = config.get("cell")
        if isinstance(cell, list):
            cell = {"class_name": "StackedRNNCells", "config": {"cells": cell}}
        saved.inner = {"cell": read_config(cell, where)}
        _as_cell(saved.inner["cell"])
    elif kind in LAYERS_OF_CELLS:
        fixed = cudnn.DEFAULTS if kind.startswith("CuDNN") else {}
        leaves = ("kernel", "recurrent_kernel", *bias)
        saved.inner = {"cell": Saved(LAYERS_OF_CELLS[kind], where, {**config, **fixed}, leaves=leaves)}
    elif kind == "Bidirectional":
        saved.inner = _directions(saved)
    elif kind == "TimeDistributed":
        saved.inner = {"layer": read_config(config.get("layer"), where)}
    elif kind in CELLS:
        saved.leaves = ("kernel", "recurrent_kernel", *bias)
    elif kind == "Dense":
        saved.leaves = ("kernel", *bias)
    elif kind == "Embedding":
        saved.leaves = ("embeddings",)
    elif kind in GRAPHS:
        saved.leaves = _leaves(saved, bias)
        if kind == "MultiHeadAttention":
            dense = dict.fromkeys(("query_dense", "key_dense", "value_dense", "output_dense"), ("kernel", *bias))
            saved.inner = {part: Saved("EinsumDense", where, {}, leaves=leaves) for part, leaves in dense.items()}


def _leaves(saved: Saved, bias: tuple[str, ...]) -> tuple[str, ...]:
    """The variables of a layer of `GRAPHS`."""
    gamma = ("gamma",) if saved.kind in NORMS and saved.get("scale", bool, True) else ()
    beta = ("beta",) if saved.kind in NORMS and saved.get("center", bool, True) else ()
    found = {
        "Conv1D": ("kernel", *bias),
        "DepthwiseConv1D": ("kernel", *bias),
        "BatchNormalization": (*gamma, *beta, *STATISTICS[:2]),
        "LayerNormalization": (*gamma, *beta),
        "Normalization": () if saved.config.get("mean") is not None else STATISTICS[2:],
        "Attention": (
            *(("scale",) if saved.config.get("use_scale") else ()),
            *(("concat_score_weight",) if saved.config.get("score_mode") == "concat" else ()),
        ),
        "AdditiveAttention": ("scale",) if saved.get("use_scale", bool, True) else (),
    }
    return found.get(saved.kind, ())


def _as_cell(saved: Saved) -> None:
    """A cell of a class that is not Keras's has variables that only the source knows."""
    if saved.kind == "StackedRNNCells":
        for cell in saved.inner.values():
            _as_cell(cell)
    elif saved.kind not in CELLS:
        saved.leaves = None


def _directions(saved: Saved) -> dict[str, Saved]:
    """Both layers of a `Bidirectional`. Keras 2 writes the backward one only where it differs."""
    forward = read_config(saved.config.get("layer"), saved.where)
    if saved.config.get("backward_layer") is not None:
        backward = read_config(saved.config["backward_layer"], saved.where)
    else:
        data = saved.config["layer"]
        turned = {**data["config"], "go_backwards": not data["config"].get("go_backwards", False)}
        backward = read_config({**data, "config": turned}, saved.where)
    for layer in (forward, backward):
        if layer.kind not in (*LAYERS_OF_CELLS, "RNN"):
            code = f"; it {layer.unknown}" if layer.kind == "Lambda" else ""
            raise UnsupportedError(f"{layer.where}: runs both ways; only recurrent layers can{code}")
    return {"forward_layer": forward, "backward_layer": backward}


def _numbered(place: str, items: Any, where: str) -> dict[str, Saved]:
    """The members of a list by Keras 3's paths: `layers/lstm`, `layers/lstm_1`, numbered within their class."""
    found: dict[str, Saved] = {}
    counts: Counter[str] = Counter()
    for item in _list(items, f"{where}: {place}"):
        saved = read_config(item, where)
        path = key = f"{place}/{snake_case(saved.kind)}"
        while key in found:
            counts[path] += 1
            key = f"{path}_{counts[path]}"
        found[key] = saved
    return found


def snake_case(kind: str) -> str:
    """`SimpleRNNCell` → `simple_rnn_cell` (keras/src/utils/naming.py)."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _list(value: Any, where: str) -> list:
    if not isinstance(value, list):
        raise SpecError(f"{where}: expected a list, found {_brief(value)}")
    return value


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}…"
