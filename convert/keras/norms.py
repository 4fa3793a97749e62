"""Keras's layers of normalisation → ours."""

import numpy as np

from rnnspec.convert.keras.cells import Cells
from rnnspec.convert.keras.places import Places, Value
from rnnspec.convert.keras.saved import Saved
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Norm, Scale

_NOTHING = 1e-30  # an epsilon that no variance of this layer notices: they are from 1e-14


def normalised(saved: Saved, value: Value, places: Places, cells: Cells) -> Value:
    """`BatchNormalization` with its statistics, `LayerNormalization`.

    Raises:
        SpecError: a variable is missing or of another shape.
        UnsupportedError: over other axes than features.
    """
    _check_last(saved, value)
    if saved.get("rms_scaling", bool, False):
        raise UnsupportedError(f"{saved.where}: rms_scaling: no equal here")
    features = value.features or 0
    batch = saved.kind == "BatchNormalization"
    theirs = {"gamma": "gamma", "beta": "beta"}
    theirs |= {"mean": "moving_mean", "variance": "moving_variance"} if batch else {}
    weights = {ours: cells.take(saved, leaf, features) for ours, leaf in theirs.items() if leaf in (saved.leaves or ())}
    weights.setdefault("gamma", np.ones(features, np.float32))
    layer = Norm(
        name=places.name(saved),
        kind="batch" if batch else "layer",
        epsilon=saved.get("epsilon", (int, float), 1e-3),
        beta="beta" in weights,
    )
    return places.add(layer, weights, value)


def normalization(saved: Saved, value: Value, places: Places, cells: Cells) -> Value:
    """`Normalization`: (x − m) / max(√v, 1e-7), or the way back.

    Raises:
        SpecError: a variable is missing or of another shape.
        UnsupportedError: over other axes than features.
    """
    _check_last(saved, value)
    features = value.features or 0
    if saved.config.get("mean") is not None:
        given = [np.asarray(saved.config.get(key), np.float64).reshape(-1) for key in ("mean", "variance")]
        mean, variance = (np.broadcast_to(each, (features,)).astype(np.float32) for each in given)
    else:
        mean, variance = (cells.take(saved, leaf, features) for leaf in ("mean", "variance"))
    if "count" in saved.variables:
        cells.variables.ignore(saved.variables["count"], "counts what the statistics were made of")
    deviation = np.maximum(np.sqrt(variance), np.asarray(1e-7, variance.dtype))
    name = places.name(saved)
    if saved.get("invert", bool, False):
        return places.add(Scale(name=name), {"gamma": deviation, "beta": mean}, value)
    weights = {"gamma": np.ones_like(mean), "mean": mean, "variance": deviation**2}
    return places.add(Norm(name=name, kind="batch", epsilon=_NOTHING, beta=False), weights, value)


def rescaling(saved: Saved, value: Value, places: Places, cells: Cells) -> Value:
    """`Rescaling`: x · scale + offset, numbers or one a feature."""
    features = value.features or 0
    factors = (np.asarray(saved.config.get(key, 0.0), np.float32).reshape(-1) for key in ("scale", "offset"))
    gamma, beta = (np.broadcast_to(factor, (features,)).copy() for factor in factors)
    return places.add(Scale(name=places.name(saved)), {"gamma": gamma, "beta": beta}, value)


def _check_last(saved: Saved, value: Value) -> None:
    """Raise UnsupportedError where it is over another axis than the features."""
    axis = saved.config.get("axis", -1)
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    if axes not in ([-1], [1 if value.time is None else 2]):
        raise UnsupportedError(f"{saved.where}: over axis {axis}; only over features is there an equal")


KINDS = {
    "BatchNormalization": normalised,
    "LayerNormalization": normalised,
    "Normalization": normalization,
    "Rescaling": rescaling,
}
