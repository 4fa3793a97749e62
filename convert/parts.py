"""What stands in a source: its recurrent parts, which `--part` takes one by one, and what has no equal around them."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """A value of the source, by its name there, and its features a step; None: ids, or not written down."""

    name: str
    features: int | None = None

    def __str__(self) -> str:
        return self.name if self.features is None else f"{self.name} ({self.features})"


@dataclass(frozen=True)
class Part:
    """A recurrent part: what `--part` calls it, the layers in it by their names in the source, and the values that it
    reads and gives."""

    name: str
    layers: tuple[str, ...]
    reads: tuple[Place, ...]
    gives: tuple[Place, ...]


@dataclass(frozen=True)
class Parts:
    """All parts of a source.

    `rest`: what stands before, between and after them and has no equal, with what it is: ("conv", "Conv2D"), …;
    `whole`: whether all of it can be converted, without `--part`; `why`: where that is known, why it cannot.
    """

    parts: tuple[Part, ...]
    rest: tuple[tuple[str, str], ...] = field(default=())
    whole: bool = False
    why: str = ""

    def lines(self) -> Iterator[str]:
        """What `rnnspec convert SOURCE --parts` prints.

        --part lstm: conv → lstm → fc: reads reshaped (32), gives logits (10)
        no equal: conv (Conv2D)
        """
        if self.whole:
            yield "whole: all of it is converted without --part"
        if self.why:
            yield f"not whole: {self.why}"
        for part in self.parts:
            reads, gives = (", ".join(map(str, places)) for places in (part.reads, part.gives))
            yield f"--part {part.name}: {' → '.join(part.layers)}: reads {reads}, gives {gives}"
        for name, what in self.rest:
            yield f"no equal: {name} ({what})"
