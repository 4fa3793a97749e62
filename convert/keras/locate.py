"""Which variable of the source is which of a layer's: by path (Keras 3) or by order (Keras 2)."""

import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from rnnspec.convert.keras.saved import STATISTICS, Saved, snake_case
from rnnspec.errors import SpecError, UnsupportedError

_OLD = "_layer_checkpoint_dependencies"  # what Keras 2.12 and 2.13 called `layers`, with gaps in the numbers
_CUSTOM = ("kernel", "recurrent_kernel", "bias", "gamma", "beta")

_TRAINING = re.compile(rf"(?:(?:layers|{_OLD})/[^/]+/)*(optimizer|metrics)/(?:[^/]+/)*vars/\d+")


def of_training(name: str) -> str | None:
    """Whose variable it is, if it was saved for further training and belongs to no layer."""
    found = _TRAINING.fullmatch(name)
    if name.startswith(("optimizer_weights/", "optimizer/")) or (found and found[1] == "optimizer"):
        return "the optimiser's"
    return "a metric's" if found else None


def has_variables(saved: Saved) -> bool:
    """Whether there is any variable in it."""
    return any(part.leaves != () for part, _ in saved.walk())


def by_path(saved: Saved, prefix: str, variables: Mapping[str, np.ndarray]) -> None:
    """Fill in `variables` from the paths of Keras 3 (keras/src/saving/saving_lib.py).

        layers/lstm/cell/vars/0      the kernel of the first LSTM
        layers/lstm/cell/vars/1      its recurrent kernel
        layers/dense/vars/0          the kernel of the first Dense, wherever it stands among the LSTMs
        layers/lstm_1/cell/vars/0    the kernel of the second LSTM

    The members of a list are numbered within their class; where numbers are left out, their order counts.

    Raises:
        UnsupportedError: a cell of a class that is not Keras's, of unknown structure.
    """
    if saved.leaves is None:
        _custom_by_path(saved, prefix, variables)
        return
    leaves = (*saved.leaves, "count") if saved.kind == "Normalization" and saved.leaves else saved.leaves
    saved.variables = {leaf: f"{prefix}vars/{k}" for k, leaf in enumerate(leaves)}
    taken: dict[str, int] = {}
    members: dict[tuple[str, str], list[str]] = {}
    for key, part in saved.inner.items():
        place, _, member = key.partition("/")
        if member and has_variables(part):
            kind = snake_case(part.kind)
            if (place, kind) not in members:
                members[place, kind] = _members(f"{prefix}{place}/", kind, variables) or _members(
                    f"{prefix}{_OLD}/", kind, variables
                )
            found = members[place, kind]
            k = taken[kind] = taken.get(kind, -1) + 1
            by_path(part, found[k] if k < len(found) else f"{prefix}{key}/", variables)
        else:
            private = f"{prefix}_{key}/"  # as Keras 2 calls the dense layers of a MultiHeadAttention
            by_path(part, private if f"{private}vars/0" in variables else f"{prefix}{key}/", variables)


def _members(place: str, kind: str, names: Iterable[str]) -> list[str]:
    """The groups `kind`, `kind_1`, … at a place that hold variables, by number."""
    pattern = re.compile(re.escape(place + kind) + r"(?:_(\d+))?/(?!.*seed_generator)")
    found = {int(match[1] or 0): match[0] for name in names if (match := pattern.match(name))}
    return [found[number] for number in sorted(found)]


def _custom_by_path(cell: Saved, prefix: str, variables: Mapping[str, np.ndarray]) -> None:
    """The layer-norm cell, its members under whatever attributes: one with kernels, one with γ and β."""
    groups: dict[str, list[str]] = {}
    for name in variables:
        if name.startswith(prefix) and "seed_generator" not in name:
            groups.setdefault(name.rpartition("/")[0], []).append(name)
    ordered = sorted((sorted(names) for names in groups.values()), key=lambda names: -variables[names[0]].ndim)
    ranks = [tuple(variables[name].ndim for name in names) for names in ordered]
    if ranks not in ([(2, 2, 1), (1, 1)], [(2, 2), (1, 1)]):
        raise _unknown(cell)
    kernels, norm = ordered
    cell.variables = dict(zip(_CUSTOM, kernels, strict=False)) | dict(zip(_CUSTOM[3:], norm, strict=True))


def by_order(saved: Saved, names: Iterable[str]) -> None:
    """Fill in `variables` of a layer from its `weight_names` in Keras 2's files, trainable ones before frozen ones.

        ["rnn/forward_lstm/kernel:0", "rnn/forward_lstm/recurrent_kernel:0", "rnn/forward_lstm/bias:0",
         "rnn/backward_lstm/kernel:0", …]

    Raises:
        SpecError: the next name is of another variable than the layer has.
        UnsupportedError: a cell of a class that is not Keras's, of unknown structure.
    """
    names = list(names)
    for part, leaves in _in_order(saved):
        if leaves is None:
            found = [leaf_of(name) for name in names[:5]]
            leaves = _CUSTOM if found == list(_CUSTOM) else (*_CUSTOM[:2], *_CUSTOM[3:])
            if found[: len(leaves)] != list(leaves):
                raise _unknown(part)
        for leaf in leaves:
            if not names:
                raise SpecError(f"{part.where}: variable {leaf!r} is missing")
            if leaf_of(names[0]) != leaf:
                raise SpecError(f"{part.where}: expected its variable {leaf!r}, found {names[0]!r}")
            part.variables[leaf] = names.pop(0)
        if part.kind == "Normalization" and names and leaf_of(names[0]) == "count":
            part.variables["count"] = names.pop(0)


def _in_order(saved: Saved) -> Iterator[tuple[Saved, tuple[str, ...] | None]]:
    """Whatever has variables, with those that it trains, then those that it does not; None: of unknown structure."""
    parts = [(part, frozen) for part, frozen in saved.walk() if part.leaves != ()]
    for part, frozen in parts:
        if not frozen:
            leaves = part.leaves
            yield part, leaves if leaves is None else tuple(leaf for leaf in leaves if leaf not in STATISTICS)
    for part, frozen in parts:
        if part.leaves is None:
            if frozen:
                yield part, None
        else:
            yield part, tuple(leaf for leaf in part.leaves if frozen or leaf in STATISTICS)


def leaf_of(name: str) -> str:
    """`rnn/recurrent_kernel_1:0` → `recurrent_kernel`."""
    return re.sub(r"(_\d+)?(:\d+)?$", "", name.rpartition("/")[2])


def _unknown(cell: Saved) -> UnsupportedError:
    return UnsupportedError(
        f"{cell.where}: a cell of its own, whose code is never run; known by its variables is only SimpleRNNCell with "
        "LayerNormalization after it"
    )
