"""Parameters, and what a training state holds beside them."""

from typing import Any

import numpy as np

from rnnspec.convert.chain import in_part
from rnnspec.convert.request import Request
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError


def parameters(leaves: dict[str, Any], request: Request, where: str) -> tuple[Variables, dict[str, str]]:
    """The variables, without "params" or "batch_stats" in front, and the leaves that are not of the model asked for,
    with reasons: outside of the part, or beside the parameters.

    Raises:
        SpecError: nothing is in the part; a parameter is not of floating-point numbers.
    """
    part = request.look("part")
    named = {name: name if part and f"{part}/".startswith("params/") else _inner(name) for name in leaves}
    outside = in_part(request, named.values(), "/", where)
    state = any("params" in name.split("/") for name in leaves)
    arrays, beside = {}, {}
    for name, value in leaves.items():
        path = name.split("/")
        if reason := outside.get(named[name]) or _beside(path, value, state):
            beside[name] = reason
        elif not _is_float(value):
            raise SpecError(f"{where}: variable {name!r}: expected floating-point numbers, found {_kind(value)}")
        else:
            arrays[named[name]] = value
    if arrays and all(name.endswith("/value") for name in arrays):  # nnx.VariableState
        arrays = {name.removesuffix("/value"): value for name, value in arrays.items()}
    return Variables(arrays, where), beside


def _inner(name: str) -> str:
    """The name inside of its collection: statistics stand with the parameters of their layer."""
    while name.startswith("params/"):
        name = name.removeprefix("params/")
    return name.removeprefix("batch_stats/")


def _beside(path: list[str], value: Any, state: bool) -> str | None:
    """Why a leaf is no parameter; `state`: whether parameters are under "params" here."""
    before = path[: path.index("params")] if "params" in path else path
    if "opt_state" in before:
        return "the optimizer's state"
    if _is_float(value) and value.ndim:
        return None
    if path[-1] == "step":
        return "counts the training steps"
    if "rngs" in path and path[-2 if path[-1] == "value" else -1] in ("count", "key"):
        return "the state of a random number generator"
    return f"beside the parameters, and none: {_kind(value)}" if state and before == path else None


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _kind(value: Any) -> str:
    return str(value.dtype) if isinstance(value, np.ndarray) else type(value).__name__
