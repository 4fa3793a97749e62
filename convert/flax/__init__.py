"""Flax: parameter trees of linen and nnx in .msgpack, .npz and .safetensors; linen's trees out.

A tree holds names and weights and no architecture. linen's `SimpleCell`, `LSTMCell`, `OptimizedLSTMCell`, `GRUCell` and
`MGUCell`, nnx's of these names, `Embed`, `Dense` and `Linear` are recognised by what is inside, under any names, in
`RNN` and in `Bidirectional`; what else has weights is called by its kind and refused. Trees are sorted by name, so
layers come in the only order in which features and numbers (`LSTMCell_0`, `layers_1`) fit; where there are several,
`--config` gives it (`rnnspec.convert.chain.chained`), or an architecture of ours, a graph too
(`rnnspec.convert.described`), and `--part encoder` takes what is under `encoder/`. A `Bidirectional` inside a compact
module leaves two cells with successive numbers, and is read off where nothing else fits.

Settings: `activation` (`activation_fn`), `gate_activation` (`gate_fn`), `residual` of a `SimpleCell`, of a dense layer
`NAME.activation`, `merge` of a `Bidirectional`, and `bidirectional=true` of the first of two cells that are one;
`return_sequences`, `summary`, `direction`, `reverse_output` and of other cells `residual`; `time_major`
(`rnnspec.convert.assumed`). An `RNN` may be said in its own words: `reverse` with `keep_order` is `direction=backward`;
without it the outputs come in the order of the steps, which is `reverse_output=true` besides.

Flax differs at run time: past a sequence's length its outputs go on, and a length of 0 gives the last step's state;
ours are zero, and the initial state (UNROLL-4).
"""

from functools import partial
from itertools import groupby
from pathlib import Path

from msgspec.structs import replace

from rnnspec.cells import RNN
from rnnspec.convert import chain
from rnnspec.convert.assumed import assumed, dense_activation, flag, merge
from rnnspec.convert.blocks import Block
from rnnspec.convert.described import Naming, architecture, with_weights
from rnnspec.convert.flax.cells import FlaxCell, recognise
from rnnspec.convert.flax.files import read_tree
from rnnspec.convert.flax.kinds import kinds
from rnnspec.convert.flax.states import parameters
from rnnspec.convert.flax.weights import weights_of
from rnnspec.convert.layers import bidirectional, dense, embedding, recurrent
from rnnspec.convert.listing import listed, said
from rnnspec.convert.names import names
from rnnspec.convert.order import search
from rnnspec.convert.parts import Parts
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Recurrent

_DIGITS = "0123456789"
NAMING = Naming("/", (), weights_of)
_DIRECTIONS = ("forward_rnn", "backward_rnn")


def read(source: Path, request: Request) -> Network:
    """The chain of layers in a parameter tree.

    Raises:
        SpecError: the file is damaged; no layer takes a variable; a shape is impossible; the order cannot be read off.
        UnsupportedError: a folder of Orbax.
    """
    variables = _variables(source, request)
    if (config := request.look("config")) is not None and (described := architecture(config)):
        return with_weights(*described, NAMING, variables, request, str(config))
    blocks, ours, rest = _blocks(variables, request, paired=not request.config)
    if rest:
        fix = "--config gives the whole architecture, --part what is before or behind them, --ignore leaves them out"
        raise SpecError(f"{source}: no layer uses {said(rest)}: a tree does not say where they stand; {fix}")
    layers = chain.chained(blocks, ours, request, str(source), ordered=False)
    layers, own = _in_its_words(layers, request)
    layers = assumed(layers, request, own)
    if any(isinstance(layer, Recurrent) and layer.reverse_output for layer, _ in layers):
        request.note("reverse_output: Flax flips a row up to its seq_lengths, and this the whole time axis")
    return Network(layers, chain.inputs(layers), variables)


def parts(source: Path, request: Request) -> Parts:
    """What is recurrent in a tree, and what else is there.

    Raises:
        SpecError, UnsupportedError: as `read`, but not for what has no equal.
    """
    variables = _variables(source, request)
    blocks, ours, rest = _blocks(variables, request, paired=True)
    for block in blocks:
        if block.recurrent:
            block.build(ours[block.place])  # which finds what is missing
    return listed(blocks, rest, str(source), None)


