"""What the user says about a source that does not say it itself: `--set KEY=VALUE`."""

from collections.abc import Iterable, Mapping
from typing import Any

from rnnspec import strict_json
from rnnspec.errors import SpecError


class Settings:
    """Values by key: `forget_bias` for every cell that has one, `rnn.forget_bias` or `rnn.cells.1.forget_bias` for
    those at or below one place. The most exact key wins.
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values = dict(values or {})
        self._used: set[str] = set()
        self._known: set[str] = set()

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> "Settings":
        """`KEY=VALUE`, the value in JSON, or else a string. Raises SpecError without a key or a "="."""
        values: dict[str, Any] = {}
        for pair in pairs:
            key, sign, text = pair.partition("=")
            if not key or not sign:
                raise SpecError(f"--set {pair}: expected KEY=VALUE, for example forget_bias=0")
            if key in values:
                raise SpecError(f"--set {key}: given twice")
            try:
                values[key] = strict_json.parse(text, f"--set {key}")
            except SpecError:
                if text[:1] in ("[", "{"):
                    raise
                values[key] = text
        return cls(values)

    def get(self, place: str, name: str, default: Any = None, *, also: tuple[str, ...] = ()) -> Any:
        """The value of `name`, or of the other names that it goes by (`also`), at `place`; else the default.

        Raises:
            SpecError: it is needed and was not given.
        """
        names = (name, *also)
        self._known |= set(names)
        parts = place.split(".") if place else []
        for depth in range(len(parts), -1, -1):
            found = [key for key in (".".join([*parts[:depth], each]) for each in names) if key in self._values]
            self._used |= set(found)
            if len(found) > 1:
                raise SpecError(f"--set: {' and '.join(found)} are the same; give one")
            if found:
                return self._values[found[0]]
        return default

    def given(self, place: str, name: str, *, also: tuple[str, ...] = ()) -> bool:
        """Whether the user said something about it."""
        return self.get(place, name, self, also=also) is not self

    def learn(self, found: Mapping[str, Any]) -> None:
        """What the source says itself, as if the user had set it; what the user sets wins."""
        for key, value in found.items():
            place, _, name = key.rpartition(".")
            if not self.given(place, name):
                self._values[key] = value
                self._used.add(key)

    def finish(self) -> None:
        """Raise SpecError where a setting had no effect."""
        if unused := sorted(set(self._values) - self._used):
            known = ", ".join(sorted(self._known)) or "none"
            raise SpecError(f"--set {unused[0]}: nothing in this source takes it; it takes {known}")
