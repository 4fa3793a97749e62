"""Models that `rnnspec export` wrote: the checkpoint that went in, bit for bit.

An exporter only reorders, negates and joins weights. So the same architecture is exported once more with numbers in
place of weights: where a number lands, there is the weight. That is done for some of the weights at a time, so that
little more is held than the file and the weights.
"""

from collections.abc import Iterator
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto

from rnnspec.checkpoint import Checkpoint, check_version
from rnnspec.convert.onnx.files import arrays
from rnnspec.errors import SpecError
from rnnspec.export.graph import Graph
from rnnspec.export.header import METADATA_KEY, describe
from rnnspec.export.inputs import called, counted
from rnnspec.export.model import trace
from rnnspec.export.values import Value
from rnnspec.inputs import STEPS
from rnnspec.model import Model

_MOST = 1 << 24  # float32 holds whole numbers exactly up to here
_PIECE = 1 << 20  # elements that are looked at at once
_REMEDY = "the tensors are not as rnnspec exports them; export the model again"


class Written(NamedTuple):
    """What is needed of a file: its header, tensors by name, inputs and opset; `changed`: whether tensors that were
    float32 are not. The model itself can then be let go, which holds the tensors a second time.
    """

    header: str
    tensors: dict[str, np.ndarray]
    inputs: set[str]
    opset: int
    changed: bool


