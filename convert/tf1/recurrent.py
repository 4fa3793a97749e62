"""The recurrent layers of a checkpoint, found by the names and shapes of their cells' variables."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from rnnspec import Residual
from rnnspec.conventions.gates import Part
from rnnspec.convert import layers
from rnnspec.convert.assumed import dense_activation, merge
from rnnspec.convert.request import WithWeights
from rnnspec.convert.tf1 import scopes
from rnnspec.convert.tf1.ask import Ask
from rnnspec.convert.tf1.cells import KINDS, Found
from rnnspec.convert.tf1.kinds import kind_of
from rnnspec.convert.tf1.names import local
from rnnspec.convert.tf1.variables import CellVariables
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError


@dataclass(frozen=True)
class Member:
    """A cell of a layer: the scopes between them, its kind and its variables."""

    path: tuple[str, ...]
    kind: str
    variables: CellVariables

    def inside(self) -> "Member":
        """One scope deeper."""
        return Member(self.path[1:], self.kind, self.variables)


Words = Mapping[tuple[str, str] | None, str]  # scope and our word → the variable
Cells = dict[str, list[Member]]  # direction, "fw", "bw" or "" → its cells


def recurrent_layers(variables: Variables, half: bool, cells: dict[str, str]) -> dict[str, Cells]:
    """Scope → layer.

        rnn/multi_rnn_cell/cell_0/lstm_cell/kernel     rnn: a stack of two cells
        rnn/multi_rnn_cell/cell_0/lstm_cell/bias
        rnn/multi_rnn_cell/cell_1/lstm_cell/kernel
        rnn/multi_rnn_cell/cell_1/lstm_cell/bias
        birnn/fw/gru_cell/gates/kernel                 birnn: a cell in each direction
        birnn/fw/gru_cell/candidate/kernel             …
        birnn/bw/gru_cell/gates/kernel

    Args:
        variables: those left are looked at.
        half: whether they are in half precision.
        cells: scope → kind, where the user says it.

    Raises:
        SpecError: the kind of a cell cannot be told.
        UnsupportedError: a cell or wrapper that we do not have.
    """
    groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in variables.left():
        if part := scopes.refused(name):
            raise UnsupportedError(f"{variables.where}: variable {name!r}: {part} has no counterpart here")
        if found := local(name):
            groups[found[0]][found[1]].append(name)
    for scope in cells:
        if scope not in groups:
            raise SpecError(f"{variables.where}: --set cells: no cell's variables are in {scope!r}")
    members: dict[str, Member] = {}
    for scope, words in groups.items():
        v = CellVariables(
            scope, {word: sorted(each, key=scopes.natural) for word, each in words.items()}, variables, half
        )
        if kind := cells.get(scope) or kind_of(v):
            members[scope] = Member(scopes.placed(scope)[2], kind, v)
    found_layers: dict[str, Cells] = defaultdict(lambda: defaultdict(list))
    for scope in scopes.innermost(members):
        layer, direction, _ = scopes.placed(scope)
        found_layers[layer][direction].append(members[scope])
    parents = [layer.rpartition("/")[0] for layer in found_layers]
    count = Counter(parents)
    places = [p if p and count[p] == 1 else layer for p, layer in zip(parents, found_layers, strict=True)]
    return dict(zip(places, found_layers.values(), strict=True))


def projections(
    scope: str, words: Words, variables: Variables, ask: Ask
) -> tuple[list[WithWeights], list[WithWeights]]:
    """The dense layers of `InputProjectionWrapper` and `OutputProjectionWrapper` around a layer: before, after."""
    around: dict[str, list[WithWeights]] = {"input": [], "output": []}
    parts = scope.split("/")
    for k, part in enumerate(parts):
        if found := re.fullmatch(r"(input|output)_projection_wrapper", scopes.unnumbered(part)):
            outer = "/".join(parts[: k + 1])
            inside = {word: [words[outer, word]] for word in ("kernel", "bias") if (outer, word) in words}
            v = CellVariables(outer, inside, variables, half=False)
            name = f"{found[1]}_projection"
            kernel = v.take("kernel", None, None)
            activation = dense_activation(ask.request, name)
            around[found[1]].append(layers.dense(kernel, v.take("bias", kernel.shape[1]), name, activation))
    return around["input"], around["output"][::-1]


def built(layer: Cells, ask: Ask, where: str) -> tuple[int, WithWeights]:
    """The features that go in, and the layer. Raises SpecError: a direction is missing; cells do not fit."""
    if "" in layer:
        inputs, part = nested(layer[""], ask, where)
        return inputs, layers.recurrent(part, ask.place)
    if missing := {"fw", "bw"} - set(layer):
        raise SpecError(f"{where}: {ask.place}: one direction is there, {missing.pop()!r} is missing")
    (inputs, forward), (others, backward) = (
        nested(layer[key], ask.at(place), where) for key, place in (("fw", "forward"), ("bw", "backward"))
    )
    if inputs != others:
        raise SpecError(f"{where}: {ask.place}: forward takes {inputs} features, backward {others}: not one layer")
    return inputs, layers.bidirectional(forward, backward, ask.place, merge=merge(ask.request, ask.place))


def nested(members: list[Member], ask: Ask, where: str) -> Found:
    """The cell that the members make up: one, or those of a `MultiRNNCell`, inside of wrappers.

    Raises:
        SpecError, UnsupportedError: cells that do not fit each other.
    """
    heads = {member.path[0] for member in members if member.path}
    if len(members) == 1 and len(members[0].path) <= 1:
        ask = ask.of(members[0].kind, members[0].variables)
        found = KINDS[members[0].kind](members[0].variables, ask)
        return residual(found) if ask.residual() else found
    if len(heads) != 1:
        beside = ", ".join(member.variables.scope for member in members)
        raise SpecError(f"{where}: {beside}: cells beside each other in one layer; --part takes one of them")
    head, inner = heads.pop(), [member.inside() for member in members]
    if scopes.unnumbered(head) == "multi_rnn_cell":
        return stacked(inner, ask, where)
    if scopes.unnumbered(head).endswith("projection_wrapper"):
        raise UnsupportedError(f"{where}: {members[0].variables.scope}: a projection between the cells of a layer")
    found = nested(inner, ask, where)
    return residual(found) if scopes.unnumbered(head) == "residual_wrapper" else found


def stacked(members: list[Member], ask: Ask, where: str) -> Found:
    """`MultiRNNCell`: cell_0, cell_1, … (Cell0, … in 0.12). Raises SpecError: cells that do not follow each other."""
    cells: dict[int, list[Member]] = defaultdict(list)
    for member in members:
        number = re.fullmatch(r"cell_?(\d+)", member.path[0].lower()) if member.path else None
        if not number:
            raise SpecError(f"{where}: {member.variables.scope}: expected cell_0, cell_1, … in a MultiRNNCell")
        cells[int(number[1])].append(member.inside())
    if missing := set(range(max(cells) + 1)) - set(cells):
        raise SpecError(f"{where}: {ask.place}: cell {min(missing)} of a MultiRNNCell is missing")
    found = [nested(cells[k], ask.at(f"cells.{k}"), where) for k in range(len(cells))]
    for k, ((inputs, (cell, _)), (following, _)) in enumerate(pairwise(found)):
        if cell.outputs(inputs) != following:
            raise SpecError(
                f"{where}: {ask.place}.cells.{k + 1}: expected {cell.outputs(inputs)} inputs, "
                f"what the cell before gives, found {following}"
            )
    return found[0][0], layers.stack(*(part for _, part in found))


def residual(found: Found) -> Found:
    """`ResidualWrapper`."""
    inputs, (cell, weights) = found
    part: Part = Residual(cell=cell), weights
    return inputs, part
