"""Models that `rnnspec export` wrote: the checkpoint that went in, bit for bit.

An exporter only reorders, negates and joins weights. So the same architecture is exported once more with numbers in
place of weights: where a number lands, there is the weight.
"""

from typing import Any

import numpy as np
import onnx

from rnnspec.checkpoint import Checkpoint
from rnnspec.convert.onnx.files import arrays
from rnnspec.errors import SpecError
from rnnspec.export.model import METADATA_KEY, build, describe
from rnnspec.model import Model

_DIGIT = 1 << 20  # float32 holds whole numbers exactly up to 2²⁴
_REMEDY = "the tensors are not as rnnspec exports them; export the model again"


def header(model: onnx.ModelProto) -> str | None:
    """What the exporter said about the model, if it is one of ours."""
    return next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)


def read(model: onnx.ModelProto, text: str, where: str) -> Checkpoint:
    """The checkpoint; a float64 one comes back in float32, as it was exported, and its metadata say so.

    Raises:
        SpecError: another version wrote it, or it was changed since.
    """
    said = describe(text, where)
    architecture = Model.from_builtins(said.get("model"), f"{where}: model")
    found = arrays(model, where)
    shapes = architecture.parameters()
    sizes = {name: int(np.prod(shape, dtype=object)) for name, shape in shapes.items()}
    if sum(sizes.values()) > sum(array.size for array in found.values()) + sum(architecture.states().values()):
        raise SpecError(f"{where}: fewer weights than the architecture has: {_REMEDY}")
    places, signs, values = _places(architecture, model, said, found, where)
    flat = np.zeros(sum(sizes.values()), "float32")
    known = np.zeros(flat.size, bool)
    flat[places] = values * signs
    known[places] = True
    initial = {f"{name.split('.')[0]}.initial.{name.split('.', 1)[1]}": v for name, v in _initial(said).items()}
    weights = {}
    for (name, shape), end in zip(shapes.items(), np.cumsum(list(sizes.values())), strict=True):
        part = slice(end - sizes[name], end)
        if known[part].all():
            weights[name] = flat[part].reshape(shape)
        elif ".initial." in name:  # no node needs it
            weights[name] = np.array(initial.get(name, np.zeros(shape)), "float32")
        else:
            raise SpecError(f"{where}: {name!r} is not in the file: {_REMEDY}")
    metadata = said.get("metadata") or {}
    if "dtype" in said:
        note = f"exported in float32 from {said['dtype']} weights"
        metadata |= {"conversion": {"format": "onnx", "source": where, "notes": [note], "ignored": {}}}
    return Checkpoint(architecture, weights, metadata)


def _initial(said: dict[str, Any]) -> dict[str, list[float]]:
    """Learned states by name, those that are not 0."""
    return {entry["name"]: entry["initial"] for entry in said.get("state", []) if "initial" in entry}


def _places(
    architecture: Model, model: onnx.ModelProto, said: dict[str, Any], found: dict[str, np.ndarray], where: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For all elements of the file's tensors that are weights: which, with what sign, and the element."""
    inputs = {value.name for value in model.graph.input}
    step = bool(said.get("step"))
    options: dict[str, Any] = {
        "opset": next((entry.version for entry in model.opset_import if entry.domain == ""), 0),
        "step": step,
        "lengths": "lengths" in inputs,
        "mask": "mask" in inputs and not step,
        "reset": "reset" in inputs and not step,
        "time_major": bool(said.get("time_major")),
    }
    low, high = (arrays(build(_numbered(architecture, power), **options), where) for power in (0, 1))
    if {name: array.shape for name, array in low.items()} != {name: array.shape for name, array in found.items()}:
        raise SpecError(f"{where}: {_REMEDY}")
    places, signs, values = [np.zeros(0, "int64")], [np.zeros(0, "float32")], [np.zeros(0, "float32")]
    weights = [name for name in low if low[name].dtype == np.float32 and not np.array_equal(low[name], high[name])]
    for name in weights:
        digits = [np.abs(each[name]).astype("int64") - 1 for each in (low, high)]
        weight = digits[0] >= 0
        places.append((digits[0] + (digits[1] - _DIGIT) * _DIGIT)[weight])
        signs.append(np.sign(low[name])[weight])
        values.append(found[name][weight])
    return np.concatenate(places), np.concatenate(signs), np.concatenate(values)


def _numbered(architecture: Model, power: int) -> Checkpoint:
    """Every weight holds its own number: the lower digit plus 1, or the upper digit plus 1 and the base."""
    weights, start = {}, 0
    for name, shape in architecture.parameters().items():
        size = int(np.prod(shape))
        number = np.arange(start, start + size).reshape(shape)
        digit = number // _DIGIT + _DIGIT if power else number % _DIGIT
        weights[name] = (digit + 1).astype("float32")
        start += size
    return Checkpoint(architecture, weights)
