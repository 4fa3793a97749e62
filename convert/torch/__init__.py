"""PyTorch: state dicts in .pt, .pth and .safetensors; stock layers out.

A state dict holds names and weights and no architecture. `nn.RNN`, `nn.LSTM`, `nn.GRU`, their cells, `nn.Embedding` and
`nn.Linear` are recognised under any attribute names, at any depth; the gates are the rows divided by the units. What
else has weights is called by its kind and refused: where it stands is not in the file. Layers come in the order of the
state dict, which is that of construction, if the features fit, else in the only order that does; safetensors keeps no
order. Where that is not enough, `--config` gives the order (`rnnspec.convert.chain.chained`), or an architecture of
ours, a graph too (`rnnspec.convert.described`), and `--part encoder` takes what is under `encoder.`.

Settings: `activation` (or `nonlinearity`) of an `nn.RNN`, `NAME.activation` of a linear layer, `NAME.type=dense` for a
bias-less linear layer that could be an embedding; `return_sequences`, `summary`, `direction`, `reverse_output` and
`residual` of recurrent layers (`rnnspec.convert.assumed`); of a bidirectional module `merge`, where its outputs are
added or averaged.
"""

import re
from collections.abc import Container, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from rnnspec.conventions.torch import LEAVES
from rnnspec.convert import chain
from rnnspec.convert.assumed import assumed, choice, dense_activation
from rnnspec.convert.blocks import Block, shared
from rnnspec.convert.described import Naming, architecture, with_weights
from rnnspec.convert.formats.safetensors import read_safetensors
from rnnspec.convert.layers import dense, embedding
from rnnspec.convert.listing import listed, said
from rnnspec.convert.names import names
from rnnspec.convert.parts import Parts
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.convert.torch.folded import folded
from rnnspec.convert.torch.kinds import kinds
from rnnspec.convert.torch.recurrent import Stacked
from rnnspec.convert.torch.saved import read_pickled
from rnnspec.convert.torch.weights import weights_of
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reading import regular

_RECURRENT = re.compile(rf"({'|'.join(LEAVES)})((?:_l\d+)?(?:_reverse)?)")
_REWRITTEN = re.compile(r"\w*_(g|v|u|orig|mask)")  # after the last "weight" of a name
_WRAPPERS = ("module", "_orig_mod")  # DataParallel, torch.compile
NAMING = Naming(".", _WRAPPERS, weights_of)


def read(source: Path, request: Request) -> Network:
    """The chain of layers in a state dict, or the graph that `request.config` is, with its weights.

    Raises:
        SpecError: the file is damaged, or no state dict; no layer takes a variable; a shape is impossible; the order
            cannot be read off.
        UnsupportedError: weights in pieces that are not understood; the names speak against a chain.
    """
    return network_in(*_variables(source, request), request)


def network_in(variables: Variables, ordered: bool, request: Request) -> Network:
    """What `read` gives, of a state dict that was read; `ordered`: whether its order says something.

    Raises:
        SpecError, UnsupportedError: as `read`.
    """
    if (config := request.look("config")) is not None and (described := architecture(config)):
        network = with_weights(*described, NAMING, variables, request, str(config))
        for name in variables.left():
            if name.endswith("num_batches_tracked"):
                variables.ignore(name, "counts the batches of training")
        return network
    blocks, ours, rest = found(variables, request)
    if rest:
        fix = "--config gives the whole architecture, --part what is before or behind them, --ignore leaves them out"
        where = f"no layer uses {said(rest)}: a state dict does not say where they stand"
        raise SpecError(f"{variables.where}: {where}; {fix}")
    layers = chain.chained(blocks, ours, request, variables.where, ordered)
    return Network(assumed(layers, request), chain.inputs(layers), variables)


