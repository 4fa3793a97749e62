"""Paddle's state dicts: `paddle.save(layer.state_dict(), "model.pdparams")`, a pickle of arrays.

Where names and axes are torch's they are read as a state dict of torch is, with its settings, `--config` and `--part`
(`rnnspec.convert.torch`). The file says of each array which class made it ("linear_0.w_0"); where it does not, a matrix
with a bias is of a linear layer, and without one `--set NAME.type=dense` or `embedding` says which.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnspec.conventions.paddle import torch_name
from rnnspec.convert.arrays.files import Nest, flat
from rnnspec.convert.request import Network, Request
from rnnspec.convert.torch import network_in, state_dict
from rnnspec.errors import SpecError
from rnnspec.shown import quoted

_MADE_BY = "StructuredToParameterName@@"  # our name of an array → Paddle's, which begins with its class
_AUTOMATIC = re.compile(r"(linear|embedding)_\d+\.w_\d+")


def is_of(nest: Nest) -> bool:
    """Whether Paddle saved it."""
    return isinstance(nest, dict) and _MADE_BY in nest


def network(nest: Nest, where: str, request: Request) -> Network:
    """The network in a state dict.

    Raises:
        SpecError, UnsupportedError: as of a state dict of torch; a second name of another array.
    """
    classes = nest.get(_MADE_BY) if isinstance(nest, dict) else None
    if classes is not None:
        nest = {name: array for name, array in nest.items() if name != _MADE_BY}
    arrays = _by_torch_names(flat(nest, where), where)
    for name, array in arrays.items():
        place, _, leaf = name.rpartition(".")
        if leaf == "weight" and array.ndim == 2 and _is_linear(name, place, arrays, classes, request, where):
            arrays[name] = array.T
    return network_in(state_dict(arrays, where, request), True, request)


def _by_torch_names(theirs: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """The arrays by torch's names, each once. What the cells have is what counts.

    Raises:
        SpecError: a second name is of an array that no cell of the layer has.
    """
    ours = {name: torch_name(name, theirs) for name in theirs}
    of_cells: dict[str, list[np.ndarray]] = {}  # by place
    for name, new in ours.items():
        if new != name:
            of_cells.setdefault(new.rpartition(".")[0], []).append(theirs[name])
    renamed = {new for name, new in ours.items() if new != name}
    arrays: dict[str, np.ndarray] = {}
    for name, array in theirs.items():
        if name not in renamed:
            arrays[ours[name]] = array.T if name.endswith("weight_ho") else array
        elif not any(np.array_equal(array, each) for each in of_cells[name.rpartition(".")[0]]):
            raise SpecError(f"{where}: {quoted(name)} is another array than those of the layer's cells")
    return arrays


def _is_linear(
    name: str, place: str, arrays: Mapping[str, np.ndarray], classes: Any, request: Request, where: str
) -> bool:
    """Whether a matrix is of `Linear`, and not of `Embedding`, whose axes are torch's."""
    made_by = classes.get(name) if isinstance(classes, dict) else None
    if isinstance(made_by, str) and (match := _AUTOMATIC.fullmatch(made_by)):
        return match[1] == "linear"
    if f"{place}.bias".lstrip(".") in arrays:
        return True
    kind = request.settings.get("", f"{place}.type")
    if kind not in ("dense", "embedding"):
        raise SpecError(f"{where}: {quoted(name)}: linear or an embedding? --set {place}.type=dense or =embedding")
    return kind == "dense"
