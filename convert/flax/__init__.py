"""Flax: parameter trees of linen and nnx in .msgpack and .npz; linen's trees out.

A tree holds names and weights and no architecture. linen's `SimpleCell`, `LSTMCell`, `OptimizedLSTMCell`, `GRUCell` and
`MGUCell`, nnx's of these names, `Embed`, `Dense` and `Linear` are recognised by what is inside, under any names, in
`RNN` and in `Bidirectional`; what else has weights is left over, and fails. Trees are sorted by name, so layers come in
the only order in which features and numbers (`LSTMCell_0`, `layers_1`) fit; where there are several, `--config` gives
it (`rnnspec.convert.chain.chained`), and `--part encoder` takes what is under `encoder/`. A `Bidirectional` inside a
compact module leaves two cells with successive numbers, and is read off where nothing else fits.

Settings: `activation` (`activation_fn`), `gate_activation` (`gate_fn`), `residual` of a `SimpleCell`, of a dense layer
`NAME.activation`, `merge` of a `Bidirectional`; `return_sequences`, `direction`, `reverse_output` and of other cells
`residual` (`rnnspec.convert.assumed`). `RNN(reverse=True, keep_order=True)` is `direction=backward`; without keep_order
the outputs come in the order of the steps, which is `reverse_output=true` besides.

Flax differs at run time: past a sequence's length its outputs go on, and a length of 0 gives the last step's state;
ours are zero, and the initial state (UNROLL-4).
"""

from functools import partial
from itertools import groupby
from pathlib import Path

from rnnspec.archives import arrays, is_zip
from rnnspec.cells import RNN
from rnnspec.convert import chain
from rnnspec.convert.assumed import assumed, dense_activation, merge
from rnnspec.convert.blocks import Block
from rnnspec.convert.flax.cells import FlaxCell, recognise
from rnnspec.convert.flax.files import read_msgpack
from rnnspec.convert.flax.states import parameters
from rnnspec.convert.layers import bidirectional, dense, embedding, recurrent
from rnnspec.convert.names import names
from rnnspec.convert.order import search
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError
from rnnspec.layers import Recurrent

_DIGITS = "0123456789"
_DIRECTIONS = ("forward_rnn", "backward_rnn")


def read(source: Path, request: Request) -> Network:
    """The chain of layers in a parameter tree.

    Raises:
        SpecError: the file is damaged; no layer takes a variable; a shape is impossible; the order cannot be read off.
    """
    variables, beside = parameters(arrays(source) if is_zip(source) else read_msgpack(source), request, str(source))
    for name, reason in beside.items():
        variables.ignore(name, reason)
    cells, tables = _found(variables)
    if not cells:
        raise SpecError(f"{source}: nothing recurrent in it; found {', '.join(variables.left()[:6]) or 'nothing'}")
    ours = names([*cells, *tables], "/", ())
    blocks = [_cell_block(variables, request, ours[place], place, cell) for place, cell in cells.items()]
    blocks += [_table_block(variables, request, place, leaf) for place, leaf in tables.items()]
    if not request.config and (pairs := _pairs(cells)) and not search(blocks)[0]:
        request.note(f"read as forward and backward of a Bidirectional: {', '.join(map(' and '.join, pairs.values()))}")
        both = {
            pair[0]: {d: cells[place][""] for d, place in zip(_DIRECTIONS, pair, strict=True)}
            for pair in pairs.values()
        }
        gone = {place for pair in pairs.values() for place in pair}
        blocks = [block for block in blocks if block.place not in gone]
        blocks += [_cell_block(variables, request, ours[place], place, cell) for place, cell in both.items()]
    layers = chain.chained(blocks, ours, request, str(source), ordered=False)
    simple = {layer.name: ("residual",) for layer, _ in layers if isinstance(layer, Recurrent) and _is_simple(layer)}
    layers = assumed(layers, request, own=simple)
    if any(isinstance(layer, Recurrent) and layer.reverse_output for layer, _ in layers):
        request.note("reverse_output: Flax flips a row up to its seq_lengths, and this the whole time axis")
    return Network(layers, chain.inputs(layers), variables)


