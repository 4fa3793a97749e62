"""Numbers in the wrong places: gates in another order, matrices transposed, reshaped or interleaved."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import combinations, permutations

import numpy as np

from rnnspec.cells import Cell
from rnnspec.diagnosis.change import Changed, PartMistake
from rnnspec.diagnosis.trial import Arrays
from rnnspec.layers import Dense, Embedding

_BY_GATE = ("kernel", "recurrent_kernel", "frequency_kernel", "bias")
_MATRICES = (("kernel", "recurrent_kernel"), ("kernel",), ("recurrent_kernel",), ("projection",))


def layout_mistakes(kinds: Iterable[tuple[str, ...]]) -> Iterator[PartMistake]:
    """All of them, for cells with these gates."""
    for gates in kinds:
        yield from _orders(gates)
    yield from _peepholes()
    for name, sentence, layout in _LAYOUTS:
        for tensors in _MATRICES:
            change = partial(_rearranged, layout, Cell, tensors)
            yield PartMistake(f"{name} {' '.join(tensors)}", sentence.format(" and ".join(tensors)), change)
        if "gate" not in name:
            words = sentence.removesuffix(", gate by gate").format("the dense layer's kernel")
            yield PartMistake(f"dense {name}", words, partial(_rearranged, layout, Dense, ("kernel",)))
    yield PartMistake("interleaved", "the gates of each unit lie side by side", partial(_interleaved, False))
    yield PartMistake("not interleaved", "the units of each gate lie side by side", partial(_interleaved, True))
    yield PartMistake("h before x", "the rows for h come before those for x", _h_before_x)
    yield PartMistake("ids from 1", "id k stands for the embedding's row k - 1", partial(_rolled, 1))
    yield PartMistake("ids from -1", "id k stands for the embedding's row k + 1", partial(_rolled, -1))


def _orders(gates: tuple[str, ...]) -> Iterator[PartMistake]:
    """Every wrong order of the gates, of more than four every pair exchanged; of all tensors and of each kind."""
    for order in _permutations(len(gates)):
        words = ", ".join(gates[k] for k in order)
        change = partial(_reordered, gates, order, None)
        yield PartMistake(f"order {words}", f"gates are read as {words}", change)
        for tensor in _BY_GATE:
            change = partial(_reordered, gates, order, tensor)
            yield PartMistake(f"{tensor} order {words}", f"{tensor} is read as {words}", change, usual=False)


def _permutations(count: int) -> Iterator[tuple[int, ...]]:
    if count <= 4:
        yield from list(permutations(range(count)))[1:]
        return
    for i, j in combinations(range(count), 2):
        order = list(range(count))
        order[i], order[j] = j, i
        yield tuple(order)


def _reordered(gates: tuple[str, ...], order: tuple[int, ...], tensor: str | None, cell, p: Arrays) -> Changed:
    """The stored block k taken for gate order[k]."""
    if not isinstance(cell, Cell) or cell.gates != gates:
        return None
    names = [
        name
        for name, array in p.items()
        if (name == tensor or (tensor is None and (name in _BY_GATE or name.endswith(("gamma", "beta")))))
        and array.ndim > 1
        and len(array) == len(gates)
    ]
    return (cell, p | {name: p[name][np.argsort(order)] for name in names}) if names else None


def _peepholes() -> Iterator[PartMistake]:
    for gates in (("input", "forget", "output"), ("forget", "output")):
        for order in _permutations(len(gates)):
            words = ", ".join(gates[k] for k in order)
            change = partial(_peepholes_reordered, order)
            yield PartMistake(f"peephole order {words}", f"peepholes are read as {words}", change)


def _peepholes_reordered(order: tuple[int, ...], cell, p: Arrays) -> Changed:
    peephole = p.get("peephole")
    if not isinstance(cell, Cell) or peephole is None or len(peephole) != len(order):
        return None
    return cell, p | {"peephole": peephole[np.argsort(order)]}


def _transposed(k: np.ndarray) -> np.ndarray | None:
    return k.swapaxes(1, 2) if k.shape[1] == k.shape[2] else None


def _taken_by_columns(k: np.ndarray) -> np.ndarray:
    return k.reshape(-1, k.shape[2]).T.reshape(k.shape)


def _put_by_columns(k: np.ndarray) -> np.ndarray:
    return k.reshape(k.shape[2], -1).T.reshape(k.shape)


def _gates_taken_by_columns(k: np.ndarray) -> np.ndarray:
    return k.swapaxes(1, 2).reshape(k.shape)


def _gates_put_by_columns(k: np.ndarray) -> np.ndarray:
    return k.reshape(k.shape[0], k.shape[2], k.shape[1]).swapaxes(1, 2)


# name, sentence, what becomes of a kernel (gates, rows, columns)
_LAYOUTS: tuple[tuple[str, str, Callable[[np.ndarray], np.ndarray | None]], ...] = (
    ("transposed", "{} is transposed, gate by gate", _transposed),
    ("taken by columns", "the numbers of {} are taken column by column", _taken_by_columns),
    ("put by columns", "the numbers of {} are put column by column", _put_by_columns),
    ("gates taken by columns", "the numbers of {} are taken column by column in each gate", _gates_taken_by_columns),
    ("gates put by columns", "the numbers of {} are put column by column in each gate", _gates_put_by_columns),
)


def _rearranged(layout, kind: type, tensors: tuple[str, ...], part, p: Arrays) -> Changed:
    if not isinstance(part, kind):
        return None
    new = {}
    for name in tensors:
        if name not in p or p[name].ndim < (2 if kind is Dense or name == "projection" else 3):
            return None
        kernel = p[name] if p[name].ndim == 3 else p[name][None]
        changed = layout(kernel)
        if changed is None:
            return None
        new[name] = changed.reshape(p[name].shape)
    return part, p | new


def _interleaved(inverse: bool, cell, p: Arrays) -> Changed:
    if not isinstance(cell, Cell) or len(cell.gates) < 2:
        return None
    new = {}
    for name in _BY_GATE:
        if name in p and len(p[name]) == len(cell.gates):
            gates, units, *rest = p[name].shape
            new[name] = p[name].swapaxes(0, 1) if inverse else p[name].reshape(units, gates, *rest).swapaxes(0, 1)
            new[name] = new[name].reshape(p[name].shape)
    return cell, p | new


def _h_before_x(cell, p: Arrays) -> Changed:
    if not isinstance(cell, Cell) or {"kernel", "recurrent_kernel"} - set(p) or p["recurrent_kernel"].ndim != 3:
        return None
    if p["kernel"].shape[:2] != p["recurrent_kernel"].shape[:2]:
        return None
    rows = np.concatenate([p["kernel"], p["recurrent_kernel"]], axis=-1)
    size = p["recurrent_kernel"].shape[-1]
    return cell, p | {"recurrent_kernel": rows[..., :size], "kernel": rows[..., size:]}


def _rolled(by: int, layer, p: Arrays) -> Changed:
    return (layer, {"embeddings": np.roll(p["embeddings"], by, axis=0)}) if isinstance(layer, Embedding) else None
