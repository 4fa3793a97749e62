"""Each layer of a graph means what torch's own layer means: values, and gradients of weights and inputs."""

from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from rnnspec import Activation, Convolution, Dense, Input, Merge, Norm, Pool, Repeat, Scale, Summary
from rnnspec.conformance.case import Case
from rnnspec.conventions.torch import ACTIVATIONS

from ..agreement import solved
from .own import assert_agree, tensors

# torch says once that it copies x where a "same" padding is not symmetric: that costs time and changes no number.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

TIME, FEATURES, UNITS = 11, 4, 6
LENGTHS = [11, 8, 7]  # none shorter than a window: torch refuses these
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def along(module, x, weights=None):
    """torch's layers over time have the features first."""
    return functional_call(module, weights or {}, x.mT).mT


def convolution(padding, theirs=0, pads=(0, 0), **options):
    """`theirs`: torch's own padding; `pads`: steps of zeros that torch's users put around x."""
    ours = Convolution(name="l", units=UNITS, padding=padding, **options)
    own = nn.Conv1d(FEATURES, UNITS, ours.width, ours.stride, theirs, ours.dilation, ours.groups, ours.bias)
    bias = ["bias"] if ours.bias else []

    def layer(p, x):
        weights = {"weight": p["kernel"].mT} | {name: p[name] for name in bias}
        y = along(own, F.pad(x, (0, 0, *pads)), weights)
        return y.tanh() if ours.activation == "tanh" else y

    return ours, layer


def pool(how, padding, own, pads=(0, 0), **options):
    outside = -torch.inf if how == "max" else 0.0
    return (
        Pool(name="l", how=how, padding=padding, **options),
        lambda p, x: along(own, F.pad(x, (0, 0, *pads), value=outside)),
    )


def renamed(own, **names):
    """torch's layer with our weights under its names."""
    return lambda p, x: functional_call(own, {name: p[ours] for name, ours in names.items()}, x)


def batch_norm(p, x):
    weights = {"weight": p["gamma"], "bias": p["beta"], "running_mean": p["mean"], "running_var": p["variance"]}
    return along(nn.BatchNorm1d(FEATURES, eps=0.5).eval(), x, weights)


def scale(p, x):
    """torch has no layer for it but a convolution of one step and one feature."""
    own = nn.Conv1d(FEATURES, FEATURES, 1, groups=FEATURES)
    return along(own, x, {"weight": p["gamma"][:, None, None], "bias": p["beta"]})


LAYERS = {
    "causal": convolution("causal", pads=(2, 0), width=3, activation="tanh"),
    "causal, dilated": convolution("causal", pads=(6, 0), width=4, dilation=2, groups=2),
    "causal, strided": convolution("causal", pads=(3, 0), width=4, stride=3, bias=False),
    "same": convolution("same", "same", width=3),
    "same, even": convolution("same", "same", width=4),
    "same, dilated": convolution("same", "same", width=4, dilation=2, groups=2, bias=False),
    "same, strided": convolution("same", 2, width=5, stride=2, groups=2),
    "same, dilated and strided": convolution("same", 2, width=3, stride=3, dilation=2),
    "same, begun late": convolution("same", pads=(0, 3), width=4, before=0),
    "same, begun early": convolution("same", pads=(3, 1), width=5, before=3, stride=2),
    "valid": convolution("valid", width=4),
    "valid, all": convolution("valid", width=3, stride=2, dilation=3, groups=2),
    "max": pool("max", "valid", nn.MaxPool1d(2), width=2),
    "max, same": pool("max", "same", nn.MaxPool1d(3, 2, 1), width=3, stride=2),
    "max, even": pool("max", "same", nn.MaxPool1d(4, 1), (1, 2), width=4, stride=1),
    "max, causal": pool("max", "causal", nn.MaxPool1d(4, 3), (3, 0), width=4, stride=3),
    "max, ceil_mode": pool("max", "same", nn.MaxPool1d(3, ceil_mode=True), width=3, before=0),
    "mean": pool("mean", "valid", nn.AvgPool1d(4, 2), width=4, stride=2),
    "mean, same": pool("mean", "same", nn.AvgPool1d(5, 2, 2, count_include_pad=False), width=5, stride=2),
    "mean, ceil_mode": pool("mean", "same", nn.AvgPool1d(3, ceil_mode=True), width=3, before=0),
    "layer": (
        Norm(name="l", kind="layer", epsilon=1e-5),
        renamed(nn.LayerNorm(FEATURES), weight="gamma", bias="beta"),
    ),
    "layer without beta": (
        Norm(name="l", kind="layer", epsilon=0.5, beta=False),
        renamed(nn.LayerNorm(FEATURES, eps=0.5, bias=False), weight="gamma"),
    ),
    "batch": (Norm(name="l", kind="batch", epsilon=0.5), batch_norm),
    "scale": (Scale(name="l"), scale),
    "dense": (Dense(name="l", units=UNITS), renamed(nn.Linear(FEATURES, UNITS), weight="kernel", bias="bias")),
    "dense without bias": (
        Dense(name="l", units=UNITS, bias=False),
        renamed(nn.Linear(FEATURES, UNITS, bias=False), weight="kernel"),
    ),
    "summary, last": (Summary(name="l", how="last"), lambda p, x: x[:, -1]),
    "summary, first": (Summary(name="l", how="first"), lambda p, x: x[:, 0]),
    "summary, mean": (Summary(name="l", how="mean"), lambda p, x: along(nn.AdaptiveAvgPool1d(1), x)[:, 0]),
    "summary, max": (Summary(name="l", how="max"), lambda p, x: along(nn.AdaptiveMaxPool1d(1), x)[:, 0]),
    "summary, sum": (Summary(name="l", how="sum"), lambda p, x: x.sum(1)),
}
MERGES = {
    "concat": lambda *x: torch.cat(x, -1),
    "add": lambda *x: x[0] + x[1] + x[2],
    "multiply": lambda *x: x[0] * x[1] * x[2],
    "average": lambda *x: torch.stack(x).mean(0),
    "maximum": lambda *x: torch.maximum(torch.maximum(x[0], x[1]), x[2]),
}
MODULES = {
    **{name: getattr(nn, name)(*[-1] * name.endswith("Softmax")) for name in ACTIVATIONS},
    # The slope of CELU has alpha rounded to float32, in float64 too (derivatives.yaml: alpha.toFloat()): 1.25 is exact.
    **{repr(module): module for module in (nn.GELU("tanh"), nn.ELU(0.7), nn.CELU(1.25), nn.LeakyReLU(0.2))},
}
# The slope of Hardsigmoid is 1/6 rounded to float32, in float64 too (Activation.cpp: `one_sixth(1.0f / 6.0f)`).
ROUNDED = {"Hardsigmoid": ["gradients"]}