def _is_simple(layer: Recurrent) -> bool:
    """Whether it is a `SimpleCell`, which has a residual connection of its own, from state to state."""
    return isinstance(layer.cell, RNN)


def _found(variables: Variables) -> tuple[dict[str, dict[str, FlaxCell]], dict[str, str]]:
    """Place → its cell, under "", or its cells by direction; place → `kernel` or `embedding`."""
    modules: dict[str, set[str]] = {}  # scope → the modules with variables inside
    for name in variables.left():
        *path, _ = name.split("/")
        if path:
            modules.setdefault("/".join([*path[:-1], ""]), set()).add(path[-1])
    cells: dict[str, dict[str, FlaxCell]] = {}
    scopes = set()
    for scope, inside in modules.items():
        if cell := recognise(variables, scope, inside):
            path = scope.removesuffix("/").removesuffix("cell").removesuffix("/").split("/")
            direction = path.pop() if path[-1] in _DIRECTIONS else ""
            cells.setdefault("/".join(path), {})[direction] = cell
            scopes |= {f"{scope}{module}/" for module in (*cell.i, *cell.h)}
    tables = {}
    for name in variables.left():
        place, _, leaf = name.rpartition("/")
        if leaf in ("kernel", "embedding") and variables[name].ndim == 2 and f"{place}/" not in scopes:
            tables[place] = leaf
    return cells, tables


def _cell_block(variables: Variables, request: Request, ours: str, place: str, cells: dict[str, FlaxCell]) -> Block:
    joined = merge(request, ours) if "" not in cells else "concat"

    def build(name: str) -> list[WithWeights]:
        if "" in cells:
            return [recurrent(cells[""].part(variables, request, name), name)]
        forward, backward = (cells[d].part(variables, request, f"{name}.{d.removesuffix('_rnn')}") for d in _DIRECTIONS)
        return [bidirectional(forward, backward, name, merge=joined)]

    if "" not in cells and (missing := set(_DIRECTIONS) - set(cells)):
        raise SpecError(f"{variables.where}: {place or 'the root'} has no {missing.pop()}")
    units = [cell.units for cell in cells.values()]
    outputs = sum(units) if joined in ("concat", "none") else units[0]
    kinds = " and ".join(cell.kind for cell in cells.values())
    return Block(place, next(iter(cells.values())).inputs, outputs, build, recurrent=kinds)


def _table_block(variables: Variables, request: Request, place: str, leaf: str) -> Block:
    scope = f"{place}/" if place else ""
    rows, columns = variables[f"{scope}{leaf}"].shape
    if leaf == "embedding":
        return Block(place, None, columns, partial(_embed, variables, scope))
    return Block(place, rows, columns, partial(_dense, variables, scope, request))


def _embed(variables: Variables, scope: str, name: str) -> list[WithWeights]:
    """`Embed`: embedding (vocabulary, units)."""
    return [embedding(variables.take(f"{scope}embedding", None, None), name)]


def _dense(variables: Variables, scope: str, request: Request, name: str) -> list[WithWeights]:
    """`linen.Dense`, `nnx.Linear`: kernel (inputs, units), bias (units,)."""
    kernel = variables.take(f"{scope}kernel", None, None)
    bias = variables.take(f"{scope}bias", kernel.shape[1]) if f"{scope}bias" in variables else None
    return [dense(kernel, bias, name, dense_activation(request, name))]


def _pairs(cells: dict[str, dict[str, FlaxCell]]) -> dict[str, tuple[str, str]]:
    """Cells of one kind and size whose names end in successive numbers, two by two."""

    def alike(place: str):
        cell = cells[place][""]
        return place.rstrip(_DIGITS), cell.kind, cell.inputs, cell.units

    ends = {place: place[len(place.rstrip(_DIGITS)) :] for place in cells if "" in cells[place]}
    number = {place: int(digits) for place, digits in ends.items() if 0 < len(digits) < 10}
    pairs: dict[str, tuple[str, str]] = {}
    for _, same in groupby(sorted(number, key=lambda place: (*alike(place), number[place])), alike):
        rest = list(same)
        while len(rest) > 1:
            first, second, *after = rest
            if number[second] == number[first] + 1:
                pairs[first], rest = (first, second), after
            else:
                rest = rest[1:]
    return pairs
