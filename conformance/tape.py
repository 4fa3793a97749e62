"""Reverse-mode differentiation of NumPy code: every operation on a `Traced` array is put on a tape, with the derivative
that takes a gradient back to what it was computed from (Wengert 1964; Griewank & Walther 2008, chapter 3)."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from rnnspec.conformance import elementary as e
from rnnspec.errors import UnsupportedError
from rnnspec.reference.ops import ERF

EXACT = np.finfo(np.longdouble).nmant >= 63  # whether this machine has what the oracle computes in
Backward = Callable[[np.ndarray], np.ndarray]  # the gradient of a result → its part of an argument's


class Tape:
    """The traced arrays, each after those it was computed from.

    All is computed in `np.longdouble`, and each result rounded to `precision`: products and the terms of sums too, so
    that float32 is emulated in an order of summation that no processor or library can change.
    """

    def __init__(self, precision: type[np.floating] = np.longdouble) -> None:
        if not EXACT:
            raise UnsupportedError("np.longdouble: expected 64 bits of precision or more; run this on x86-64 Linux")
        self.precision = precision
        self.arrays: list[Traced] = []

    def rounded(self, value: Any) -> np.ndarray:
        """The same in another precision."""
        value = np.asarray(value, np.longdouble)
        return value if self.precision is np.longdouble else value.astype(self.precision).astype(np.longdouble)

    def value(self, argument: Any) -> np.ndarray:
        """What stands in an argument, traced or not."""
        return argument.value if isinstance(argument, Traced) else self.rounded(argument)

    def backward(self, cotangents: Sequence[tuple["Traced", np.ndarray]]) -> None:
        """Set `gradient` of every array to that of Σ cotangent ⊙ array, over the arrays given."""
        for array in self.arrays:
            array.gradient = np.zeros(array.shape, np.longdouble)
        for array, cotangent in cotangents:
            array.gradient = array.gradient + cotangent
        for array in reversed(self.arrays):
            for parent, back in array.parents:
                parent.gradient = parent.gradient + back(array.gradient)


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array on a tape. What NumPy does with it has a rule here, or raises NotImplementedError."""

    dtype = np.dtype(np.longdouble)
    gradient: np.ndarray

    def __init__(self, tape: Tape, value: Any, *parents: tuple[Any, Backward]) -> None:
        self.tape = tape
        self.value = tape.rounded(value)
        self.parents = [(parent, back) for parent, back in parents if isinstance(parent, Traced)]
        self.shape, self.ndim = self.value.shape, self.value.ndim
        tape.arrays.append(self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            raise NotImplementedError(f"np.{ufunc.__name__}, {method} {options}: a tape has no rule for its options")
        return self._call(ufunc, inputs, {})

    def __array_function__(self, function: Callable, types: Any, args: tuple, options: dict[str, Any]) -> Any:
        return self._call(function, args, options)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise NotImplementedError("an array leaves its tape: expected NumPy functions that dispatch, not np.asarray")

    def _call(self, function: Callable, args: tuple, options: dict[str, Any]) -> Any:
        if function in _STRUCTURE:
            return _STRUCTURE[function](self.tape, *args, **options)
        if options or function not in _PARTIALS.keys() | _COMPARISONS:
            raise NotImplementedError(f"np.{function.__name__}: a tape has no rule for it, or for its {options}")
        values = [self.tape.value(argument) for argument in args]
        if function in _COMPARISONS:
            return function(*values)
        y = _VALUES.get(function, function)(*values)
        partials = _PARTIALS[function](y, *values)
        backs = [_times(d, value.shape) for d, value in zip(partials, values, strict=True)]
        return Traced(self.tape, y, *zip(args, backs, strict=True))

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Any) -> "Traced":
        def scattered(g: np.ndarray) -> np.ndarray:
            total = np.zeros(self.shape, np.longdouble)
            np.add.at(total, index, g)
            return total

        return Traced(self.tape, self.value[index], (self, scattered))

    @property
    def T(self) -> "Traced":
        """The axes in reverse."""
        return Traced(self.tape, self.value.T, (self, lambda g: g.T))

    def reshape(self, *shape: int) -> "Traced":
        shape = shape[0] if isinstance(shape[0], tuple) else shape
        return Traced(self.tape, self.value.reshape(shape), (self, lambda g: g.reshape(self.shape)))

    def astype(self, dtype: Any) -> Self:
        """The same in another dtype."""
        if dtype != self.dtype:
            raise NotImplementedError(f"astype({dtype}): all on a tape is {self.dtype}")
        return self

    def max(self, axis: int, keepdims: bool) -> "Traced":
        """As NumPy's."""
        y = self._last(axis, keepdims).value.max(-1, keepdims=True)
        largest = self.value == y
        return Traced(self.tape, y, (self, lambda g: g * largest / largest.sum(-1, keepdims=True)))

    def sum(self, axis: int, keepdims: bool) -> "Traced":
        """As NumPy's."""
        return self._last(axis, keepdims) @ np.ones((self.shape[-1], 1))

    def mean(self, axis: int, keepdims: bool) -> "Traced":
        """As NumPy's."""
        return self.sum(axis, keepdims) / self.shape[-1]

    def _last(self, axis: int, keepdims: bool) -> "Traced":
        if axis != -1 or not keepdims:
            raise NotImplementedError(f"axis={axis}, keepdims={keepdims}: a tape reduces the last axis, and keeps it")
        return self


