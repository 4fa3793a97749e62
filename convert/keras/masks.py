"""Whether Keras's masks come to one number that fills up short sequences (MODEL-5)."""

from rnnspec.convert.keras.chain import Link
from rnnspec.convert.keras.version import Version
from rnnspec.convert.request import Request
from rnnspec.errors import UnsupportedError


class Masks:
    """Follows the mask along a chain.

    In Keras a mask passes on by itself; Keras 3 writes it down at each layer as well, and drops it silently where
    initial states are given as tensors.
    """

    def __init__(self, version: Version, request: Request) -> None:
        self.version, self.request = version, request
        self.number: float | None = None
        self.reached: dict[str, bool] = {}

    def make(self, number: float) -> None:
        """`Masking`, or an embedding's `mask_zero`, as the first layer."""
        self.number = number

    def reach(self, link: Link, name: str) -> bool:
        """Whether the mask of the input reaches a recurrent layer.

        Raises:
            UnsupportedError: it sees another mask than the layers before.
        """
        if link.masked:
            self.request.note(f"{name}: its mask comes from elsewhere; give it as `mask`")
            reached = False
        elif link.padding is not None:
            if self.number not in (None, link.padding):
                raise UnsupportedError(f"{link.layer.where}: masks {link.padding}, not {self.number} as before it")
            self.number, reached = link.padding, True
        elif self.version.major == 3 and link.states and self.number is not None:
            self.request.note(
                f"{name}: Keras 3 drops the mask where initial states are given as tensors; so it has none"
            )
            reached = False
        else:
            reached = self.number is not None
        if reached and self.version[:2] < (2, 3) and not self.version.tensorflow:
            self.request.note(
                f"{name}: before the first valid step Keras {self.version.major}.{self.version.minor} gives the "
                "initial state; here it is 0"
            )
        self.reached[name] = reached
        return reached

    def padding(self, where: str) -> float | None:
        """The model's padding.

        Raises:
            UnsupportedError: the mask reaches some layers only, or none, but masked steps became zeros.
        """
        without = [name for name, reached in self.reached.items() if not reached]
        if len(without) < len(self.reached):
            if without:
                raise UnsupportedError(
                    f"{where}: {without[0]!r} sees no mask, other layers do; padding is for all or none"
                )
            return self.number
        if self.number:
            raise UnsupportedError(f"{where}: Masking makes steps zero that are {self.number}; no layer sees the mask")
        return None
