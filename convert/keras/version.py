"""What Keras meant, by version."""

import re
from typing import NamedTuple, Self

from rnnspec.errors import SpecError


class Version(NamedTuple):
    """A version of Keras: `(2, 2, True)` is 2.2.4-tf, the Keras inside TensorFlow 1.13 to 2.1."""

    major: int
    minor: int
    tensorflow: bool = False

    @classmethod
    def parse(cls, text: str, where: str) -> Self:
        """`2.2.4-tf`, `3.15.1`. Raises SpecError where it is neither Keras 2 nor Keras 3."""
        match = re.match(r"(\d+)\.(\d+)", text)
        if match is None or match[1] not in ("2", "3"):
            raise SpecError(f"{where}: written by Keras {text!r}; expected 2.x or 3.x: save it anew with one of these")
        return cls(int(match[1]), int(match[2]), text.endswith("-tf"))

    @property
    def hard_gates(self) -> bool:
        """Whether `recurrent_activation` is `hard_sigmoid` by default (changed in Keras 2.3)."""
        return self[:2] < (2, 3)

    @property
    def reset_after(self) -> bool:
        """GRU's default (changed in TensorFlow 2; the separate Keras 2.3 kept the old one)."""
        return self[:2] >= (2, 4) or (self[:2] == (2, 3) and self.tensorflow)

    @property
    def zero_in_bidirectional(self) -> bool:
        """Whether `Bidirectional` makes masked outputs zero (tf.keras since TensorFlow 1.14)."""
        return self[:2] >= (2, 4) or (self[:2] >= (2, 2) and self.tensorflow)

    @property
    def holds_state(self) -> bool:
        """Whether a masked step gives the first state, not the output before (changed in Keras 2.3, and tf.keras)."""
        return self[:2] < (2, 3) and not self.tensorflow

    @property
    def hard_slope(self) -> float:
        """The slope of `hard_sigmoid` (changed in Keras 3)."""
        return 0.2 if self.major == 2 else 1 / 6
