"""A sequence as a vector."""

from typing import ClassVar, Literal

from rnnspec.errors import SpecError
from rnnspec.layers.base import Layer, Place
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid


class Summary(Layer, tag="summary", frozen=True, kw_only=True):
    """One vector a row, of its valid steps: the `last` or the `first` of them, their `mean`, `sum`, or `max` of each
    feature; 0 where there is none (SUMMARY-1). What an invalid step holds is not read (SUMMARY-2). Of equal maxima each
    has an equal share of the gradient (SUMMARY-3).

    Keras's GlobalAveragePooling1D with a mask, and GlobalMaxPooling1D, which knows no mask.
    """

    how: Literal["last", "first", "mean", "max", "sum"]
    since: ClassVar[int] = 2
    whole: ClassVar[tuple[int, ...]] = (0,)

    def place(self, *reads: Place) -> Place:
        if reads[0].time is None:
            raise SpecError(f"layer {self.name!r}: expected a sequence to summarise, found {reads[0]}")
        return Place(self.outputs(reads[0].features), None)

    def valid(self, ops: Ops, valid: Valid) -> Valid:
        return Valid()

    def apply(self, ops: Ops, p: dict[str, Array], x: Array, valid: Valid, state: States) -> tuple[Array, States]:
        x = ops.masked(x, valid)
        if self.how in ("last", "first"):
            return ops.last(x, valid, self.how == "first"), {}
        if self.how == "max":
            return ops.largest(x, valid), {}
        y = ops.total(x)
        return y / ops.clip(ops.total(ops.counted(x, valid)), 1.0, _MANY) if self.how == "mean" else y, {}


_MANY = 1e30  # steps: no bound
