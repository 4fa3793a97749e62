"""The configuration of a file that holds weights alone, as far as names and shapes tell it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Any

import numpy as np

from rnnspec.conventions.keras import CELLS
from rnnspec.convert.keras.files import KerasFile
from rnnspec.convert.keras.locate import leaf_of, of_training
from rnnspec.convert.request import Request
from rnnspec.errors import SpecError

_KINDS = {len(kind.gates.ours): kind.__name__ for kind in CELLS.values()}
_PATH = re.compile(r"layers/(embedding|dense|lstm|gru|simple_rnn|bidirectional|time_distributed)(_\d+)?/")
_ASK = "give the configuration with --config (JSON, .keras or .h5)"
_MOST = 7  # layers whose order is tried


@dataclass
class Inferred:
    """A layer: its name, the configuration that its variables show, its features in and out."""

    name: str
    config: dict[str, Any]
    inputs: int | None
    outputs: int


def inferred(file: KerasFile, source: str, request: Request) -> dict[str, Any]:
    """A Sequential's JSON. What neither names nor shapes tell is left out of it, or assumed with a note.

    Layers come in the order of the file; in Keras 3's format, which has none, in the one order that their sizes allow.

    Raises:
        SpecError: there is no such order, or more than one; or a layer is not one of the few that show what they are,
            for example because it has no variables.
    """
    find = Finder(source, request)
    find.check_idle(file)
    arrays = file.arrays
    if file.groups is not None:
        blocks = [find.block(name, [(n, arrays[n]) for n in names]) for name, names in file.groups.items() if names]
    else:
        blocks = find.ordered(list(find.paths(arrays)))
    if not blocks:
        raise SpecError(f"{source}: no weights of layers; nothing to convert")
    for one, two in pairwise(blocks):
        if one.outputs != two.inputs:
            raise SpecError(f"{source}: {two.name} takes {two.inputs}, but {one.name} gives {one.outputs}; {_ASK}")
    request.note(
        f"no configuration: taken as a chain: {' → '.join(block.name for block in blocks)}, without masks, "
        "all steps returned, other options at their defaults; --config says it for certain"
    )
    return {"class_name": "Sequential", "config": {"layers": [block.config for block in blocks]}}


class Finder:
    """Makes blocks of variables; `source` is the file, for messages."""

    def __init__(self, source: str, request: Request) -> None:
        self.source, self.request = source, request

    def check_idle(self, file: KerasFile) -> None:
        """Layers without variables may be one input, which comes first in Keras 2's files, and dropout.

        Raises:
            SpecError: another layer has no variables, and what it does is not in the file.
        """
        idle = [name for name in file.layers if not _busy(file, name)]
        if file.groups is None:
            known = "input_layer" if "input_layer" in idle else None
        else:
            known = file.layers[0] if idle[:1] == list(file.layers[:1]) and not idle[0].startswith("masking") else None
        other = [name for name in idle if name != known and not re.match("(spatial_)?dropout", name)]
        if other:
            raise SpecError(f"{self.source}: what {', '.join(other)} does is not in a file of weights; {_ASK}")

    def block(self, name: str, variables: list[tuple[str, np.ndarray]]) -> Inferred:
        """A layer of these variables, in Keras's order: `…/recurrent_kernel_1:0`.

        Raises:
            SpecError: the variables are of no layer.
        """
        leaves = [leaf_of(variable) for variable, _ in variables]
        arrays = [array for _, array in variables]
        if leaves == ["embeddings"] and arrays[0].ndim == 2:
            config = {"input_dim": arrays[0].shape[0], "output_dim": arrays[0].shape[1]}
            return Inferred(name, _layer("Embedding", name, config), None, arrays[0].shape[1])
        if leaves in (["kernel", "bias"], ["kernel"]) and arrays[0].ndim == 2:
            act = self.request.settings.get(name, "activation", "linear")
            self.request.note(f"{name}: activation is not in the source: {act}")
            config = {"units": arrays[0].shape[1], "use_bias": len(leaves) == 2, "activation": act}
            return Inferred(name, _layer("Dense", name, config), *arrays[0].shape)
        both = [[v for v in variables if f"/{side}_" in v[0]] for side in ("forward", "backward")]
        if all(both):
            merge = self.request.settings.get(name, "merge", "concat", also=("merge_mode",))
            self.request.note(f"{name}: merge is not in the source: {merge}")
            forward, backward = (self.block(name, side) for side in both)
            turned = {**backward.config, "config": {**backward.config["config"], "go_backwards": True}}
            config = {
                "layer": forward.config,
                "backward_layer": turned,
                "merge_mode": None if merge == "none" else merge,
            }
            outputs = forward.outputs + (backward.outputs if merge in ("concat", "none") else 0)
            return Inferred(name, _layer("Bidirectional", name, config), forward.inputs, outputs)
        starts = [k for k, leaf in enumerate(leaves) if leaf == "kernel"] + [len(leaves)]
        cells = [self.cell(name, leaves[a:b], arrays[a:b]) for a, b in pairwise(starts)]
        if not cells or starts[0] or arrays[0].ndim != 2:
            raise SpecError(f"{self.source}: {name}: not known by its variables {', '.join(leaves)}; {_ASK}")
        inputs = arrays[0].shape[0]
        units = cells[-1]["config"]["units"]
        if len(cells) == 1 and cells[0]["class_name"] != "LayerNormRNN":
            config = cells[0]["config"]
            made = _layer(cells[0]["class_name"], name, config | {"return_sequences": True})
            return Inferred(name, made, inputs, units)
        members = [{**cell, "class_name": cell["class_name"] + "Cell"} for cell in cells]
        return Inferred(name, _layer("RNN", name, {"cell": members, "return_sequences": True}), inputs, units)

    def cell(self, name: str, leaves: list[str], arrays: list[np.ndarray]) -> dict[str, Any]:
        """The configuration of one cell; a kernel's columns are a block of units for each gate.

        Raises:
            SpecError: the variables are of no cell.
        """
        bias = arrays[2] if leaves[2:3] == ["bias"] else None
        recurrent = arrays[1] if len(arrays) > 1 else np.zeros(0)
        units, columns = recurrent.shape if recurrent.ndim == 2 and recurrent.size else (1, 0)
        config: dict[str, Any] = {"units": units, "use_bias": bias is not None}
        if leaves[-2:] == ["gamma", "beta"]:
            return {"class_name": "LayerNormRNN", "config": config}
        plain = leaves in (["kernel", "recurrent_kernel"], ["kernel", "recurrent_kernel", "bias"])
        if not plain or columns % units or columns // units not in _KINDS:
            raise SpecError(f"{self.source}: {name}: not known by its variables {', '.join(leaves)}; {_ASK}")
        kind = _KINDS[columns // units]
        if kind != "SimpleRNN" and bias is not None and bias.shape == (2 * columns,):
            return {"class_name": f"CuDNN{kind}", "config": config}
        if kind == "GRU" and bias is not None:
            config["reset_after"] = bias.ndim == 2
        elif kind == "GRU" and not self.request.settings.given(name, "reset_after"):
            raise SpecError(
                f"{self.source}: {name}: a GRU without bias does not show reset_after; --set reset_after=true, or false"
            )
        return {"class_name": kind, "config": config}

    def paths(self, arrays: dict[str, np.ndarray]) -> Iterator[Inferred]:
        """The layers in Keras 3's format, `layers/lstm_1/cell/vars/0`, each class by its numbers.

        Raises:
            SpecError: names that say no order.
        """
        found: dict[tuple[str, int], list[tuple[str, np.ndarray]]] = {}
        for path, array in arrays.items():
            if of_training(path) or "seed_generator" in path:
                continue
            match = _PATH.match(path)
            if match is None or "/cells/" in path:
                raise SpecError(f"{self.source}: {path}: its layer is not known by its path; {_ASK}")
            found.setdefault((match[1], int((match[2] or "_0")[1:])), []).append((path, array))
        for (kind, number), variables in sorted(found.items()):
            leaves: tuple[str, ...] = ("embeddings",) if kind == "embedding" else ("kernel", "bias")
            leaves = (
                leaves if kind in ("embedding", "dense", "time_distributed") else ("kernel", "recurrent_kernel", "bias")
            )
            named = [(_named(path, leaves), array) for path, array in variables]
            block = self.block(f"{kind}_{number}" if number else kind, sorted(named, key=_forward_first))
            if kind == "time_distributed":
                block.config = _layer("TimeDistributed", block.name, {"layer": block.config})
            yield block

    def ordered(self, blocks: list[Inferred]) -> list[Inferred]:
        """The one order in which the sizes fit, the layers of a class by their numbers.

        Raises:
            SpecError: the order is not known.
        """
        if len(blocks) > _MOST:
            raise SpecError(f"{self.source}: {len(blocks)} layers in an order that is nowhere; {_ASK}")
        kinds = {block.name: block.config["class_name"] for block in blocks}
        place = {block.name: k for k, block in enumerate(blocks)}
        found = [
            order
            for order in permutations(blocks)
            if all(one.outputs == two.inputs for one, two in pairwise(order))
            and all(
                place[a.name] < place[b.name] for k, a in enumerate(order) for b in order[k:] if _alike(kinds, a, b)
            )
        ]
        if len(found) != 1:
            names = ", ".join(block.name for block in blocks)
            raise SpecError(f"{self.source}: {len(found)} orders of {names} fit their sizes; {_ASK}")
        return list(found[0])


def _busy(file: KerasFile, layer: str) -> bool:
    """Whether a layer has variables."""
    if file.groups is not None:
        return bool(file.groups[layer])
    return any(path.startswith(f"layers/{layer}/") and "seed_generator" not in path for path in file.arrays)


def _alike(kinds: dict[str, str], one: Inferred, two: Inferred) -> bool:
    return one is not two and kinds[one.name] == kinds[two.name]


def _named(path: str, leaves: tuple[str, ...]) -> str:
    """`layers/bidirectional/forward_layer/cell/vars/1` → `…/recurrent_kernel`."""
    place, _, number = path.rpartition("/")
    return f"{place}/{leaves[int(number)] if number.isdigit() and int(number) < len(leaves) else number}"


def _forward_first(variable: tuple[str, np.ndarray]) -> tuple[bool, int]:
    order = ("embeddings", "kernel", "recurrent_kernel", "bias")
    leaf = leaf_of(variable[0])
    return "/backward_" in variable[0], order.index(leaf) if leaf in order else len(order)


def _layer(kind: str, name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}}