@cache
def chain(name, ragged) -> Case:
    """A sum over the valid steps says which are valid."""
    layer, _ = LAYERS[name]
    end = [] if isinstance(layer, Summary) or not ragged else [Summary(name="end", how="sum")]
    return solved(name, FEATURES, [layer, *end], time=TIME, lengths=LENGTHS if ragged else None)


@DTYPES
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, dtype):
    case = chain(name, ragged=False)
    arguments, p, x = tensors(case, dtype)
    assert_agree(case, dtype, LAYERS[name][1](p, **x), arguments)


@DTYPES
@pytest.mark.parametrize("name", LAYERS)
def test_padding(name, dtype):
    """A padded row has what torch gives of the row alone, at as many steps."""
    case = chain(name, ragged=True)
    arguments, p, x = tensors(case, dtype)
    rows = [LAYERS[name][1](p, x["x"][k : k + 1, :length]) for k, length in enumerate(LENGTHS)]
    assert_agree(case, dtype, torch.cat([y.sum(1) if y.ndim == 3 else y for y in rows]), arguments)


@DTYPES
@pytest.mark.parametrize("how", MERGES)
def test_merges(how, dtype):
    features = (FEATURES, 2, UNITS) if how == "concat" else [FEATURES] * 3
    names = dict(zip("abc", features, strict=True))
    inputs = {name: Input(features=n, like=None if name == "a" else "a") for name, n in names.items()}
    case = solved(how, inputs, [Merge(name="l", of=list(names), how=how)], time={"a": TIME})
    arguments, _, x = tensors(case, dtype)
    assert_agree(case, dtype, MERGES[how](*x.values()), arguments)


@DTYPES
@pytest.mark.parametrize("name", MODULES)
def test_activations(name, dtype):
    module = MODULES[name]
    layer = Activation(name="l", function=ACTIVATIONS[type(module).__name__](module))

    def wide(weights, inputs):
        inputs["x"] *= 4  # beyond every bend

    case = solved(name, FEATURES, [layer], time=TIME, edit=wide)
    arguments, _, x = tensors(case, dtype)
    assert_agree(case, dtype, module(x["x"]), arguments, ROUNDED.get(name, ()))


@DTYPES
def test_repeat(dtype):
    inputs = {"a": Input(features=FEATURES, sequence=False), "b": Input(features=UNITS)}
    layers = [
        Repeat(name="steps", of="a", steps=7),
        Repeat(name="along", of=["a", "b"]),
        Merge(name="both", of=["along", "b"], how="concat"),
        Summary(name="one", of="steps", how="sum"),
        Summary(name="end", of="both", how="last"),
        Merge(name="l", of=["one", "end"], how="concat"),
    ]
    case = solved("repeat", inputs, layers, time={"b": TIME}, lengths={"b": LENGTHS})
    arguments, _, x = tensors(case, dtype)
    rows = []
    for k, length in enumerate(LENGTHS):
        a, b = x["a"][k], x["b"][k, :length]
        rows.append(torch.cat([a.repeat(7, 1).sum(0), torch.cat([a.expand(length, -1), b], -1)[-1]]))
    assert_agree(case, dtype, torch.stack(rows), arguments)
