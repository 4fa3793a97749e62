"""A model with its weights: one safetensors file (FILE-1 to FILE-7)."""

import html
import json
import math
import os
import zlib
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import safetensors
import safetensors.numpy

from rnnspec import strict_json, tensors
from rnnspec.atomic import write_atomically
from rnnspec.errors import SpecError
from rnnspec.layers import Layer, Recurrent
from rnnspec.model import Model
from rnnspec.ops import under
from rnnspec.reading import regular
from rnnspec.shown import quoted

SPEC_VERSION = 2
_KEY = "rnnspec"  # the one entry of the safetensors metadata: with more, their order would not be fixed
_DTYPES = {"F32": "float32", "F64": "float64"}  # as safetensors calls them


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """An architecture, its weights (name → array, all float32 or all float64) and free metadata (JSON values).

    Raises:
        SpecError: a tensor is missing, left over, of the wrong shape or dtype, or holds NaN or infinity
            (`allow_nonfinite=True` accepts those).
    """

    model: Model
    weights: dict[str, np.ndarray]
    metadata: dict[str, Any] = field(default_factory=dict)
    allow_nonfinite: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        for name, array in self.weights.items():
            if not isinstance(array, np.ndarray):
                kind = f"{type(array).__module__}.{type(array).__name__}"
                raise SpecError(f"weights: tensor {name!r}: expected a NumPy array, found {kind}; give its .numpy()")
        check_weights(self.model, self.weights, "weights", self.allow_nonfinite)

    @property
    def dtype(self) -> str:
        """The dtype of the weights."""
        return str(next(iter(self.weights.values())).dtype) if self.weights else "float32"

    @classmethod
    def initialize(
        cls,
        model: Model,
        seed: int,
        dtype: str = "float32",
        metadata: dict[str, Any] | None = None,
        scheme: str = "keras",
    ) -> Self:
        """Fresh weights; each tensor has a generator of its own (INIT-1 to INIT-3).

        Args:
            scheme: "keras" (Glorot, orthogonal, unit forget bias) or "torch" (uniform, by the units).

        Raises:
            SpecError: another scheme.
        """
        if scheme not in ("keras", "torch"):
            raise SpecError(f"scheme: expected 'keras' or 'torch', found {scheme!r}")
        weights = {}
        for layer, inputs in model.chain():
            for name, shape in under(layer.name, layer.parameters(inputs)).items():
                rng = np.random.Generator(np.random.Philox(key=[seed, zlib.crc32(name.encode())]))
                place = name.removeprefix(layer.name + ".")
                weights[name] = layer.initialize(place, shape, inputs, rng, scheme).astype(dtype)
        return cls(model, weights, metadata or {})

    def copy(self, dtype: str | None = None) -> Self:
        """The same with arrays and metadata of its own, the weights in another dtype if one is given."""
        weights = {name: np.array(array, dtype or array.dtype) for name, array in self.weights.items()}
        return replace(self, weights=weights, metadata=deepcopy(self.metadata))

    def __repr__(self) -> str:
        kinds = ", ".join(f"{layer.name}: {_kind(layer)}" for layer in self.model.layers)
        return f"<Checkpoint of {sum(a.size for a in self.weights.values()):,} parameters, {self.dtype}: {kinds}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        rows = [(layer.name, _kind(layer), str(layer)) for layer in self.model.layers]
        cells = ("".join(f"<td>{html.escape(text)}</td>" for text in row) for row in rows)
        return f"<p>{html.escape(repr(self))}</p><table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"

    def save(self, path: str | os.PathLike) -> None:
        """Write the file atomically: the same content gives the same bytes, and never half a file.

        Raises:
            SpecError: metadata that JSON cannot hold.
        """
        write_atomically(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The file as bytes. Raises SpecError: metadata that JSON cannot hold."""
        header = {"version": self.model.version, "model": self.model.to_builtins(), "metadata": self.metadata}
        check_metadata(self.metadata)
        text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        weights = {name: np.ascontiguousarray(self.weights[name]) for name in sorted(self.weights)}
        return safetensors.numpy.save(weights, {_KEY: text})


def load(path: str | os.PathLike, allow_nonfinite: bool = False) -> Checkpoint:
    """Read a model file, checking every tensor against the architecture.

    Raises:
        FileNotFoundError: there is no such file.
        SpecError: the file is foreign, truncated or inconsistent; the message names the file, the field and the fix.
    """
    path = regular(path)
    with path.open("rb") as stream:
        if foreign := _foreign(stream.read(9)):
            raise SpecError(f"{path}: {foreign}; `rnnspec convert` reads models of other frameworks")
    file = tensors.scan(path)
    if _KEY not in file.metadata:
        raise SpecError(f"{path}: safetensors without an rnnspec architecture; `rnnspec convert` reads torch's")
    header = read_header(file.metadata[_KEY], str(path))
    model = Model.from_builtins(header.get("model"), f"{path}: model")
    check_version(model, header["version"], str(path))
    for name, entry in file.entries.items():
        if entry.dtype not in _DTYPES:
            found = f"tensor {quoted(name)}: expected dtype float32 or float64, found {entry.dtype}"
            raise SpecError(f"{path}: {found}")
    weights = file.read()
    check_weights(model, weights, str(path), allow_nonfinite)
    return Checkpoint(model, weights, header["metadata"], allow_nonfinite)


def read_header(text: str, where: str) -> dict[str, Any]:
    """The JSON object of the metadata entry, with the user's `metadata` in it, an object too.

    Raises:
        SpecError: it is no such JSON, or of another version.
    """
    header = strict_json.parse(text, f"{where}: metadata {_KEY!r}")
    if not isinstance(header, dict):
        raise SpecError(f"{where}: metadata {_KEY!r}: expected an object, found {type(header).__name__}")
    version = header.get("version")
    if type(version) is not int or not 1 <= version <= SPEC_VERSION:  # true and 1.0 are equal to 1
        found = quoted(version)
        raise SpecError(f"{where}: written for spec version {found}, this is {SPEC_VERSION}; update rnnspec")
    metadata = header.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise SpecError(f"{where}: metadata {_KEY!r}: metadata: expected an object, found {type(metadata).__name__}")
    return header


def check_version(model: Model, version: int, where: str) -> None:
    """Raise SpecError where a file says an older version than the one that first had what its model holds."""
    if model.version > version:
        raise SpecError(f"{where}: says spec version {version}, and its model needs {model.version}; write it anew")


def as_checkpoint(source: "Checkpoint | str | os.PathLike", allow_nonfinite: bool = False) -> Checkpoint:
    """A copy of a checkpoint, or one loaded from its file: what the `load` of every backend accepts, and nobody else's
    (CALL-3).

    Raises:
        SpecError: it is neither, or the file is wrong.
    """
    if isinstance(source, Model):
        raise SpecError("load: a Model has no weights; give Checkpoint.initialize(model, seed), or a file")
    if not isinstance(source, (Checkpoint, str, os.PathLike)):
        raise SpecError(f"load: expected a checkpoint or the path of a file, found {type(source).__name__}")
    return source.copy() if isinstance(source, Checkpoint) else load(source, allow_nonfinite)


def check_metadata(value: Any, where: str = "metadata") -> None:
    """Raise SpecError where a value is none that JSON gives back as it was."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise SpecError(f"{where}: expected names as keys, found {quoted(key)}")
            check_metadata(item, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            check_metadata(item, f"{where}[{number}]")
    elif not (value is None or isinstance(value, (str, bool, int, float))):
        fix = (
            "; give its .item()"
            if isinstance(value, np.generic)
            else "; give its .tolist()"
            if isinstance(value, np.ndarray)
            else ""
        )
        raise SpecError(f"{where}: expected what JSON holds, found {type(value).__name__}{fix}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise SpecError(f"{where}: expected a finite number, found {value}")


def _kind(layer: Layer) -> str:
    """What a layer is, in a word: LSTM(5), Dense(2), Dropout."""
    part: Any = layer.cell if isinstance(layer, Recurrent) else layer
    units = getattr(part, "units", None)
    both = " both ways" if isinstance(layer, Recurrent) and layer.direction == "bidirectional" else ""
    return f"{type(part).__name__}{f'({units})' if units else ''}{both}"


def check_weights(model: Model, weights: dict[str, np.ndarray], where: str, allow_nonfinite: bool = False) -> None:
    """Every tensor of the architecture is there once, with its shape, one dtype, and finite values (FILE-4, FILE-5).

    Raises:
        SpecError: a tensor is missing, unknown, of another shape or dtype, or not finite.
    """
    shapes = model.parameters()
    for name in shapes:
        if name not in weights:
            raise SpecError(f"{where}: tensor {name!r} is missing; expected shape {shapes[name]}")
    dtypes = {str(array.dtype) for array in weights.values()}
    for name, array in weights.items():
        if name not in shapes:
            raise SpecError(f"{where}: tensor {name!r} is not part of the architecture; remove it or name its layer")
        if tuple(array.shape) != shapes[name]:
            raise SpecError(f"{where}: tensor {name!r}: expected shape {shapes[name]}, found {tuple(array.shape)}")
        if str(array.dtype) not in _DTYPES.values() or len(dtypes) > 1:
            found = ", ".join(sorted(dtypes))
            raise SpecError(f"{where}: tensor {name!r}: expected float32, or float64, for all, found {found}")
        if allow_nonfinite:
            continue
        ends = array.min(initial=0), array.max(initial=0)  # either is NaN where any is, and no copy is made
        if not np.isfinite(ends).all():
            raise SpecError(f"{where}: tensor {name!r} holds NaN or infinity; pass allow_nonfinite=True to keep it")


def _foreign(head: bytes) -> str:
    """What a file with this beginning is, where it is not safetensors."""
    if head[8:9] == b"{":
        return ""
    signatures = {
        b"PK\x03\x04": "a zip archive (PyTorch .pt, Keras .keras or .npz), not a model file",
        b"\x89HDF": "an HDF5 file (Keras .h5), not a model file",
        b"\x80": "a pickle, which is never loaded",
        b"\x93NUMPY": "a NumPy array, not a model file",
        b"": "not a safetensors file",
    }
    return next(meaning for signature, meaning in signatures.items() if head.startswith(signature))
