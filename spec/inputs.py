"""What a network is called with, checked once for all backends (INPUT-1 to INPUT-6)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from rnnspec import limits
from rnnspec.errors import SpecError
from rnnspec.graph import Input
from rnnspec.layers import Embedding
from rnnspec.model import Model
from rnnspec.ops import Array, States
from rnnspec.valid import Valid

STEPS = ("lengths", "mask", "reset")  # what says which steps of an input count, and where sequences begin
ABSENT = {"lengths": None, "mask": None, "state": None, "reset": None}  # the arguments that may be left out
_ALL = Valid()


class Arrays(Protocol):
    """How one backend makes its arrays of what it is given, raising SpecError where that is of the wrong type."""

    def ids(self, x: Any, vocabulary: int) -> Array:
        """Integer ids, from 0 to vocabulary − 1."""

    def features(self, x: Any) -> Array:
        """x in the dtype of the network."""

    def sizes(self, x: Array) -> tuple[Any, Any]:
        """The lengths of the first two axes: numbers, or scalars where they are not known yet."""

    def lengths(self, value: Any, batch: Any, time: Any) -> Array:
        """Integers that pass `check_lengths`."""

    def marks(self, name: str, value: Any, batch: Any, time: Any) -> Array:
        """A mask, or resets, that pass `check_marks`."""

    def state(self, name: str, value: Any) -> Array:
        """A state in the dtype of the network."""


class Call(NamedTuple):
    """A call whose arguments fit: x and which steps count by the names of inputs (of x alone, called x; the second only
    for inputs with a time of their own), states by name or None where none were given, and the rows."""

    x: dict[str, Array]
    valid: dict[str, Valid]
    state: States | None
    rows: Any


class Arguments:
    """The arguments that a model takes."""

    def __init__(self, model: Model, time_major: bool = False) -> None:
        self.model = model
        self.time_major = time_major
        self.given = model.given
        self.states = model.states()
        embeddings = [(n.of[0], n.layer.vocabulary) for n in model.graph.nodes if isinstance(n.layer, Embedding)]
        self.vocabularies = {of: min(size for name, size in embeddings if name == of) for of, _ in embeddings}
        self.unbroken = {time: model.graph.unbroken(time) for time in model.graph.times()}

    def of_call(self, arrays: Arrays, x: Any, lengths: Any, mask: Any, state: Any, reset: Any) -> Call:
        """The arguments of a call over whole sequences.

        Raises:
            SpecError: an argument does not fit the model or x; the message names it, and what was expected.
        """
        if self.model.by_name:
            return self._by_name(arrays, x, {"lengths": lengths, "mask": mask, "reset": reset}, state, frozenset())
        x, valid = self._input(arrays, "x", x, lengths, mask, reset, False)
        rows = x.shape[1 if self.time_major else 0]
        return Call({"x": x}, {"x": valid}, self._given(arrays, state, rows), rows)

    def of_step(self, arrays: Arrays, x_t: Any, state: Any, lengths: Any = None, mask: Any = None) -> Call:
        """The arguments of a step; lengths and mask are of inputs that are given whole (GRAPH-8).

        Raises:
            SpecError: one of them does not fit the model.
            UnsupportedError: the model has no step.
        """
        stepped = self.model.stepped
        if self.model.by_name:
            return self._by_name(arrays, x_t, {"lengths": lengths, "mask": mask, "reset": None}, state, stepped)
        if lengths is not None or mask is not None:
            raise SpecError(f"{'mask' if lengths is None else 'lengths'}: a single step is valid; leave it out")
        x = self._array(arrays, "x", x_t, True)
        return Call({"x": x}, {}, self._given(arrays, state, x.shape[0]), x.shape[0])

    def _by_name(self, arrays: Arrays, x: Any, steps: dict[str, Any], state: Any, stepped: frozenset[str]) -> Call:
        """The arguments of a model whose inputs have names."""
        given = self.model.given
        values = check_mapping("x", x, given, given)
        own = [name for name, value in given.items() if value.sequence and not value.like and name not in stepped]
        by_name = {key: check_mapping(key, value, given, ()) for key, value in steps.items()}
        for key, of in by_name.items():
            for name in of:
                if name not in own:
                    raise SpecError(f"{key}[{name!r}]: {self._no_steps(name, stepped)}")
        counts: dict[str, Valid] = {}
        rows: Any = None
        for name, value in values.items():
            lengths, mask, reset = (of.get(name) for of in by_name.values())
            try:
                values[name], valid = self._input(arrays, name, value, lengths, mask, reset, name in stepped)
                sizes = values[name].shape
                check_rows(sizes[1 if self._turned(name, stepped) else 0], rows)
            except SpecError as error:
                raise SpecError(f"{name}: {str(error).removeprefix('x: ')}") from None
            rows = sizes[1 if self._turned(name, stepped) else 0] if rows is None else rows
            if name in own:
                counts[name] = valid
        self._check_alike(values, stepped)
        return Call(values, counts, self._given(arrays, state, rows), rows)

    def _turned(self, name: str, stepped: frozenset[str]) -> bool:
        """Whether time comes before the rows."""
        return self.time_major and self.model.given[name].sequence and name not in stepped

    def _no_steps(self, name: str, stepped: frozenset[str]) -> str:
        given = self.model.given[name]
        if given.like:
            return f"its steps are those of {given.like!r}; give it there"
        return "one step is given, which is valid" if name in stepped else "a vector has no steps; leave it out"

    def _input(
        self, arrays: Arrays, name: str, x: Any, lengths: Any, mask: Any, reset: Any, step: bool
    ) -> tuple[Array, Valid]:
        """One input, and which of its steps count."""
        x = self._array(arrays, name, x, step)
        if lengths is None and mask is None and reset is None:
            return x, _ALL
        time, batch = arrays.sizes(x) if self.time_major else arrays.sizes(x)[::-1]
        if lengths is not None:
            lengths = arrays.lengths(lengths, batch, time)
        if mask is not None:
            if lengths is not None:
                raise SpecError("mask: given together with lengths; give one of them")
            mask = arrays.marks("mask", mask, batch, time)
        if reset is not None:
            if self.unbroken[name] is not None:
                fix = "give each sequence a row of its own"
                raise SpecError(f"reset: no sequence can begin anew here: {self.unbroken[name]}; {fix}")
            reset = arrays.marks("reset", reset, batch, time)
        return x, Valid(lengths, mask, reset)

    def _array(self, arrays: Arrays, name: str, x: Any, step: bool) -> Array:
        """One input as an array that fits."""
        given = self.given[name]
        x = arrays.ids(x, self.vocabularies.get(name, limits.SIZE)) if given.features is None else arrays.features(x)
        check_x(given, x.shape, step, self.time_major)
        return x

    def _check_alike(self, values: Mapping[str, Array], stepped: frozenset[str]) -> None:
        """Inputs along one time have as many steps."""
        axis = 0 if self.time_major else 1
        for name, given in self.model.given.items():
            if given.like is not None and name not in stepped:
                found, expected = (values[n].shape[axis] for n in (name, given.like))
                if None not in (found, expected) and found != expected:
                    raise SpecError(f"{name}: expected the {expected} steps of {given.like!r}, found {found}")

    def _given(self, arrays: Arrays, state: Any, batch: int | None) -> States | None:
        if state is None:
            return None
        check_named(state)
        given = {name: arrays.state(name, value) for name, value in state.items()}
        check_state(self.states, given, batch)
        return given


def as_call(model: Model, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays under the names of an .npz file → keyword arguments of a call.

        x, lengths, lstm.h             of a model whose input has no name: lengths, mask and reset, and states
        words, words.lengths, lstm.h   of one with the input `words`

    Arrays of other names are left out.
    """
    states = {name: arrays[name] for name in model.states() if name in arrays}
    call: dict[str, Any] = {"state": states} if states else {}
    if not model.by_name:
        return {key: arrays[key] for key in ("x", *STEPS) if key in arrays} | call
    call["x"] = {name: arrays[name] for name in model.given if name in arrays}
    for key in STEPS:
        if found := {name: arrays[f"{name}.{key}"] for name in model.given if f"{name}.{key}" in arrays}:
            call[key] = found
    return call


