"""A convolution over time."""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np

from rnnspec import initializers
from rnnspec.activations import Activation, activate
from rnnspec.config import Size
from rnnspec.errors import SpecError
from rnnspec.layers.base import Features, Layer, Place
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid

Padding = Literal["causal", "same", "valid"]


class Window(Layer, frozen=True, kw_only=True):
    """What `Convolution` and `Pool` share: windows of `width` steps, `dilation` apart, one every `stride` steps.

    With span = dilation · (width − 1) + 1, window t sees the steps from stride · t − before on, `width` of them. What
    is outside of x, or not valid, is not seen (CONVOLUTION-2). `padding`: `causal` has before = span − 1, `same`
    ⌊(span − 1) / 2⌋ or `before`, `valid` 0 (CONVOLUTION-3). Window t is valid where step stride · t is; with `valid`,
    where all steps are over which it spans (CONVOLUTION-4). The windows have a time of their own unless there is one
    a step.
    """

    width: Size
    padding: Padding
    before: Annotated[int, msgspec.Meta(ge=0)] | None = None
    since: ClassVar[int] = 2
    whole: ClassVar[tuple[int, ...]] = (0,)

    def __post_init__(self) -> None:
        Layer.__post_init__(self)
        if self.before is not None and (self.padding != "same" or self.before >= self.span):
            raise SpecError(f"layer {self.name!r}: before: for padding='same' alone, and below {self.span}")

    @property
    @abstractmethod
    def strides(self) -> tuple[int, int]:
        """Stride and dilation."""

    @property
    def span(self) -> int:
        """From the first step that a window sees to its last."""
        return self.strides[1] * (self.width - 1) + 1

    @property
    def outside(self) -> tuple[int, int]:
        """How many steps windows reach over the beginning and over the end."""
        if self.padding == "valid":
            return 0, 0
        before = self.span - 1 if self.padding == "causal" else (self.span - 1) // 2
        before = before if self.before is None else self.before
        return before, self.span - 1 - before

    def place(self, *reads: Place) -> Place:
        if reads[0].time is None:
            raise SpecError(f"layer {self.name!r}: expected a sequence, found {reads[0]}; put a Repeat before it")
        same = self.strides[0] == 1 and self.padding != "valid"
        return Place(self.outputs(reads[0].features), reads[0].time if same else self.name)

    def valid(self, ops: Ops, valid: Valid) -> Valid:
        span = self.span if self.padding == "valid" else 1
        return valid if valid.all or (span, self.strides[0]) == (1, 1) else ops.windows(valid, span, self.strides[0])

    def taps(self, ops: Ops, x: Array) -> list[Array]:
        """What the windows see at each of their places: `width` arrays (batch, windows, features)."""
        return ops.taps(x, self.outside, self.width, *self.strides)


class Convolution(Window, tag="convolution", frozen=True, kw_only=True):
    """A convolution over time (a cross-correlation, as in every framework): CONVOLUTION-1 with `groups` of features.

        y(t) = φ(Σₖ Wₖ x(stride · t − before + dilation · k) + b)

    W `kernel (units, width, inputs / groups)`, b `bias (units,)` if `bias`; φ `activation`. Group g of the inputs gives
    group g of the units. A causal convolution that is stepped is `Recurrent` with the cell `CausalConvolution`.
    """

    units: Size
    stride: Size = 1
    dilation: Size = 1
    groups: Size = 1
    activation: Activation = "linear"
    bias: bool = True

    @property
    def strides(self) -> tuple[int, int]:
        return self.stride, self.dilation

    def outputs(self, inputs: Features) -> int:
        features = super().outputs(inputs)
        if features % self.groups or self.units % self.groups:
            found = f"{features} features and {self.units} units"
            raise SpecError(f"layer {self.name!r}: groups={self.groups} does not divide {found}")
        return self.units

    def parameters(self, inputs: Features) -> dict[str, tuple[int, ...]]:
        kernel = {"kernel": (self.units, self.width, inputs // self.groups)}
        return kernel | ({"bias": (self.units,)} if self.bias else {})

    def apply(self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        x = ops.masked(x, valid)
        y = ops.convolve(x, p["kernel"], self.outside, self.stride, self.dilation, self.groups)
        y = y + ops.flat(p["bias"]) if self.bias else y
        return activate(ops, self.activation, y), {}

    def initialize(
        self,
        name: str,
        shape: tuple[int, ...],
        inputs: Features,
        rng: "np.random.Generator",
        scheme: str = "keras",
    ) -> np.ndarray:
        rows = self.width * inputs // self.groups
        flat = (shape[0], rows) if name == "kernel" else shape
        return initializers.dense(name, flat, rows, rng, scheme).reshape(shape)
