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
        SpecError, UnsupportedError: as of a state dict of torch; two names of one array that differ.
    """
    classes = nest.get(_MADE_BY) if isinstance(nest, dict) else None
    if classes is not None:
        nest = {name: array for name, array in nest.items() if name != _MADE_BY}
    arrays: dict[str, np.ndarray] = {}
    theirs = flat(nest, where)
    for name, array in theirs.items():
        ours = torch_name(name, theirs)
        array = array.T if name.endswith("weight_ho") else array
        if ours in arrays and not np.array_equal(arrays[ours], array):
            raise SpecError(f"{where}: {quoted(name)} is another array than {quoted(ours)}, which Paddle means by it")
        arrays[ours] = array
    for name, array in arrays.items():
        place, _, leaf = name.rpartition(".")
        if leaf == "weight" and array.ndim == 2 and _is_linear(name, place, arrays, classes, request, where):
            arrays[name] = array.T
    return network_in(state_dict(arrays, where, request), True, request)


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