def _variables(source: Path, request: Request) -> Variables:
    """The tree, of which no layer takes what is not in the part that is asked for."""
    if source.is_dir():
        raise UnsupportedError(
            f"{source}: a folder of Orbax, whose arrays are compressed; with it, write what is read: "
            "open('params.msgpack', 'wb').write(flax.serialization.msgpack_serialize("
            f"orbax.checkpoint.PyTreeCheckpointer().restore({str(source.resolve())!r})))"
        )
    variables, beside = parameters(read_tree(source), request, str(source))
    for name, reason in beside.items():
        variables.ignore(name, reason)
    return variables


def _blocks(variables: Variables, request: Request, paired: bool) -> tuple[list[Block], dict[str, str], dict[str, str]]:
    """The layers in a tree, their places' names, and what is none of them, by place.

    `paired`: where no order fits, cells of successive numbers may be both directions of one layer.

    Raises:
        SpecError: there is nothing recurrent; a shape is impossible.
    """
    cells, tables, rest = _found(variables)
    if not cells:
        there = ", ".join(variables.left()[:6]) or "nothing"
        raise SpecError(f"{variables.where}: nothing recurrent in it; found {there}")
    ours = names([*cells, *tables], "/", ())
    blocks = [_cell_block(variables, request, ours[place], place, cell) for place, cell in cells.items()]
    blocks += [_table_block(variables, request, place, leaf) for place, leaf in tables.items()]
    pairs = _pairs(cells) if paired else {}
    said = {first: pair for first, pair in pairs.items() if flag(request, ours[first], "bidirectional", False)}
    if pairs and not said and search(blocks)[0]:
        for first, second in pairs.values():
            if not request.settings.given(ours[first], "bidirectional"):
                request.note(
                    f"{second} follows {first}, it is assumed; --set {ours[first]}.bidirectional=true if they are both "
                    "directions of one"
                )
    elif pairs := said or pairs:
        request.note(f"read as forward and backward of a Bidirectional: {', '.join(map(' and '.join, pairs.values()))}")
        both = {
            pair[0]: {d: cells[place][""] for d, place in zip(_DIRECTIONS, pair, strict=True)}
            for pair in pairs.values()
        }
        gone = {place for pair in pairs.values() for place in pair}
        blocks = [block for block in blocks if block.place not in gone]
        blocks += [_cell_block(variables, request, ours[place], place, cell) for place, cell in both.items()]
    return blocks, ours, rest


def _in_its_words(layers: list[WithWeights], request: Request) -> tuple[list[WithWeights], dict[str, set[str]]]:
    """The layers with what is said of an `RNN` as Flax says it, and the settings that are looked at by that.

    Raises:
        SpecError: `keep_order` of what does not run in reverse; or both ways of saying it at once.
    """
    done, own = list(layers), dict[str, set[str]]()
    for k, (layer, weights) in enumerate(layers):
        if not isinstance(layer, Recurrent):
            continue
        own[layer.name] = {"residual"} if isinstance(layer.cell, RNN) else set()  # of a SimpleCell: its own
        given = [key for key in ("reverse", "keep_order") if request.settings.given(layer.name, key)]
        if not given or layer.direction == "bidirectional":
            continue
        if any(request.settings.given(layer.name, key) for key in ("direction", "reverse_output")):
            raise SpecError(f"--set {given[0]}: {layer.name} has direction and reverse_output too, which say the same")
        reverse, kept = (flag(request, layer.name, key, False) for key in ("reverse", "keep_order"))
        if kept and not reverse:
            raise SpecError(f"--set keep_order: {layer.name} does not run in reverse; set reverse=true too")
        own[layer.name] |= {"direction"}
        if reverse:
            done[k] = replace(layer, direction="backward", reverse_output=not kept), weights
    return done, own


def _found(variables: Variables) -> tuple[dict[str, dict[str, FlaxCell]], dict[str, str], dict[str, str]]:
    """Place → its cell, under "", or its cells by direction; place → `kernel` or `embedding`; what is neither."""
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
    tables, rest = {}, []
    for name in variables.left():
        place, _, leaf = name.rpartition("/")
        if f"{place}/" in scopes:
            continue
        if leaf in ("kernel", "embedding") and variables[name].ndim == 2:
            tables[place] = leaf
        elif leaf != "bias" or f"{place}/kernel" not in variables or variables[f"{place}/kernel"].ndim != 2:
            rest.append(name)
    return cells, tables, kinds(rest, variables)


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
