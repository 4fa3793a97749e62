"""Tensors of what a network is given, each checked: in NumPy where values are known, else when the graph runs."""

from typing import Any

import numpy as np
import tensorflow as tf

from rnnspec import inputs
from rnnspec.errors import SpecError

Size = Any  # an int, or a scalar tensor where it is not known yet


class Arrays:
    """`rnnspec.inputs.Arrays`: sizes that are not known are scalar tensors."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def ids(self, x: Any, vocabulary: int) -> tf.Tensor:
        """Of any integer type, as int64."""
        ids = _ids(vocabulary, x)
        _shape("x", ids)
        return ids

    def features(self, x: Any) -> tf.Tensor:
        """Arrays of any type, and tensors in the dtype of the network."""
        features = _floats("x", x, self.dtype)
        _shape("x", features)
        return features

    def sizes(self, x: tf.Tensor) -> tuple[Size, ...]:
        """The lengths of the first two axes."""
        return tuple(size if size is not None else tf.shape(x)[axis] for axis, size in enumerate(x.shape[:2]))

    def lengths(self, value: Any, batch: Size, time: Size) -> tf.Tensor:
        """Of any integer type, as int32."""
        return _lengths(value, batch, time)

    def marks(self, name: str, value: Any, batch: Size, time: Size) -> tf.Tensor:
        """Booleans."""
        marks = tf.convert_to_tensor(as_array(name, value))
        inputs.check_marks(name, marks.dtype == tf.bool, (None, None), 0, 0)  # now the shape
        return agreeing(name, marks, batch, time)

    def state(self, name: str, value: Any) -> tf.Tensor:
        """Arrays of any type, and tensors in the dtype of the network."""
        return _floats(f"state {name!r}", value, self.dtype)


def as_array(name: str, value: Any) -> Any:
    """Tensors of all kinds as they are, anything else as an array."""
    return value if hasattr(value, "dtype") and not isinstance(value, np.ndarray) else inputs.array(value, name)


def _floats(name: str, value: Any, dtype: str) -> tf.Tensor:
    if not tf.is_tensor(value):
        return tf.convert_to_tensor(inputs.numbers(value, name).astype(dtype))
    if isinstance(value, tf.RaggedTensor):
        raise SpecError(f"{name}: expected a dense tensor; give x.to_tensor(), and lengths=x.row_lengths()")
    if value.dtype in (tf.float16, tf.bfloat16):  # of a model in mixed precision; nothing is lost
        value = tf.cast(value, dtype)
    if value.dtype != dtype:
        hint = "; Keras's fit casts arrays to keras.config.floatx()" if not tf.executing_eagerly() else ""
        fix = f"convert it with tf.cast({name.split()[0]}, tf.{dtype}){hint}"
        raise SpecError(f"{name}: expected {dtype}, found {value.dtype.name}; {fix}")
    return tf.convert_to_tensor(value)


def _ids(vocabulary: int, value: Any) -> tf.Tensor:
    known = tf.get_static_value(value) if tf.is_tensor(value) else inputs.array(value, "ids")
    if known is not None:
        inputs.check_ids(known, vocabulary)
        return tf.convert_to_tensor(known.astype(np.int64))
    _integers("ids", value)
    ids = tf.cast(value, tf.int64)
    expected = f"ids: expected 0 to {vocabulary - 1}"
    low = tf.debugging.assert_non_negative(ids, expected)
    high = tf.debugging.assert_less(ids, tf.constant(vocabulary, tf.int64), expected)
    with tf.control_dependencies([low, high]):  # a GPU would answer zeros
        return tf.identity(ids)


def _lengths(value: Any, batch: Size, time: Size) -> tf.Tensor:
    known = tf.get_static_value(value) if tf.is_tensor(value) else inputs.array(value, "lengths")
    if known is not None and isinstance(batch, int) and isinstance(time, int):
        inputs.check_lengths(known, batch, time)
        return tf.convert_to_tensor(known.astype(np.int32))
    lengths = tf.convert_to_tensor(value)
    _integers("lengths", lengths)
    lengths = tf.cast(agreeing("lengths", lengths, batch), tf.int32)
    low = tf.debugging.assert_non_negative(lengths, "lengths: expected 0 or more")
    high = tf.debugging.assert_less_equal(lengths, time, "lengths: beyond the steps of x; shorten it or pad x")
    with tf.control_dependencies([low, high]):
        return tf.identity(lengths)


def _integers(name: str, value: tf.Tensor) -> None:
    if not value.dtype.is_integer:
        raise SpecError(f"{name}: expected integers, found {value.dtype.name}")


def _shape(name: str, value: tf.Tensor) -> tuple[int | None, ...]:
    if value.shape.rank is None:
        raise SpecError(f"{name}: expected a known number of axes; give the tf.function an input_signature")
    return tuple(value.shape)


def agreeing(name: str, value: tf.Tensor, *expected: Size) -> tf.Tensor:
    """The tensor, its shape checked: at once where it is known, else when the graph runs (nothing may broadcast).

    Raises:
        SpecError: a known shape is another one, or the number of axes is unknown.
    """
    shape = _shape(name, value)
    known = tuple(size if isinstance(size, int) else None for size in expected)
    if not value.shape.is_compatible_with(known):
        raise SpecError(f"{name}: expected shape {known}, found {shape}")
    if None not in shape and None not in known:
        return value
    message = f"{name}: does not fit the batch or the steps of x"
    with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(value), tf.stack(expected), message)]):
        return tf.identity(value)
