"""Keras's attention layers → ours, and what stands around it."""

import numpy as np

from rnnspec.convert.keras.cells import Cells
from rnnspec.convert.keras.places import Places, Value
from rnnspec.convert.keras.saved import Saved
from rnnspec.convert.layers import dense
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Attention, Scale


def attended(saved: Saved, data: list[Value], places: Places, cells: Cells) -> Value:
    """A layer of `KINDS`: of a query, values, and keys where these are others.

    Raises:
        SpecError: a variable is missing or of another shape.
        UnsupportedError: a mask comes with what it reads; ours does not have an option of it.
    """
    values = [places.typed(value, saved) for value in data]
    if not 2 <= len(values) <= 3:
        raise UnsupportedError(f"{saved.where}: reads {len(values)} tensors; no equal here")
    query, memory, keys = values[0], values[1], values[-1] if len(values) == 3 else values[1]
    if query.time is None or any(value.time is None for value in values):
        raise UnsupportedError(f"{saved.where}: of vectors: no equal here")
    if masked := next((value for value in values if value.mask), None):
        raise UnsupportedError(f"{saved.where}: a mask comes with {masked.of!r}: no equal here; leave mask_zero out")
    for value in (memory, keys):
        places.counts(value, saved.name, False)
    if memory is not keys:
        places.together([keys, memory], saved)
    return KINDS[saved.kind](saved, places, cells, query, keys, memory)


def _dot(saved: Saved, places: Places, cells: Cells, query: Value, keys: Value, values: Value) -> Value:
    """`Attention`: q · k, `scale` times that (a number), or w Σ tanh(scale · (q + k))."""
    _check(saved, "causal")
    features, mode = query.features or 0, saved.get("score_mode", str, "dot")
    scale = cells.take(saved, "scale").reshape(()) if "scale" in saved.variables else None
    name = places.name(saved)
    if mode == "dot":
        if scale is None:
            return places.add(Attention(name=name, score="dot"), {}, query, keys, values)
        kernel = np.eye(features, dtype=np.float32)[None] * scale
        return places.add(Attention(name=name, score="general"), {"kernel": kernel}, query, keys, values)
    if mode != "concat":
        raise UnsupportedError(f"{saved.where}: score_mode={mode!r}: no equal here")
    weight = cells.take(saved, "concat_score_weight").reshape(())
    if scale is not None:
        factor = {"gamma": np.full(features, scale)}
        query = places.add(Scale(name=places.helper(f"{name}_query"), beta=False), factor, query)
        keys = places.add(Scale(name=places.helper(f"{name}_keys"), beta=False), factor, keys)
    layer = Attention(name=name, score="additive")
    return places.add(layer, {"scale": np.full((1, features), weight)}, query, keys, values)


def _additive(saved: Saved, places: Places, cells: Cells, query: Value, keys: Value, values: Value) -> Value:
    """`AdditiveAttention`: scale · tanh(q + k), scale (features,)."""
    _check(saved, "causal")
    features = query.features or 0
    scale = cells.take(saved, "scale", features) if "scale" in saved.variables else np.ones(features, np.float32)
    layer = Attention(name=places.name(saved), score="additive")
    return places.add(layer, {"scale": scale[None]}, query, keys, values)


def _multi_head(saved: Saved, places: Places, cells: Cells, query: Value, keys: Value, values: Value) -> Value:
    """`MultiHeadAttention`: dense layers before and after, kernels (inputs, heads, size) and (heads, size, outputs)."""
    _check(saved, "use_gate", "sliding_window")
    name, heads = places.name(saved), saved.size("num_heads")
    if saved.config.get("attention_axes") not in (None, [1], (1,), 1):
        raise UnsupportedError(f"{saved.where}: attention_axes={saved.config['attention_axes']!r}: no equal here")
    if saved.config.get("output_shape") is not None and not _is_size(saved.config["output_shape"]):
        raise UnsupportedError(f"{saved.where}: output_shape={saved.config['output_shape']!r}: no equal here")

    def projected(part: str, value: Value, ends: str) -> Value:
        inner = saved.inner[f"{part}_dense"]
        kernel = cells.take(inner, "kernel", None, None, None)
        kernel = kernel.reshape(len(kernel), -1) if part != "output" else kernel.reshape(-1, kernel.shape[2])
        bias = cells.take(inner, "bias").reshape(-1) if "bias" in inner.variables else None
        if kernel.shape[0] != value.features:
            raise UnsupportedError(f"{saved.where}: {part}: kernel for {kernel.shape[0]} features, of {value.features}")
        return places.add(*dense(kernel, bias, ends), value)

    q, k, v = (
        projected(part, value, places.helper(f"{name}_{part}"))
        for part, value in (("query", query), ("key", keys), ("value", values))
    )
    layer = Attention(name=places.helper(f"{name}_heads"), score="scaled", heads=heads)
    return projected("output", places.add(layer, {}, q, k, v), name)


def _check(saved: Saved, *options: str) -> None:
    for option in options:
        if saved.config.get(option):
            raise UnsupportedError(f"{saved.where}: {option}={saved.config[option]!r}: no equal here")


def _is_size(shape: object) -> bool:
    return type(shape) is int or (isinstance(shape, list | tuple) and len(shape) == 1)


KINDS = {"MultiHeadAttention": _multi_head, "Attention": _dot, "AdditiveAttention": _additive}
