"""Whether Keras's masks come to one number that fills up short sequences (MODEL-5)."""

from rnnspec.conventions.keras import Version
from rnnspec.convert.keras.chain import Link
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
        self.passes = True  # whether the mask goes on behind the layers so far
        self.reached: dict[str, bool] = {}
        self.given: dict[str, str | None] = {}  # layer → what gives it a mask of its own

    def make(self, number: float) -> None:
        """`Masking`, or an embedding's `mask_zero`, as the first layer."""
        self.number = number

    def reach(self, link: Link, name: str, started: bool, final: bool) -> bool:
        """Whether the mask of the input reaches a recurrent layer.

        Args:
            link: the layer.
            name: our name for it.
            started: whether its states may start from something else than 0.
            final: whether its final h is taken for its output.

        Raises:
            UnsupportedError: it sees another mask than the layers before; or gives a state where no step is valid yet.
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
        if (reached or link.masked) and started and final:
            raise UnsupportedError(
                f"{link.layer.where}: its final state is taken: of a row without valid steps it is the initial state; "
                "here it would be 0: no equal"
            )
        if (reached or link.masked) and self.version.holds_state and not link.layer.get("unroll", bool, False):
            self._check_held(link, started)
        self.reached[name], self.given[name] = reached, link.masked
        return reached

    def _check_held(self, link: Link, started: bool) -> None:
        """Raise UnsupportedError where the first state is not what a masked step repeats.

        Keras 2.2 gives `states[0]` at masked steps (`K.rnn` in keras/backend/tensorflow_backend.py): h, of a stack of
        cells that of the first; before the first valid step what it starts from.
        """
        if any(part.kind == "StackedRNNCells" and len(part.inner) > 1 for part, _ in link.layer.walk()):
            raise UnsupportedError(
                f"{link.layer.where}: at masked steps Keras {self.version.major}.{self.version.minor} gives the state "
                "of the first cell, not the output: no equal here"
            )
        if started:
            raise UnsupportedError(
                f"{link.layer.where}: at masked steps before the first valid one Keras {self.version.major}."
                f"{self.version.minor} gives the initial state; ours 0: no equal"
            )

    def padding(self, where: str) -> float | None:
        """The model's padding.

        Raises:
            UnsupportedError: the mask reaches some layers only, or none, but masked steps became zeros.
        """
        if len(set(self.given.values())) > 1:
            one, other = list({mask: name for name, mask in self.given.items()}.values())[:2]
            raise UnsupportedError(
                f"{where}: {one!r} and {other!r} are called with other masks; a mask is for all layers"
            )
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
