"""What a network is called with, as tensors by name, and checked (INPUT-1 to INPUT-7)."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf

from rnnspec import inputs
from rnnspec.backends.tensorflow.arrays import Arrays, Size, agreeing, as_array
from rnnspec.errors import SpecError
from rnnspec.model import Model
from rnnspec.valid import Valid

Given = dict[str, tf.Tensor]  # inputs, what says which of their steps count, and states: names of an .npz file
SEED = ".seed"  # what noise is drawn from, among them: the name of nothing else
_ABSENT = dict.fromkeys(("lengths", "mask", "state", "reset"))
_ALL = Valid()


def separate(model: Model, x: Any, *, state: Mapping[str, Any] | None = None, **steps: Any) -> dict[str, Any]:
    """The arguments by the names of an .npz file, absent ones left out; x may be a mapping that holds them all.

    steps: lengths, mask and reset; mappings where inputs have names.

    Raises:
        SpecError: a mapping with other keys, or states that do not fit.
    """
    if model.by_name:
        given = inputs.check_mapping("x", x, inputs.names(model), model.given)
        whole = any(name not in model.given for name in given)
    elif whole := isinstance(x, Mapping):
        names = inputs.names(model)
        for name in x:
            if name not in names:
                raise SpecError(f"x: unknown key {name!r}; expected {', '.join(names)}")
        if "x" not in x:
            raise SpecError("x: the mapping has no key 'x'; add it")
        given = dict(x)
    else:
        given = {"x": x}
    if whole:
        if state is not None or any(value is not None for value in steps.values()):
            raise SpecError("x: a mapping holds lengths, mask, reset and states itself; give them there")
        return given
    for key, value in steps.items():
        if value is not None:
            of = inputs.check_mapping(key, value, model.given, ()) if model.by_name else {"": value}
            given |= {f"{name}.{key}" if name else key: array for name, array in of.items()}
    if state is None:
        return given
    inputs.check_named(state)
    state = {name: as_array(f"state: {name!r}", value) for name, value in state.items()}
    inputs.check_state(model.states(), state, None)
    return given | state


def check(arguments: inputs.Arguments, given: dict[str, Any], dtype: str, *, step: bool = False) -> Given:
    """The arguments as tensors. Raises SpecError where they do not fit the model."""
    model, arrays = arguments.model, Arrays(dtype)
    call = _ABSENT | inputs.as_call(model, given)
    if step:
        x, valid, state, rows = arguments.of_step(arrays, call["x"], call["state"], call["lengths"], call["mask"])
    else:
        x, valid, state, rows = arguments.of_call(arrays, **call)
    if rows is None or model.by_name:
        x, rows = _alike(arguments, arrays, x, step)
    sizes = arguments.states
    states = {name: agreeing(f"state: {name!r}", value, rows, sizes[name]) for name, value in (state or {}).items()}
    for name, keys in marks(model).items():
        for key, value in zip(keys, valid.get(name, _ALL), strict=True):
            if value is not None:
                x[key] = value
    return x | states


def marks(model: Model) -> dict[str, tuple[str, ...]]:
    """Input with a time of its own → the names of its lengths, mask and reset among the arguments."""
    if not model.by_name:
        return {"x": inputs.STEPS}
    own = [name for name, given in model.given.items() if given.sequence and not given.like]
    return {name: tuple(f"{name}.{key}" for key in inputs.STEPS) for name in own}


def _alike(arguments: inputs.Arguments, arrays: Arrays, x: Given, step: bool) -> tuple[Given, Size]:
    """The inputs and their rows. As many rows in each, and steps in those along one time: what is not known yet is
    checked when the graph runs (what is known has been)."""
    model, sizes = arguments.model, {}
    for name, value in x.items():
        whole = model.given[name].sequence and not (step and name in model.stepped)
        leading = arrays.sizes(value)[: 2 if whole else 1]
        sizes[name] = leading[::-1] if whole and arguments.time_major else leading
    first = next(iter(sizes.values()))
    checked: Given = {}
    for name, found in sizes.items():
        expected = (first[0], *sizes[model.given[name].like or name][1:])
        unknown = [
            tf.debugging.assert_equal(one, other, f"{name}: does not fit the rows or the steps of the other inputs")
            for one, other in zip(found, expected, strict=True)
            if one is not other and not (isinstance(one, int) and isinstance(other, int))
        ]
        with tf.control_dependencies(unknown):
            checked[name] = tf.identity(x[name]) if unknown else x[name]
    return checked, first[0]


def symbolic(given: dict[str, Any]) -> bool:
    """Whether a functional Keras model is being defined: then checks wait for its calls."""
    return any(isinstance(value, keras.KerasTensor) for value in given.values())


def specs(model: Model, dtype: str, names: Iterable[str], step: bool = False) -> dict[str, tf.TensorSpec]:
    """The arguments called `names` as a graph takes them: batch and time are free."""
    known: dict[str, tf.TensorSpec] = {SEED: tf.TensorSpec([2], tf.int64, "seed")}
    for name, given in model.given.items():
        leading = [None, None] if given.sequence and not (step and name in model.stepped) else [None]
        features = [] if given.features is None else [given.features]
        known[name] = tf.TensorSpec([*leading, *features], dtype if features else tf.int64, name)
    for lengths, mask, reset in marks(model).values():
        known[lengths] = tf.TensorSpec([None], tf.int32, _plain(lengths))
        known |= {name: tf.TensorSpec([None, None], tf.bool, _plain(name)) for name in (mask, reset)}
    known |= {name: tf.TensorSpec([None, size], dtype, _plain(name)) for name, size in model.states().items()}
    return {name: known[name] for name in names}


def _plain(name: str) -> str:
    """As a name in a signature."""
    return name.replace(".", "_")
