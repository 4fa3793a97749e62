"""Which steps of which rows count, and where sequences begin."""

from typing import NamedTuple

from rnnspec.ops import Array


class Valid(NamedTuple):
    """The valid steps of a batch: all of them, the first `lengths (batch,)` of each row, or `mask (batch, time)`.

    At most one of the two is given. `lengths` is sugar for a mask (UNROLL-3), kept apart because fused layers take it.
    `reset (batch, time)` marks the steps at which a new sequence begins inside a row (UNROLL-12).
    """

    lengths: Array | None = None
    mask: Array | None = None
    reset: Array | None = None

    @property
    def all(self) -> bool:
        """Whether every step is valid."""
        return self.lengths is None and self.mask is None
