"""Keras's convolutions and pooling over time → ours."""

from typing import Any

from rnnspec.convert.keras import activations
from rnnspec.convert.keras.cells import Cells
from rnnspec.convert.keras.places import Places, Value
from rnnspec.convert.keras.saved import Saved
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Convolution, Pool


def convolution(saved: Saved, value: Value, places: Places, cells: Cells) -> Value:
    """`Conv1D`, `DepthwiseConv1D`.

    Raises:
        SpecError: a variable is missing or of another shape; an option has an impossible value.
        UnsupportedError: ours does not have that option.
    """
    _check(saved, value, places)
    width, stride, dilation = _size(saved, "kernel_size"), _size(saved, "strides", 1), _size(saved, "dilation_rate", 1)
    features = value.features or 0
    if saved.kind == "DepthwiseConv1D":  # kernel (width, inputs, multiplier)
        groups, units = features, features * saved.size("depth_multiplier")
        kernel = cells.take(saved, "kernel", width, features, units // features).reshape(width, 1, units)
    else:
        groups, units = saved.get("groups", int, 1), saved.size("filters")
        kernel = cells.take(saved, "kernel", width, features // max(groups, 1), units)
    bias = {"bias": cells.take(saved, "bias", units)} if "bias" in saved.variables else {}
    padding, before = _padding(saved, value, dilation * (width - 1) + 1, stride)
    layer = Convolution(
        name=places.name(saved),
        units=units,
        width=width,
        stride=stride,
        dilation=dilation,
        groups=groups,
        padding=padding,
        before=before,
        activation=activations.activation(saved.config.get("activation"), cells.version, saved.where),
        bias=bool(bias),
    )
    weights = {"kernel": kernel.transpose(2, 0, 1)} | bias
    return _counted(places.add(layer, weights, value), value, layer)


def pool(saved: Saved, value: Value, places: Places, cells: Cells) -> Value:
    """`MaxPooling1D`, `AveragePooling1D`.

    Raises:
        SpecError: an option has an impossible value.
        UnsupportedError: ours does not have that option.
    """
    _check(saved, value, places)
    width = _size(saved, "pool_size", 2)
    stride = _size(saved, "strides", width)
    padding, before = _padding(saved, value, width, stride)
    how: Any = "max" if saved.kind == "MaxPooling1D" else "mean"
    layer = Pool(name=places.name(saved), how=how, width=width, stride=stride, padding=padding, before=before)
    return _counted(places.add(layer, {}, value), value, layer)


def _check(saved: Saved, value: Value, places: Places) -> None:
    """Raise SpecError, UnsupportedError: it reads no sequence, or one with features before time; it knows no mask."""
    if saved.config.get("data_format") not in (None, "channels_last"):
        raise UnsupportedError(f"{saved.where}: data_format={saved.config['data_format']!r}: no equal here")
    if value.time is None:
        raise SpecError(f"{saved.where}: reads a vector; no Keras makes that")
    places.counts(value, saved.name, False)


def _padding(saved: Saved, value: Value, span: int, stride: int) -> tuple[Any, int | None]:
    """`padding`, and where it depends on the number of steps, how many are outside before the first one."""
    padding = saved.get("padding", str, "valid")
    if padding not in ("valid", "same", "causal"):
        raise SpecError(f"{saved.where}: padding: expected valid, same or causal, found {padding!r}")
    if padding != "same" or stride == 1:
        return padding, None
    if value.steps is None:
        raise UnsupportedError(
            f"{saved.where}: padding='same' with strides={stride}: where the windows begin depends on the number of "
            "steps, and the source takes any; no equal here"
        )
    outside = max((-(-value.steps // stride) - 1) * stride + span - value.steps, 0)
    return padding, outside // 2


def _counted(found: Value, value: Value, layer: Convolution | Pool) -> Value:
    """With the number of windows."""
    if value.steps is None:
        return found
    stride = layer.strides[0]
    steps = (value.steps - layer.span) // stride + 1 if layer.padding == "valid" else -(-value.steps // stride)
    return found.but(steps=steps)


def _size(saved: Saved, name: str, default: int | None = None) -> int:
    """A size, alone or in a list."""
    found = saved.config.get(name)
    found = found[0] if isinstance(found, list | tuple) and len(found) == 1 else found
    found = default if found is None else found
    if type(found) is not int or found < 1:
        raise SpecError(f"{saved.where}: {name}: expected a number from 1, found {saved.config.get(name)!r}")
    return found


KINDS = {
    "Conv1D": convolution,
    "DepthwiseConv1D": convolution,
    "MaxPooling1D": pool,
    "AveragePooling1D": pool,
}
