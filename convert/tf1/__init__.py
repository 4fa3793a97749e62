"""TensorFlow 0.12, 1.0 and 1.x checkpoints, without TensorFlow.

Cells are recognised by the names and shapes of their variables, the layers around them by shape, and the order by the
features that go in and come out and by the numbers in scopes; where that leaves a choice, `--config` has a JSON list of
the scopes in order, and `--part encoder` takes what is under `encoder/`. A `MultiRNNCell` is one recurrent layer.

What a `.meta` beside the checkpoint says of the cells is no assumption (`meta`). A frozen graph, a `.pb`, is both in
one file: its constants are the variables.

Settings, at `rnn` or, for one cell, at `rnn.cells.0`, `rnn.forward`, …: `forget_bias`, `activation`, `clip_cell`
(`cell_clip`), `clip_projection` (`proj_clip`), `epsilon` of layer norms, `residual` where there is a ResidualWrapper;
`feature_size`, `frequency_skip` and `inputs` of a TimeFreqLSTMCell; `direction`, `merge` and `return_sequences` of a
layer; `NAME.activation` of a dense layer; `NAME.type` (dense, embedding) of a matrix without a bias;
`cells={"SCOPE": "lstm"}` for cells under a name that says nothing.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from rnnspec import Dense, Recurrent
from rnnspec.convert import chain
from rnnspec.convert.assumed import assumed, dense_activation
from rnnspec.convert.blocks import Block
from rnnspec.convert.formats.tensorflow.checkpoint import beside, read_checkpoint
from rnnspec.convert.keras.objects import is_of_objects
from rnnspec.convert.keras.objects import read as read_objects
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.convert.tf1.affine import affine_blocks, place_of
from rnnspec.convert.tf1.ask import Ask, noted
from rnnspec.convert.tf1.cells import KINDS
from rnnspec.convert.tf1.meta import Meta
from rnnspec.convert.tf1.names import local
from rnnspec.convert.tf1.recurrent import Cells, Words, built, projections, recurrent_layers
from rnnspec.convert.tf1.training import weights_among
from rnnspec.convert.tf1.wiring import Wiring
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError


def read(source: Path, request: Request) -> Network:
    """The model of a checkpoint: its prefix, one of its files, or the folder; or of a frozen graph, `.pb`.

    Raises:
        FileNotFoundError: a file is not there.
        SpecError: damaged; a variable is missing or of an impossible shape; the order or the kind of a cell is unclear.
        UnsupportedError: several chains; a cell or data type that we do not have.
    """
    if source.suffix == ".pb":
        frozen = Meta.frozen(source)
        return network(frozen.weights, request, str(source), frozen)
    arrays = read_checkpoint(source)
    if is_of_objects(arrays):
        return read_objects(arrays, source, request)
    path = beside(source, ".meta")
    return network(arrays, request, str(source), Meta.read(path) if path.is_file() else None)


def network(arrays: dict[str, np.ndarray], request: Request, where: str, meta: Meta | None = None) -> Network:
    """The model of variables by name; `meta`: the graph that says more. Raises SpecError and UnsupportedError as
    `read`."""
    kept, ignored, without = weights_among(arrays, request, where)
    variables = Variables(kept, where)
    candidates = [name for name in kept if name not in ignored]
    for name, reason in (ignored | chain.in_part(request, candidates, "/", where)).items():
        variables.ignore(name, reason)
    half = any(array.dtype == np.float16 for array in arrays.values())
    layers, inputs, owners = layers_of(variables, request, half, meta)
    if meta is not None:
        layers = wired(meta, layers, owners, request)
    used = set(variables) - set(variables.left()) - set(variables.ignored)
    if missing := sorted(used & set(without)):
        raise SpecError(f"{where}: --ema: {', '.join(missing)} has no moving average, and others have one")
    own = {layer.name: ("residual",) for layer, _ in layers if isinstance(layer, Recurrent)}
    return Network(assumed(layers, request, own, between=meta is not None), inputs, variables)


def wired(meta: Meta, layers: list[WithWeights], owners: dict[str, str], request: Request) -> list[WithWeights]:
    """The layers with what the graph says of what is between them.

    Raises:
        SpecError: the graph is damaged.
        UnsupportedError: the graph has something there that we do not have, and the user does not say what to take.
    """
    try:
        wiring = Wiring(meta, owners)
        (facts, unknown), ends = wiring.facts(layers), list(wiring.ends(layers))
    except (RecursionError, IndexError):  # values that wait for themselves; nodes without their inputs
        raise SpecError(f"{meta.where}: damaged: its nodes are not those of a graph; copy the file again") from None
    keys = ("return_sequences", "summary", "direction", "activation")
    for name, text in unknown.items():
        if not any(request.settings.given(name, key) for key in keys):
            raise UnsupportedError(
                f"{meta.where}: {text}: no equal; --set {name}.{{{','.join(keys)}}} says what to take instead"
            )
    for text in ends:
        request.note(text)
    request.settings.learn(facts)
    return [
        (replace(layer, activation=dense_activation(request, layer.name)), weights)
        if isinstance(layer, Dense)
        else (layer, weights)
        for layer, weights in layers
    ]


def layers_of(
    variables: Variables, request: Request, half: bool, meta: Meta | None = None
) -> tuple[list[WithWeights], int | None, dict[str, str]]:
    """The layers in order, the features that the first one takes (None for ids), and variable → its layer.

    Raises:
        SpecError: the variables are of no layer.
    """
    where, said = variables.where, {}  # type: tuple[str, dict[str, list[str]]]
    cells = recurrent_layers(variables, half, kinds_given(request))
    ours = {scope: f"rnn_{k}" if len(cells) > 1 else "rnn" for k, scope in enumerate(cells)}
    entered: dict[str, int] = {}
    words = {local(name): name for name in variables.left()}
    blocks = [
        block_of(scope, cell, Ask(request, ours[scope], said, meta), words, variables, entered)
        for scope, cell in cells.items()
    ]
    noted(said, request)
    owners = {name: f"{ours[scope]}{each}" for scope, cell in cells.items() for name, each in variables_of(cell)}
    rest = variables.left()
    around, names = affine_blocks(variables, request, set(ours.values()))
    if not cells:
        raise SpecError(f"{where}: no variables of a recurrent cell; found {', '.join(names) or 'none'}")
    layers = chain.chained(blocks + around, ours | names, request, where, ordered=False)
    first = layers[0][0].name
    owners |= {name: names[place] for name in rest for place in (name, place_of(name)) if place in names}
    return layers, entered[first] if first in entered else chain.inputs(layers), owners


def block_of(scope: str, cell: Cells, ask: Ask, words: Words, variables: Variables, entered: dict[str, int]) -> Block:
    """A recurrent layer, with the projections around it. `entered`: layer → the features that it takes."""
    inputs, (layer, weights) = built(cell, ask, variables.where)
    before, after = projections(scope, words, variables, ask)

    def named(name: str) -> list[WithWeights]:
        entered[name] = inputs
        return [*before, (replace(layer, name=name), weights), *after]

    first = before[0][1]["kernel"].shape[1] if before else inputs
    last = after[-1][1]["kernel"].shape[0] if after else layer.outputs(inputs)
    kinds = ", ".join(f"{d} {member.kind}".strip() for d, members in cell.items() for member in members)
    return Block(scope, first, last, named, recurrent=kinds)


def variables_of(cell: Cells) -> Iterator[tuple[str, str]]:
    """The variables of the cells of a layer, and their direction."""
    places = {"fw": ".forward", "bw": ".backward", "": ""}
    for direction, members in cell.items():
        for member in members:
            for names in member.variables.names.values():
                yield from ((name, places[direction]) for name in names)


def kinds_given(request: Request) -> dict[str, str]:
    """Scope → kind of cell, where the user says it. Raises SpecError: another kind, or no such mapping."""
    cells = request.settings.get("", "cells", {})
    if not isinstance(cells, dict) or not all(isinstance(kind, str) and kind in KINDS for kind in cells.values()):
        raise SpecError(f"--set cells: expected {{scope: kind}} with kinds of {', '.join(KINDS)}, found {cells!r}")
    return cells
