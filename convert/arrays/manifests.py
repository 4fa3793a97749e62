"""Arrays in binary files that a JSON manifest beside them names.

    [{"paths": ["group1-shard1of1"], "weights": [{"name": "lstm/kernel", "shape": [3, 16], "dtype": "float32"}, …]}, …]
    {"modelTopology": {…}, "weightsManifest": [… the same …]}
    {"rnnlm/softmax_w": {"filename": "rnnlm_softmax_w", "shape": [128, 65]}, …}

The first two are TensorFlow.js's (tfjs-core/src/io/io_utils.ts, `decodeWeights`): the bytes of all shards of a group in
a row, then array after array, some in 8 or 16 bits with `quantization`. The third is deeplearn.js's and ml5's
(scripts/dump_checkpoints): a file of float32 for each array. All in little endian.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from rnnspec import limits
from rnnspec.errors import SpecError
from rnnspec.reading import contents
from rnnspec.shown import quoted

Size = Annotated[int, msgspec.Meta(ge=0, le=limits.SIZE)]
Shape = Annotated[list[Size], msgspec.Meta(max_length=limits.AXES)]
_STORED = {"float32": "<f4", "int32": "<i4", "bool": "u1", "uint8": "u1", "uint16": "<u2", "float16": "<f2"}


class Quantization(msgspec.Struct):
    """How an array is stored: in float16; or as q, for q · `scale` + `min`."""

    dtype: Literal["uint8", "uint16", "float16"]
    scale: float = 1.0
    min: float = 0.0


class Weight(msgspec.Struct):
    """One array of a group."""

    name: str
    shape: Shape
    dtype: Literal["float32", "int32", "bool"]
    quantization: Quantization | None = None


class Group(msgspec.Struct):
    """Arrays one behind the other in the bytes of `paths`."""

    paths: list[str]
    weights: list[Weight]


class Variable(msgspec.Struct, forbid_unknown_fields=True):
    """One array in a file of its own."""

    filename: str
    shape: Shape


def is_manifest(nest: Any) -> bool:
    """Whether a JSON text names files with arrays."""
    if isinstance(nest, dict) and isinstance(nest.get("weightsManifest"), list):
        return True
    if isinstance(nest, list):
        return bool(nest) and all(isinstance(group, dict) and {"paths", "weights"} <= set(group) for group in nest)
    each = list(nest.values()) if isinstance(nest, dict) else []
    return bool(each) and all(isinstance(entry, dict) and {"filename", "shape"} <= set(entry) for entry in each)


def read(nest: Any, source: Path) -> dict[str, np.ndarray]:
    """The arrays of a manifest, by name.

    Args:
        nest: what is in the file `source`; the others are in its folder.

    Raises:
        FileNotFoundError: a file is missing.
        SpecError: no manifest; a file of it is elsewhere or named twice, or has more or fewer bytes than its arrays.
    """
    used: set[str] = set()
    if isinstance(nest, dict) and "weightsManifest" not in nest:
        variables = _decoded(nest, dict[str, Variable], source)
        groups = [Group([each.filename], [Weight(name, each.shape, "float32")]) for name, each in variables.items()]
    else:
        groups = _decoded(nest["weightsManifest"] if isinstance(nest, dict) else nest, list[Group], source)
    found: dict[str, np.ndarray] = {}
    for group in groups:
        data = b"".join(contents(_beside(name, source, used)) for name in group.paths)
        at = 0
        for weight in group.weights:
            if weight.name in found:
                raise SpecError(f"{source}: array {quoted(weight.name)} is there twice")
            dtype = np.dtype(_STORED[weight.quantization.dtype if weight.quantization else weight.dtype])
            count = int(np.prod(weight.shape, dtype=object))
            if at + count * dtype.itemsize > len(data):
                raise SpecError(f"{source}: {quoted(weight.name)} {tuple(weight.shape)}: {_short(group, len(data))}")
            array = np.frombuffer(data, dtype, count, at).reshape(weight.shape)
            at += count * dtype.itemsize
            found[weight.name] = _dequantised(array, weight)
        if at != len(data):
            raise SpecError(f"{source}: its arrays are {at:,} bytes; {_short(group, len(data))}")
    return found


def _short(group: Group, size: int) -> str:
    return f"{', '.join(map(quoted, group.paths[:3]))}: {size:,} bytes; copy the files again"


def _dequantised(array: np.ndarray, weight: Weight) -> np.ndarray:
    how = weight.quantization
    if how is None or how.dtype == "float16":
        return array
    wide = array * how.scale + how.min
    return wide.astype(np.float32) if weight.dtype == "float32" else np.floor(wide + 0.5).astype(np.int32)


def _beside(name: str, source: Path, used: set[str]) -> Path:
    """The file of this name in the folder of the manifest. Raises SpecError: it would be elsewhere, or is used."""
    if not name or name in (".", "..") or any(char in name for char in "/\\:\0"):
        raise SpecError(f"{source}: {quoted(name)}: expected the name of a file beside it")
    if name in used:
        raise SpecError(f"{source}: file {quoted(name)} is there twice")
    used.add(name)
    return source.with_name(name)


def _decoded(nest: Any, kind: Any, source: Path) -> Any:
    try:
        return msgspec.convert(nest, kind)
    except msgspec.ValidationError as error:
        raise SpecError(f"{source}: a manifest of arrays: {error}") from None