def _matmul(tape: Tape, x: Any, w: Any) -> Traced:
    a, b = tape.value(x), tape.value(w)
    if b.ndim != 2:
        raise NotImplementedError(f"np.matmul: a tape multiplies with a matrix, found {b.ndim} axes")
    y = np.zeros((*a.shape[:-1], b.shape[1]), np.longdouble)
    for k in range(len(b)):
        y = tape.rounded(y + tape.rounded(a[..., k, None] * b[k]))
    rows = a.reshape(-1, len(b))
    return Traced(tape, y, (x, lambda g: g @ b.T), (w, lambda g: rows.T @ g.reshape(-1, b.shape[1])))


def _split(tape: Tape, x: Traced, parts: Any, axis: int) -> list[Traced]:
    sizes = [part.shape[axis] for part in np.split(x.value, parts, axis)]
    if axis != -1:
        raise NotImplementedError(f"np.split(axis={axis}): a tape splits the last axis")
    return [x[..., end - size : end] for size, end in zip(sizes, np.cumsum(sizes), strict=True)]


def _concatenate(tape: Tape, parts: Sequence[Any], axis: int) -> Traced:
    values = [tape.value(part) for part in parts]
    ends = np.cumsum([value.shape[axis] for value in values])

    def part(k: int) -> Backward:
        return lambda g: np.split(g, ends[:-1], axis)[k]

    return Traced(tape, np.concatenate(values, axis), *((x, part(k)) for k, x in enumerate(parts)))


def _stack(tape: Tape, parts: Sequence[Any], axis: int) -> Traced:
    def part(k: int) -> Backward:
        return lambda g: np.take(g, k, axis)

    y = np.stack([tape.value(x) for x in parts], axis)
    return Traced(tape, y, *((x, part(k)) for k, x in enumerate(parts)))


def _times(partial: Any, shape: tuple[int, ...]) -> Backward:
    """The gradient times a partial derivative, summed over the axes along which an argument of `shape` was repeated."""

    def back(g: np.ndarray) -> np.ndarray:
        g = g * partial
        g = g.sum(tuple(range(g.ndim - len(shape))))
        return g.sum(tuple(k for k, size in enumerate(shape) if size != g.shape[k]), keepdims=True)

    return back


_COMPARISONS = {np.greater, np.greater_equal, np.not_equal}
_VALUES: dict[Any, Callable] = {np.exp: e.exp, np.tanh: e.tanh, np.log: e.log, np.logaddexp: e.logaddexp, ERF: e.erf}
_STRUCTURE: dict[Any, Callable] = {
    np.matmul: _matmul,
    np.split: _split,
    np.concatenate: _concatenate,
    np.stack: _stack,
}
# Elementwise: (y, arguments) → ∂y/∂argument, one each. A condition has none: 0 stands for it, and for limits.
_PARTIALS: dict[Any, Callable[..., tuple]] = {
    np.negative: lambda y, a: (-1,),
    np.absolute: lambda y, a: (np.where(a >= 0, 1, -1),),  # as the reference's σ branches, which so has σ'(0) = 1/4
    np.exp: lambda y, a: (y,),
    np.log: lambda y, a: (1 / a,),
    np.sqrt: lambda y, a: (0.5 / y,),
    np.tanh: lambda y, a: (1 - y * y,),
    ERF: lambda y, a: (e.exp(-a * a) * e.TWO_OVER_ROOT_PI,),
    np.add: lambda y, a, b: (1, 1),
    np.subtract: lambda y, a, b: (1, -1),
    np.multiply: lambda y, a, b: (b, a),
    np.true_divide: lambda y, a, b: (1 / b, -y / b),
    np.maximum: lambda y, a, b: (a > b, b >= a),  # relu'(0) = 0
    np.logaddexp: lambda y, a, b: (e.exp(a - y), e.exp(b - y)),
    np.where: lambda y, condition, a, b: (0, condition, 1 - condition),
    np.clip: lambda y, a, low, high: ((low <= a) & (a <= high), 0, 0),  # 1 on the border
}