def parts(source: Path, request: Request) -> Parts:
    """What is recurrent in a state dict, and what else is there.

    Raises:
        SpecError, UnsupportedError: as `read`, but not for what has no equal.
    """
    variables, ordered = _variables(source, request, every=True)
    blocks, ours, rest = found(variables, request)
    for block in blocks:
        if block.recurrent:
            block.build(ours[block.place])  # which finds what is missing
    order = list(dict.fromkeys(_place(name, rest) for name in variables)) if ordered else None
    return listed(blocks, rest, str(source), order)


def _place(name: str, rest: Container[str]) -> str:
    """Where a variable stands."""
    return name if name in rest else name.rpartition(".")[0]


def _variables(source: Path, request: Request, every: bool = False) -> tuple[Variables, bool]:
    """The state dict, of which no layer takes what is not in the part that is asked for; and whether its order says
    something. `every`: of several state dicts, all."""
    with regular(source).open("rb") as file:
        ordered = file.read(9)[8:] != b"{"  # safetensors sorts by name
    arrays, beside = read_pickled(source, request, every) if ordered else (read_safetensors(source), {})
    return state_dict(arrays, str(source), request, beside), ordered


def state_dict(
    arrays: Mapping[str, np.ndarray], where: str, request: Request, beside: Mapping[str, str] | None = None
) -> Variables:
    """The variables of a state dict, with what was taken apart folded, and what was not asked for ignored.

    Args:
        beside: what else is not to be used, and why.

    Raises:
        SpecError, UnsupportedError: the part that is asked for is not there; weights in pieces do not fit together.
    """
    variables = Variables(folded(arrays, request), where)
    for name, reason in (dict(beside or {}) | chain.in_part(request, variables, ".", where)).items():
        variables.ignore(name, reason)
    return variables


def found(variables: Variables, request: Request) -> tuple[list[Block], dict[str, str], dict[str, str]]:
    """The layers in a state dict, in its order; their places' names; and what is none of them, by place.

    Raises:
        SpecError: there is nothing recurrent.
        UnsupportedError: weights are in pieces.
    """
    suffixes: dict[str, set[str]] = {}  # by prefix, in the order of the state dict
    none = []
    for name in variables.left():
        *path, leaf = name.split(".")
        prefix = name.removesuffix(leaf)
        if "parametrizations" in path or ("weight" in leaf and _REWRITTEN.fullmatch(leaf.rpartition("weight")[2])):
            raise UnsupportedError(
                f"{variables.where}: variable {name!r}: a parametrised weight, neither weight_norm, spectral_norm nor "
                "pruning; make it plain with torch.nn.utils.parametrize.remove_parametrizations, and save again"
            )
        if variables[name].dtype.kind != "f":
            none.append(name)
        elif match := _RECURRENT.fullmatch(leaf):
            suffixes.setdefault(prefix, set()).add(match[2])
        elif leaf == "weight" and variables[name].ndim == 2:
            suffixes.setdefault(prefix, set())
        elif leaf != "bias" or f"{prefix}weight" not in variables or variables[f"{prefix}weight"].ndim != 2:
            none.append(name)
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
            blocks.append(_recurrent(place, Stacked(variables, prefix, each), request, ours[place]))
        else:
            blocks += _table(variables, prefix, ours[place], request)
    return blocks, ours, kinds(none, variables)


def _recurrent(place: str, stacked: Stacked, request: Request, name: str) -> Block:
    """A recurrent module; `--set NAME.merge` where the code makes of both directions' outputs anything but the module's
    own, which is both, joined."""
    if stacked.directions == 1 or not request.settings.given(name, "merge"):
        return Block(place, stacked.inputs, stacked.outputs, partial(stacked.layers, request=request), stacked.form)
    how: Any = choice(request, name, "merge", "concat", "sum", "mul", "ave")

    def build(name: str) -> list[WithWeights]:
        *before, (last, weights) = stacked.layers(name, request)
        return [*before, (replace(last, merge=how), weights)]

    outputs = stacked.outputs if how == "concat" else stacked.outputs // 2
    return Block(place, stacked.inputs, outputs, build, stacked.form)


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