def names(model: Model) -> list[str]:
    """The names that `as_call` knows."""
    if not model.by_name:
        return ["x", *STEPS, *model.states()]
    own = [name for name, given in model.given.items() if given.sequence and not given.like]
    return [*model.given, *(f"{name}.{key}" for name in own for key in STEPS), *model.states()]


class NumpyArrays:
    """`Arrays` of NumPy."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def ids(self, x: ArrayLike, vocabulary: int) -> np.ndarray:
        """Of any integer type."""
        ids = numbers(x)
        check_ids(ids, vocabulary)
        return ids

    def features(self, x: ArrayLike) -> np.ndarray:
        """Numbers of any type are converted."""
        return numbers(x).astype(self.dtype)

    def sizes(self, x: np.ndarray) -> tuple[int, int]:
        """The lengths of the first two axes."""
        return x.shape[0], x.shape[1]

    def lengths(self, value: ArrayLike, batch: int, time: int) -> np.ndarray:
        """Of any integer type."""
        lengths = array(value, "lengths")
        check_lengths(lengths, batch, time)
        return lengths

    def marks(self, name: str, value: ArrayLike, batch: int, time: int) -> np.ndarray:
        """Booleans."""
        marks = array(value, name)
        check_marks(name, marks.dtype == np.bool_, marks.shape, batch, time)
        return marks

    def state(self, name: str, value: ArrayLike) -> np.ndarray:
        """Numbers of any type are converted."""
        return numbers(value, name, "state: {!r}").astype(self.dtype)


def check_x(given: Input, shape: Sequence[int | None], step: bool = False, time_major: bool = False) -> None:
    """The rank and features of an input, of one step of it or whole; a None in `shape` is unknown yet and passes.

    Raises:
        SpecError: x has other axes or other features.
    """
    step = step or not given.sequence
    rank = 2 - step + (given.features is not None)
    if len(shape) == rank and (given.features is None or shape[-1] in (given.features, None)):
        return
    axes = ["batch"] if step else ["time", "batch"] if time_major else ["batch", "time"]
    if given.features is not None:
        axes.append(str(given.features))
    what = "ids" if given.features is None else "x"
    expected = f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"
    found = f"{what}: expected shape {expected}, found {tuple(shape)}"
    if len(shape) != rank:
        raise SpecError(f"{found}: {rank} axes needed, not {len(shape)}")
    raise SpecError(f"{found}: the model takes {given.features} features")


def check_mapping(what: str, value: Any, known: Iterable[str], needed: Iterable[str]) -> dict[str, Any]:
    """What a model with inputs by name takes: a mapping of them, a copy of which is returned; None is an empty one.

    Raises:
        SpecError: it is no mapping, or a name is unknown or missing.
    """
    known = list(known)
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        expected = ", ".join(f"{name!r}: …" for name in known)
        raise SpecError(f"{what}: expected a mapping by the names of the inputs, {{{expected}}}, found {_kind(value)}")
    for name in value:
        if name not in known:
            raise SpecError(f"{what}: unknown input {name!r}; expected {', '.join(known)}")
    for name in needed:
        if value.get(name) is None:
            raise SpecError(f"{what}: input {name!r} is missing; expected {', '.join(known)}")
    return {name: value[name] for name in known if value.get(name) is not None}


def check_rows(found: int | None, expected: int | None) -> None:
    """All inputs have as many rows. Raises SpecError: they have not."""
    if None not in (found, expected) and found != expected:
        raise SpecError(f"expected {expected} rows as in the inputs before it, found {found}")


def _kind(value: Any) -> str:
    return f"an array of shape {tuple(value.shape)}" if hasattr(value, "shape") else type(value).__name__


def numbers(value: Any, name: str = "x", called: str = "{}") -> np.ndarray:
    """x, or what is `called` so, with its name, as real numbers. Raises SpecError: it holds anything else."""
    found = array(value, name, called)
    if found.dtype.kind not in "fiub":
        what = "a mapping; the model's input has no name" if isinstance(value, Mapping) else str(found.dtype)
        raise SpecError(f"{called.format(name)}: expected numbers, found {what}")
    return found


def array(value: Any, name: str, called: str = "{}") -> np.ndarray:
    """What is `called` so with its name, as an array. Raises SpecError: rows of several lengths."""
    try:
        return np.asarray(value)
    except ValueError:  # of NumPy, for lists of several lengths
        raise SpecError(f"{called.format(name)}: expected an array, found rows of several lengths; pad them") from None


def check_ids(ids: np.ndarray, vocabulary: int) -> None:
    """Integer ids, from 0 to vocabulary − 1: no backend may wrap or clamp them.

    Raises:
        SpecError: an id of another type or out of range.
    """
    if not np.issubdtype(ids.dtype, np.integer):
        raise SpecError(f"ids: expected integers, found {ids.dtype}; the model begins with an embedding")
    if ids.size and (ids.min() < 0 or ids.max() >= vocabulary):
        bad = int(ids.min()) if ids.min() < 0 else int(ids.max())
        raise SpecError(f"ids: found {bad}, expected 0 to {vocabulary - 1}")


def check_lengths(lengths: np.ndarray, batch: int, time: int) -> None:
    """Integers (batch,), each from 0 to the steps of x. Raises SpecError: they are not."""
    if not np.issubdtype(lengths.dtype, np.integer):
        raise SpecError(f"lengths: expected integers, found {lengths.dtype}")
    if lengths.shape != (batch,):
        raise SpecError(f"lengths: expected shape ({batch},), one per row of x, found {lengths.shape}")
    for row, length in enumerate(lengths.tolist()):
        if length < 0:
            raise SpecError(f"lengths: row {row} is {length}, expected 0 to {time}")
        if length > time:
            raise SpecError(f"lengths: row {row} is {length}, beyond the {time} steps of x; shorten it or pad x")


def check_marks(name: str, boolean: bool, shape: Sequence[int | None], batch: int, time: int) -> None:
    """A mask, or resets: booleans (batch, time); a None in `shape` is unknown yet and passes.

    Raises:
        SpecError: they are not.
    """
    if not boolean:
        raise SpecError(f"{name}: expected booleans, found another dtype; compare it with 0 first")
    if len(shape) != 2 or any(
        None not in pair and pair[0] != pair[1] for pair in zip(shape, (batch, time), strict=True)
    ):
        raise SpecError(f"{name}: expected shape ({batch}, {time}), found {tuple(shape)}")


def check_named(state: Any) -> None:
    """States come by name. Raises SpecError: they do not."""
    if not isinstance(state, (dict, Mapping)):  # a dict is known faster
        raise SpecError(f"state: expected a mapping, name → array (batch, size), found {type(state).__name__}")


def check_state(sizes: Mapping[str, int], state: Mapping[str, Any], batch: int | None) -> None:
    """All states of `sizes` by name, each (batch, size); a None in a shape is unknown yet and passes.

    Raises:
        SpecError: one is missing, unknown or of another shape.
    """
    for name in state:
        if name not in sizes:
            raise SpecError(f"state: unknown {name!r}; expected {', '.join(sizes) or 'none'}")
    for name, size in sizes.items():
        if name not in state:
            raise SpecError(f"state: {name!r} is missing; give all states, or none for zeros")
        shape = state[name].shape
        known = shape == (batch, size)  # mostly; else some of it may be unknown
        known = known or (len(shape) == 2 and shape[1] in (size, None) and (batch is None or shape[0] in (batch, None)))
        if not known:
            raise SpecError(f"state: {name!r}: expected shape ({batch or 'batch'}, {size}), found {tuple(shape)}")


def check_cotangents(shapes: Mapping[str, tuple[int, ...]], cotangents: Mapping[str, tuple[int, ...]]) -> None:
    """Shapes by name: each is that of a result; not every result needs one (CALL-10).

    Raises:
        SpecError: one is of no result, or of another shape.
    """
    for name, shape in cotangents.items():
        if name not in shapes:
            raise SpecError(f"cotangents: unknown {name!r}; expected some of {', '.join(shapes)}")
        if tuple(shape) != tuple(shapes[name]):
            raise SpecError(f"cotangents: {name!r}: expected shape {tuple(shapes[name])}, found {tuple(shape)}")


def check_dtype(dtype: str) -> str:
    """float32 or float64. Raises SpecError: another dtype."""
    if dtype not in ("float32", "float64"):
        raise SpecError(f"dtype: expected 'float32' or 'float64', found {dtype!r}")
    return dtype
