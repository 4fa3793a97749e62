"""The largest, or the mean, of windows over time."""

from typing import Literal

from rnnspec.config import Size
from rnnspec.layers.convolution import Window
from rnnspec.ops import LOW, Array, Ops, States
from rnnspec.valid import Valid


class Pool(Window, tag="pool", frozen=True, kw_only=True):
    """Of the valid steps that each window sees, the `max` of each feature or the `mean`; 0 where it sees none (POOL-1).

    `stride`: left out, the width. Of equal maxima the last has the gradient (POOL-2).
    """

    how: Literal["max", "mean"]
    stride: Size | None = None

    @property
    def strides(self) -> tuple[int, int]:
        return self.stride or self.width, 1

    def apply(self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        seen = self.taps(ops, ops.counted(x, valid))
        values = self.taps(ops, ops.masked(x, valid))
        many = sum(seen[1:], seen[0])
        if self.how == "mean":
            return sum(values[1:], values[0]) / ops.clip(many, 1.0, float(self.width)), {}
        values = [
            ops.where(ops.greater(n, 0.5), value, value * 0.0 + LOW) for n, value in zip(seen, values, strict=True)
        ]
        y = values[0]
        for value in values[1:]:
            y = ops.where(ops.greater(y - value, 0.0), y, value)
        return ops.where(ops.greater(many, 0.5), y, y * 0.0), {}
