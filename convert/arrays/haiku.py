"""Haiku's parameters: module → name → array, `my_net/~/lstm/linear` → `w`, `b`; pickled, in .npz or in JSON.

A tree holds names and weights and no architecture: cores and linear layers are recognised by their names and shapes,
and their order is found as in Flax's trees (`rnnspec.convert.chain.chained`). Settings as there: `NAME.activation` of
linear layers, `return_sequences`, `summary`, `direction`, `residual` of recurrent ones (`rnnspec.convert.assumed`).
"""

import re
from functools import partial

from rnnspec.conventions import haiku
from rnnspec.convert import chain
from rnnspec.convert.arrays.files import Nest, flat
from rnnspec.convert.assumed import assumed, dense_activation
from rnnspec.convert.blocks import Block
from rnnspec.convert.layers import dense, embedding, recurrent
from rnnspec.convert.listing import said
from rnnspec.convert.names import names
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError

_CORES = re.compile(r"(?:.*/)?(lstm|vanilla_rnn)(_\d+)?")


def network(nest: Nest, where: str, request: Request) -> Network:
    """The chain of layers in a tree.

    Raises:
        SpecError: no layer takes an array; a shape is impossible; the order cannot be read off.
        UnsupportedError: the names speak against a chain.
    """
    variables = Variables(flat(nest, where), where)
    for name, reason in chain.in_part(request, variables, "/", where).items():
        variables.ignore(name, reason)
    scopes: dict[str, set[str]] = {}  # module → its parameters
    for name in variables.left():
        module, _, leaf = name.rpartition("/")
        scopes.setdefault(module, set()).add(leaf)
    cores = {module.rpartition("/")[0] for module in scopes if _CORES.fullmatch(module.rpartition("/")[0])}
    cores |= {module for module, leaves in scopes.items() if leaves == {"w_i", "w_h", "b"}}
    rest = {f"{module}/{leaf}": "a parameter" for module, leaves in scopes.items() for leaf in sorted(leaves)}
    places = [*cores]
    for module, leaves in scopes.items():
        inside = module in cores or module.rpartition("/")[0] in cores
        if not inside and leaves in ({"w", "b"}, {"w"}, {"embeddings"}):
            places.append(module)
        if inside or module in places:
            for leaf in leaves:
                del rest[f"{module}/{leaf}"]
    if not cores:
        raise SpecError(
            f"{where}: no core of Haiku in it (lstm/linear, gru/w_i, vanilla_rnn/linear); found {[*scopes]}"
        )
    if rest:
        raise SpecError(f"{where}: no layer uses {said(rest)}; --ignore leaves them out")
    ours = names(places, "/", ("~",))
    blocks = [
        _core(variables, place) if place in cores else _table(variables, place, request, scopes[place])
        for place in sorted(places)
    ]
    layers = chain.chained(blocks, ours, request, where, ordered=False)
    return Network(assumed(layers, request), chain.inputs(layers), variables)


def _core(variables: Variables, place: str) -> Block:
    """A recurrent module, by its name and what is in it."""

    def matrix(leaf: str) -> tuple[int, int]:
        rows, columns = variables.take(f"{place}/{leaf}", None, None).shape
        return rows, columns

    shapes: dict[str, tuple[int, ...]]
    if f"{place}/w_i" in variables:
        kind, inputs, size = "GRU", matrix("w_i")[0], matrix("w_h")[0]
        shapes = {"w_i": (inputs, 3 * size), "w_h": (size, 3 * size), "b": (3 * size,)}
    elif f"{place}/linear_1/w" in variables:
        kind, (inputs, size) = "VanillaRNN", matrix("linear/w")
        shapes = {"linear/w": (inputs, size), "linear_1/w": (size, size), "linear/b": (size,), "linear_1/b": (size,)}
    else:
        kind, (rows, columns) = "LSTM", matrix("linear/w")
        size, inputs = columns // 4, rows - columns // 4
        shapes = {"linear/w": (rows, columns), "linear/b": (columns,)}
        if columns % 4 or inputs < 1:
            raise SpecError(
                f"{variables.where}: {place}/linear/w: expected (inputs + units, 4 · units), found {(rows, columns)}"
            )

    def build(name: str) -> list[WithWeights]:
        arrays = [variables.take(f"{place}/{leaf}", *shape) for leaf, shape in shapes.items()]
        return [recurrent(getattr(haiku, kind).to_ours(*arrays), name)]

    return Block(place, inputs, size, build, kind)


def _table(variables: Variables, place: str, request: Request, leaves: set[str]) -> Block:
    """`Linear`: w (inputs, units), b (units,); `Embed`: embeddings (vocabulary, units)."""
    leaf = "embeddings" if leaves == {"embeddings"} else "w"
    rows, columns = variables.take(f"{place}/{leaf}", None, None).shape
    build = partial(_embed if leaf == "embeddings" else _linear, variables, place, request)
    return Block(place, None if leaf == "embeddings" else rows, columns, build)


def _embed(variables: Variables, place: str, request: Request, name: str) -> list[WithWeights]:
    return [embedding(variables.take(f"{place}/embeddings"), name)]


def _linear(variables: Variables, place: str, request: Request, name: str) -> list[WithWeights]:
    kernel = variables.take(f"{place}/w", None, None)
    bias = variables.take(f"{place}/b", kernel.shape[1]) if f"{place}/b" in variables else None
    return [dense(kernel, bias, name, dense_activation(request, name))]
