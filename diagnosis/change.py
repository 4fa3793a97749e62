"""What a mistake is: a change to a trial, in words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from rnnspec.diagnosis.trial import Arrays, Trial, parts, weights_of, with_part

Changed = tuple[Any, Arrays] | None


@dataclass(frozen=True)
class Mistake:
    """Something that implementations get wrong.

    Args:
        name: unique among the mistakes of a trial at one place.
        sentence: what completes "matches when …".
        change: the trial as the wrong implementation has it; None where there is nothing to get wrong.
        reach: what the mistake leaves alone. "step": no output depends on later steps more than before; "row": rows
            stay independent of each other; "batch": they do not.
        place: the one layer or cell that is changed; all that can be, where it is empty.
        usual: whether it is tried in pairs.
    """

    name: str
    sentence: str
    change: Callable[[Trial], Trial | None]
    reach: str = "row"
    place: str = ""
    usual: bool = True

    def __str__(self) -> str:
        return f"in {self.place}, {self.sentence}" if self.place else self.sentence


@dataclass(frozen=True)
class PartMistake:
    """A mistake in a layer or a cell: (configuration, weights) → the wrong ones, or None for other kinds."""

    name: str
    sentence: str
    change: Callable[[Any, Arrays], Changed]
    reach: str = "step"
    usual: bool = True

    def places(self, trial: Trial) -> dict[str, tuple[Any, Arrays]]:
        """Where it can be made, with what is there then."""
        tried = {
            place: self.change(part, weights_of(trial.weights, place)) for place, part in parts(trial.model).items()
        }
        return {place: changed for place, changed in tried.items() if changed is not None}

    def mistakes(self, trial: Trial) -> Iterator[Mistake]:
        """Made everywhere at once, and in each place alone."""
        places = self.places(trial)
        if places:
            yield Mistake(self.name, self.sentence, self._everywhere, self.reach, usual=self.usual)
        if len(places) > 1:
            for place in places:
                change = partial(self._once, place)
                yield Mistake(self.name, self.sentence, change, self.reach, place.rstrip("."), usual=False)

    def _everywhere(self, trial: Trial) -> Trial | None:
        places = self.places(trial)
        for place, changed in places.items():
            trial = with_part(trial, place, *changed)
        return trial if places else None

    def _once(self, place: str, trial: Trial) -> Trial | None:
        changed = self.places(trial).get(place)
        return changed and with_part(trial, place, *changed)
