"""Mutants that misread the weights: gates in another order, and the like."""

from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np

from rnnspec.cells import GRU, LSTM, MGU, UGRNN, Cell
from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.mutants.mutant import Mutant

Change = Callable[[np.ndarray], np.ndarray]


def weight_mutants() -> Iterator[Mutant]:
    """Every wrong order of the gates of LSTM, GRU, UGRNN and MGU; transposes; one kernel for another."""
    for cell in (LSTM(units=1), GRU(units=1, reset_after=True), UGRNN(units=1), MGU(units=1)):
        kind, gates = type(cell), cell.gates
        tag = str(kind.__struct_config__.tag)
        for order in list(permutations(range(len(gates))))[1:]:
            named = ", ".join(gates[k] for k in order)
            yield Mutant("NAME-3", f"gates of {tag} are read as {named}", weights=_in_all(kind, _ordered(order)))
        for leaf in ("kernel", "recurrent_kernel", "bias"):
            order = (1, 0, *range(2, len(gates)))
            wrong = f"the first two gates of {tag} are exchanged in {leaf} only"
            yield Mutant("NAME-3", wrong, weights=_in_all(kind, _ordered(order), (leaf,)))
    for kind in (LSTM, GRU):
        tag = str(kind.__struct_config__.tag)
        wrong = f"the recurrent kernel of {tag} is transposed, gate by gate"
        yield Mutant("NAME-3", wrong, weights=_in_all(kind, _transposed, ("recurrent_kernel",)))
        yield Mutant("GATES-1" if kind is LSTM else "GRU-1", f"a forget bias of −1 is added in {tag}",
                     weights=_in_all(kind, lambda a: a - np.eye(len(a), 1, -1), ("bias",)))  # fmt: skip


def _in_all(kind: type[Cell], change: Change, leaves: tuple[str, ...] = ()) -> Callable[[Checkpoint], Checkpoint]:
    """The change made in every cell of the kind, to these parameters, or to all that have its gates."""

    def changed(checkpoint: Checkpoint) -> Checkpoint:
        weights = dict(checkpoint.weights)
        for place, cell in cells(checkpoint):
            if type(cell) is kind:
                for name in weights:
                    leaf = name.removeprefix(place)
                    if (
                        name.startswith(place)
                        and "." not in leaf
                        and weights[name].shape[0] == len(cell.gates)
                        and (leaf in leaves or not leaves)
                    ):
                        weights[name] = np.ascontiguousarray(change(weights[name]), weights[name].dtype)
        return Checkpoint(checkpoint.model, weights)

    return changed


def cells(checkpoint: Checkpoint) -> Iterator[tuple[str, Cell]]:
    """Every plain cell with the prefix of its tensors."""
    from rnnspec.cells.tree import joined, plain
    from rnnspec.layers import Recurrent

    for layer in checkpoint.model.layers:
        if isinstance(layer, Recurrent):
            for prefix, (cell, _) in layer.directions.items():
                for place, each in plain(cell, joined(layer.name, prefix)).items():
                    yield f"{place}.", each


def _ordered(order: tuple[int, ...]) -> Change:
    return lambda array: array[list(order)]


def _transposed(array: np.ndarray) -> np.ndarray:
    return array.swapaxes(1, 2) if array.ndim == 3 and array.shape[1] == array.shape[2] else array
