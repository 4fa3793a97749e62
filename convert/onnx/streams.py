"""What flows through the graph, element by element.

The graph is run with numbers in place of values: every element of an input and of what a layer gives has a number of
its own. Transposing, reshaping, slicing and joining only move them; so, wherever a layer reads, the numbers say what it
reads, whichever way they came. `batch` and `time` are small sizes, tried in place of the symbolic ones.

    x (batch 2, time 3, features 2)    [[[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9], [10, 11]]]
    Transpose(x), as LSTM reads it     [[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]

The LSTM at step 1 of row 0 reads 2 and 3: both features of that step of x. Its own output has the numbers from 12 on.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from rnnspec.activations import Activation
from rnnspec.conventions.gates import Part
from rnnspec.errors import UnsupportedError


class Misfit(UnsupportedError):
    """The graph does not run at the sizes that are tried."""


class Unclear(UnsupportedError):
    """It runs, and is no chain of layers, if the axes of its input are what they are taken for."""


class Foreign(UnsupportedError):
    """An operator that a chain of our layers is not read from."""


class Kind(Enum):
    """What a tensor of the graph holds: numbers of the file, of the sizes tried, or those that stand for elements."""

    WEIGHTS = "weights"
    SIZES = "sizes"
    ELEMENTS = "elements"


class Traced(NamedTuple):
    """A tensor of the graph at the sizes that are tried."""

    array: np.ndarray
    kind: Kind


@dataclass(eq=False)
class Given:
    """A graph input that gives initial states; `numbers` of its elements, in its own shape."""

    name: str
    numbers: np.ndarray

    def __str__(self) -> str:
        return f"the input {self.name!r}"


@dataclass(eq=False)
class Memory:
    """The final cell state of a run, (batch, units)."""

    run: "Run"
    numbers: np.ndarray

    @property
    def end(self) -> str:
        """What messages call it."""
        return f"the final c of {self.run.direction}"

    def __str__(self) -> str:
        return f"the cell state of {self.run.name!r}"


@dataclass(eq=False, kw_only=True)
class Stream:
    """What a layer gives: `numbers (batch, time, features)`; one step if there is no `sequence` any more.

    `before` is what it reads. `final (batch,)`: the last step visited, if there is one.
    """

    name: str
    numbers: np.ndarray
    before: "Stream | None" = None
    final: np.ndarray | None = None
    sequence: bool = True

    @property
    def features(self) -> int:
        return self.numbers.shape[-1]

    @property
    def depth(self) -> int:
        """How many layers lie below."""
        return 0 if self.before is None else self.before.depth + 1

    def at(self, positions: np.ndarray) -> np.ndarray:
        """The numbers (…, features) at positions row · time + step, as `Streams.read` gives them."""
        return self.numbers.reshape(-1, self.features)[positions]

    def at_final(self) -> np.ndarray:
        """The numbers (batch, 1, features) at the last step visited."""
        assert self.final is not None
        return self.numbers[np.arange(len(self.final)), self.final][:, None]

    def __str__(self) -> str:
        return f"the output of {self.name!r}"


@dataclass(eq=False, kw_only=True)
class Source(Stream):
    """The input of the model: features, or `ids` with one number per step."""

    ids: bool = False


@dataclass(eq=False, kw_only=True)
class Embedded(Stream):
    """`table (vocabulary, units)` at the ids before."""

    table: np.ndarray


@dataclass(eq=False, kw_only=True)
class Dense(Stream):
    """φ(W x + b), `kernel (units, inputs)`; without kernel the identity."""

    kernel: np.ndarray | None = None
    bias: np.ndarray | None = None
    activation: Activation = "linear"


@dataclass(eq=False, kw_only=True)
class Run(Stream):
    """A cell, in one direction. `starts`: state → its initial values (units,), who gives them at run time, or the place
    in the graph that does."""

    part: Part
    backward: bool
    starts: dict[str, np.ndarray | str | Stream]

    @property
    def direction(self) -> str:
        """The layer and direction, for messages."""
        return f"{self.name!r}{' backward' if self.backward else ''}"

    @property
    def end(self) -> str:
        """What messages call its final state."""
        return f"the final h of {self.direction}"


@dataclass(eq=False, kw_only=True)
class Both(Stream):
    """Two directions, as one."""

    forward: Run
    other: Run
    merge: str


@dataclass
class Streams:
    """All numbers that were given out, and to whom."""

    where: str
    limit: int
    _begins: list[int] = field(default_factory=list)
    _owners: list[Any] = field(default_factory=list)
    _next: int = 0
    _both: dict[tuple, Both] = field(default_factory=dict)

    def new(self, *shape: int) -> np.ndarray:
        """Numbers that nothing has yet. Raises UnsupportedError where they would be too many."""
        size, most = math.prod(shape), self.limit - self._next
        if min(shape, default=1) < 1 or size > most:
            raise UnsupportedError(f"{self.where}: a tensor of shape {shape}: expected 1 to {most:,} elements")
        numbers = np.arange(self._next, self._next + size).reshape(shape)
        self._next += size
        return numbers

    def add(self, owner: Any) -> Any:
        """Enter what has the numbers that were given out last."""
        self._begins.append(int(owner.numbers.flat[0]))
        self._owners.append(owner)
        return owner

    def owners(self, numbers: Iterable[int]) -> list[Any]:
        """To whom the numbers belong, each once, in their order."""
        return list(dict.fromkeys(self._owners[bisect_right(self._begins, n) - 1] for n in numbers))

    def read(self, array: np.ndarray, reader: str) -> tuple[Stream, np.ndarray]:
        """What an array holds, its last axis being all features of one step, in order.

        Returns:
            The stream, and for each place of the other axes the position batch · time that is there.

        Raises:
            Unclear: it is anything else.
        """
        owners = self.owners(array.reshape(-1, array.shape[-1])[0].tolist()) if array.ndim and array.size else []
        for stream in self._candidates(owners):
            table = stream.numbers.reshape(-1, stream.features)
            if array.shape[-1] == stream.features:
                order = np.argsort(table[:, 0])
                found = np.searchsorted(table[order, 0], array[..., 0]).clip(max=len(order) - 1)
                positions = order[found]
                if np.array_equal(table[positions], array):
                    return stream, positions
        what = " and ".join(map(str, owners)) or "nothing"
        raise Unclear(f"{reader}: does not read all features of each step in order, of {what}")

    def paired(self, one: Run, two: Run) -> bool:
        """Whether they are the two directions over one input."""
        return one.before is two.before and one.backward != two.backward

    def both(self, one: Run, two: Run, merge: str, last: bool) -> Both:
        """Two directions over the same input merged, at each step or at the `last` one of each.

        Raises:
            UnsupportedError: they are not over the same input, or in the same direction.
        """
        key = (one, two, merge, last)
        if key not in self._both:
            if not self.paired(one, two):
                raise UnsupportedError(
                    f"{self.where}: {one} and {two} are merged, and are not the two directions over one input; "
                    "not a chain"
                )
            forward, other = (two, one) if one.backward else (one, two)
            parts = [run.at_final() if last else run.numbers for run in (one, two)]
            numbers = np.concatenate(parts, axis=-1) if merge == "concat" else self.new(*parts[0].shape)
            found = Both(
                name=forward.name, before=one.before, numbers=numbers, sequence=not last,
                forward=forward, other=other, merge=merge,
            )  # fmt: skip
            self._both[key] = found if merge == "concat" else self.add(found)
        return self._both[key]

    def _candidates(self, owners: list[Any]) -> list[Stream]:
        if len(owners) == 1 and isinstance(owners[0], Stream):
            return owners
        if len(owners) == 2 and all(isinstance(owner, Run) for owner in owners) and not owners[0].backward:
            return [self.both(owners[0], owners[1], "concat", last) for last in (False, True)]
        return []
