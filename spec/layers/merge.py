"""Several places joined into one."""

from typing import Any, ClassVar, Literal

from rnnspec.errors import SpecError
from rnnspec.layers.base import Features, Layer, Place
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid


class Merge(Layer, tag="merge", frozen=True, kw_only=True):
    """Two places or more, step by step, padded steps included (MERGE-1).

    `how`: `concat` on the last axis, in the order of `of`; or, of equal features, `add`, `multiply`, `average` (the sum
    over their number) or `maximum` (of equal elements the later one has the gradient, MERGE-2). All are vectors, or all
    are sequences along one time: a vector goes along a sequence by `Repeat`.

        Merge(name="both", of=["words", "characters"], how="concat")
    """

    how: Literal["concat", "add", "multiply", "average", "maximum"]
    since: ClassVar[int] = 2
    most: ClassVar[int] = 100

    def place(self, *reads: Place) -> Place:
        if len(reads) < 2:
            raise SpecError(f"layer {self.name!r}: of: a merge joins two places or more, found {len(reads)}")
        for place in reads[1:]:
            if place.time != reads[0].time:
                fix = "make one input `like` the other, or let an Attention read one through the other"
                fix = "put a Repeat after the vector" if None in (place.time, reads[0].time) else fix
                raise SpecError(f"layer {self.name!r}: of: {reads[0]} and {place} are not of one time; {fix}")
        return Place(self.outputs(tuple(place.features for place in reads)), reads[0].time)

    def outputs(self, inputs: Features) -> int:
        for features in inputs:
            super().outputs(features)
        if self.how == "concat":
            return sum(inputs)
        if len(set(inputs)) > 1:
            found = f"needs equal features, found {list(inputs)}"
            raise SpecError(f"layer {self.name!r}: how={self.how!r} {found}; put a Dense before one of them")
        return inputs[0]

    def valid(self, ops: Ops, valid: Any) -> Valid:
        return valid[0]

    def apply(self, ops: Ops, p: dict[str, Array], x: Any, valid: Any, state: States) -> tuple[Array, States]:
        if self.how == "concat":
            return ops.concat(list(x)), {}
        y = x[0]
        for other in x[1:]:
            if self.how == "multiply":
                y = y * other
            elif self.how == "maximum":
                y = ops.where(ops.greater(y - other, 0.0), y, other)
            else:
                y = y + other
        return y * (1 / len(x)) if self.how == "average" else y, {}
