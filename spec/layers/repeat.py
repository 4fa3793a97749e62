"""A vector as a sequence."""

from typing import Any, ClassVar

from rnnspec.config import Size
from rnnspec.errors import SpecError
from rnnspec.layers.base import Features, Layer, Place
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid


class Repeat(Layer, tag="repeat", frozen=True, kw_only=True):
    """The same vector at every step: `steps` of them, all valid, a time of its own (REPEAT-1); or along another place,
    the second of `of`, whose time it has, and the same valid steps (REPEAT-2).

        Repeat(name="code", steps=12)                      # Keras's RepeatVector(12)
        Repeat(name="speaker_", of=["speaker", "frames"])
    """

    steps: Size | None = None
    since: ClassVar[int] = 2
    most: ClassVar[int] = 2

    def place(self, *reads: Place) -> Place:
        if reads[0].time is not None:
            raise SpecError(f"layer {self.name!r}: expected a vector to repeat, found {reads[0]}")
        if (len(reads) == 1) != (self.steps is not None):
            found = "neither" if self.steps is None else "both"
            raise SpecError(f"layer {self.name!r}: give steps, or a sequence as the second of `of`; found {found}")
        if len(reads) == 2 and reads[1].time is None:
            raise SpecError(f"layer {self.name!r}: expected a sequence to repeat along, found {reads[1]}")
        time = self.name if len(reads) == 1 else reads[1].time
        return Place(super().outputs(reads[0].features), time)

    def outputs(self, inputs: Features) -> int:
        return super().outputs(inputs[0])

    def valid(self, ops: Ops, valid: Any) -> Valid:
        return Valid() if self.steps is not None else valid[1]

    def apply(self, ops: Ops, p: dict[str, Array], x: Any, valid: Any, state: States) -> tuple[Array, States]:
        return ops.repeat(x[0], x[1] if self.steps is None else self.steps), {}

    def step(self, ops: Ops, p: dict[str, Array], x: Any, valid: Any, state: States) -> tuple[Array, States]:
        return x[0], {}