def written(model: onnx.ModelProto, where: str) -> Written | None:
    """What an exporter of ours wrote; None if it was another."""
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
    if text is None:
        return None
    changed = {TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
    return Written(
        text,
        arrays(model, where),
        {value.name for value in model.graph.input},
        next((entry.version for entry in model.opset_import if entry.domain == ""), 0),
        any(tensor.data_type in changed for tensor in model.graph.initializer),
    )


def read(file: Written, where: str) -> Checkpoint:
    """The checkpoint; a float64 one comes back in float32, as it was exported, and its metadata say so.

    Raises:
        SpecError: another version wrote it, or it was changed since.
    """
    said = describe(file.header, where)
    architecture = Model.from_builtins(said.get("model"), f"{where}: model")
    check_version(architecture, said["version"], where)
    shapes = architecture.parameters()
    sizes = [prod(shape) for shape in shapes.values()]
    if sum(sizes) > sum(array.size for array in file.tensors.values()) + sum(architecture.states().values()):
        raise SpecError(f"{where}: fewer weights than the architecture has: {_REMEDY}")
    weights = {name: np.zeros(shape, "float32") for name, shape in shapes.items()}
    options = _options(file, said, architecture)
    plain, _ = trace(_Plain, _numbered(architecture, {}), **options)
    missing = set()
    for group in _groups(shapes):
        reader, _ = trace(
            partial(_Reader, file.tensors, plain.constants, group, where), _numbered(architecture, group), **options
        )
        missing |= reader.give(weights)
    if left := [name for name, a in file.tensors.items() if a.dtype.kind == "f" and name not in plain.names]:
        raise SpecError(f"{where}: tensor {left[0]!r}: {_REMEDY}")
    initial = {f"{name.split('.')[0]}.initial.{name.split('.', 1)[1]}": v for name, v in _initial(said).items()}
    for name in missing:
        if ".initial." not in name:
            raise SpecError(f"{where}: {name!r} is not in the file: {_REMEDY}")
        weights[name] = np.array(initial.get(name, np.zeros(shapes[name])), "float32")  # no node needs it
    metadata = said.get("metadata") or {}
    notes = [f"exported in float32 from {said['dtype']} weights"] if "dtype" in said else []
    if file.changed:
        notes.append("the file was changed to another precision after it was exported, and the weights with it")
    if notes:
        metadata |= {"conversion": {"format": "onnx", "source": where, "notes": notes, "ignored": {}}}
    return Checkpoint(architecture, weights, metadata)


def _initial(said: dict[str, Any]) -> dict[str, list[float]]:
    """Learned states by name, those that are not 0."""
    return {entry["name"]: entry["initial"] for entry in said.get("state", []) if "initial" in entry}


def _options(file: Written, said: dict[str, Any], architecture: Model) -> dict[str, Any]:
    """Those with which the model was exported."""
    step = bool(said.get("step"))
    own = counted(architecture, step)
    return {
        "opset": file.opset,
        "step": step,
        "time_major": bool(said.get("time_major")),
    } | {key: any(called(architecture, name, key) in file.inputs for name in own) for key in STEPS}


def _groups(shapes: dict[str, tuple[int, ...]]) -> Iterator[dict[str, slice]]:
    """Pieces of the weights, flat, of as many elements as there are numbers."""
    group: dict[str, slice] = {}
    room = _MOST
    for name, shape in shapes.items():
        size, start = prod(shape), 0
        while start < size:
            stop = min(size, start + room)
            group[name] = slice(start, stop)
            room -= stop - start
            start = stop
            if not room:
                yield group
                group, room = {}, _MOST
    if group:
        yield group


def _numbered(architecture: Model, group: dict[str, slice]) -> Checkpoint:
    """The weights of a group hold 1, 2, … one after the other; all others are 0, which takes no memory."""
    weights, number = {}, 1
    for name, shape in architecture.parameters().items():
        flat = np.zeros(prod(shape), "float32")
        if name in group:
            part = group[name]
            flat[part] = np.arange(number, number + part.stop - part.start)
            number += part.stop - part.start
        weights[name] = flat.reshape(shape)
    return Checkpoint(architecture, weights, allow_nonfinite=True)  # the exporter wrote them: they were checked then


class _Plain(Graph):
    """A graph of weights that are all 0: which `names` its initializers have, and which of them are `constants`."""

    def __init__(self, opset: int) -> None:
        super().__init__(opset)
        self.names: set[str] = set()
        self.constants: set[str] = set()

    def constant(self, array: np.ndarray, name: str) -> Value:
        array = np.asarray(array)
        if name not in self.names:
            self.names.add(name)
            if array.dtype.kind != "f" or array.any():
                self.constants.add(name)
        return Value(self, name, array.shape)


class _Reader(Graph):
    """A graph of numbered weights: they are found in the tensors of the file as it is made."""

    def __init__(
        self, file: dict[str, np.ndarray], constants: set[str], group: dict[str, slice], where: str, opset: int
    ) -> None:
        super().__init__(opset)
        self._file, self._where, self._group = file, where, group
        self._seen = set(constants)
        self._values = np.zeros(sum(part.stop - part.start for part in group.values()), "float32")
        self._known = np.zeros(self._values.size, bool)

    def constant(self, array: np.ndarray, name: str) -> Value:
        array = np.asarray(array)
        if name not in self._seen and name in self._file:
            self._seen.add(name)
            self._take(array, name)
        return Value(self, name, array.shape)

    def _take(self, numbers: np.ndarray, name: str) -> None:
        found = self._file[name]
        if found.shape != numbers.shape:
            raise SpecError(f"{self._where}: tensor {name!r}: {_REMEDY}")
        if not numbers.any():
            return
        for rows in _pieces(numbers):
            piece = numbers[rows]
            weight = piece != 0
            places = np.abs(piece[weight]).astype("int32") - 1
            self._values[places] = found[rows][weight] * np.sign(piece[weight])
            self._known[places] = True

    def give(self, weights: dict[str, np.ndarray]) -> set[str]:
        """Enter what was found; the names of weights that were not found whole."""
        start, missing = 0, set()
        for name, part in self._group.items():
            stop = start + part.stop - part.start
            weights[name].reshape(-1)[part] = self._values[start:stop]
            if not self._known[start:stop].all():
                missing.add(name)
            start = stop
        del self._values, self._known  # a graph refers to itself, and stays for a while
        return missing


def _pieces(array: np.ndarray) -> Iterator[tuple[slice, ...]]:
    """Parts of an array, of some rows each."""
    if array.ndim > 1 and len(array) == 1:
        yield from ((slice(None), *rest) for rest in _pieces(array[0]))
    else:
        rows = max(1, _PIECE * len(array) // array.size) if array.ndim else 1
        yield from ((slice(k, k + rows),) for k in range(0, len(array), rows)) if array.ndim else [()]
