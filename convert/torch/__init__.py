"""PyTorch: state dicts in .pt, .pth and .safetensors; stock layers out.

A state dict holds names and weights and no architecture. `nn.RNN`, `nn.LSTM`, `nn.GRU`, their cells, `nn.Embedding` and
`nn.Linear` are recognised under any attribute names, at any depth; the gates are the rows divided by the units. What
else has weights is left over, and fails. Layers come in the order of the state dict, which is that of construction, if
the features fit, else in the only order that does; safetensors keeps no order. Where that is not enough, `--config`
gives the order (`rnnspec.convert.chain.chained`), and `--part encoder` takes what is under `encoder.`.

Settings: `activation` (or `nonlinearity`) of an `nn.RNN`, `NAME.activation` of a linear layer, `NAME.type=dense` for a
bias-less linear layer that could be an embedding; `return_sequences`, `direction`, `reverse_output` and `residual` of
recurrent layers (`rnnspec.convert.assumed`).
"""

import re
from functools import partial
from pathlib import Path

from rnnspec.conventions.torch import LEAVES
from rnnspec.convert import chain
from rnnspec.convert.assumed import assumed, dense_activation
from rnnspec.convert.blocks import Block, shared
from rnnspec.convert.formats.safetensors import read_safetensors
from rnnspec.convert.layers import dense, embedding
from rnnspec.convert.names import names
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.convert.torch.folded import folded
from rnnspec.convert.torch.recurrent import Stacked
from rnnspec.convert.torch.saved import read_pickled
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reading import regular

_RECURRENT = re.compile(rf"({'|'.join(LEAVES)})((?:_l\d+)?(?:_reverse)?)")
_REWRITTEN = re.compile(r"\w*_(g|v|u|orig|mask)")  # after the last "weight" of a name
_WRAPPERS = ("module", "_orig_mod")  # DataParallel, torch.compile


def read(source: Path, request: Request) -> Network:
    """The chain of layers in a state dict.

    Raises:
        SpecError: the file is damaged or holds more than tensors; no layer takes a variable; a shape is impossible; the
            order cannot be read off.
        UnsupportedError: weights are parametrised (weight_norm, pruning).
    """
    with regular(source).open("rb") as file:
        ordered = file.read(9)[8:] != b"{"  # safetensors sorts by name
    arrays, beside = read_pickled(source, request) if ordered else (read_safetensors(source), {})
    variables = Variables(folded(arrays, request), str(source))
    for name, reason in (beside | chain.in_part(request, variables, ".", str(source))).items():
        variables.ignore(name, reason)
    blocks, ours = found(variables, request)
    layers = chain.chained(blocks, ours, request, str(source), ordered)
    return Network(assumed(layers, request), chain.inputs(layers), variables)


def found(variables: Variables, request: Request) -> tuple[list[Block], dict[str, str]]:
    """The layers in a state dict, in its order, and their places' names.

    Raises:
        SpecError: there is nothing recurrent, or weights that are no numbers.
        UnsupportedError: weights are parametrised.
    """
    suffixes: dict[str, set[str]] = {}  # by prefix, in the order of the state dict
    for name in variables.left():
        *path, leaf = name.split(".")
        prefix = name.removesuffix(leaf)
        if "parametrizations" in path or ("weight" in leaf and _REWRITTEN.fullmatch(leaf.rpartition("weight")[2])):
            raise UnsupportedError(
                f"{variables.where}: variable {name!r}: a parametrised weight, neither weight_norm, spectral_norm nor "
                "pruning; make it plain with torch.nn.utils.parametrize.remove_parametrizations, and save again"
            )
        if match := _RECURRENT.fullmatch(leaf):
            suffixes.setdefault(prefix, set()).add(match[2])
        elif leaf == "weight" and variables[name].ndim == 2:
            suffixes.setdefault(prefix, set())
        if variables[name].dtype.kind != "f":
            raise SpecError(f"{variables.where}: no layer uses {name} {variables[name].shape}, {variables[name].dtype}")
    if not any(suffixes.values()):
        there = ", ".join(variables.left()[:6]) or "nothing"
        raise SpecError(f"{variables.where}: nothing recurrent (weight_ih_l0, …) in it; found {there}")
    ours = names([prefix.removesuffix(".") for prefix in suffixes], ".", _WRAPPERS)
    paths = [prefix.split(".")[:-1] for prefix in suffixes]
    if paths[0] and (depth := shared(paths)):
        request.note(f"all names begin with {'.'.join(paths[0][:depth])}, which ours leave out")
    blocks = []
    for prefix, each in suffixes.items():
        place = prefix.removesuffix(".")
        if each:
            stacked = Stacked(variables, prefix, each)
            build = partial(stacked.layers, request=request)
            blocks.append(Block(place, stacked.inputs, stacked.outputs, build, stacked.form))
        else:
            blocks += _table(variables, prefix, ours[place], request)
    return blocks, ours


def _table(variables: Variables, prefix: str, name: str, request: Request) -> list[Block]:
    """What a weight of two axes may be: a linear layer, or without a bias an embedding too."""
    place, (rows, columns) = prefix.removesuffix("."), variables[f"{prefix}weight"].shape
    affine = Block(place, columns, rows, partial(linear, variables, prefix, request))
    if f"{prefix}bias" in variables:
        return [affine]
    kind = request.settings.get("", f"{name}.type")
    if kind not in (None, "dense", "embedding"):
        raise SpecError(f"--set {name}.type: expected dense or embedding, found {kind!r}")
    table = Block(place, None, columns, partial(lookup, variables, prefix))
    return {None: [table, affine], "embedding": [table], "dense": [affine]}[kind]


def linear(variables: Variables, prefix: str, request: Request, name: str) -> list[WithWeights]:
    """`nn.Linear`: weight (units, inputs), bias (units,)."""
    kernel = variables.take(f"{prefix}weight", None, None)
    bias = variables.take(f"{prefix}bias", len(kernel)) if f"{prefix}bias" in variables else None
    return [dense(kernel.T, bias, name, dense_activation(request, name))]


def lookup(variables: Variables, prefix: str, name: str) -> list[WithWeights]:
    """`nn.Embedding`: weight (vocabulary, units)."""
    return [embedding(variables.take(f"{prefix}weight", None, None), name)]
