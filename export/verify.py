"""Run what was exported, at sizes it was not told about (EXPORT-6)."""

import numpy as np

from rnnspec import accuracy
from rnnspec.checkpoint import Checkpoint
from rnnspec.errors import SpecError
from rnnspec.export import inputs
from rnnspec.export.session import Session
from rnnspec.export.start import elsewhere, initial_states
from rnnspec.inputs import STEPS, Arguments, as_call
from rnnspec.reference import Net

_SIZES = ((2, 5), (3, 8))  # (batch, time)


def verify(data: bytes, checkpoint: Checkpoint, tensors: dict[str, np.ndarray] | None = None) -> float:
    """Compare the model in ONNX Runtime with the reference in float64 and return the largest error; `tensors`: what
    lies beside `data`.

    Raises:
        SpecError: an output or final state is off by more than rounding (ACC-2).
    """
    session = Session(data, tensors=tensors)
    model = checkpoint.model
    exact, rough = (Net(checkpoint, dtype, session.time_major) for dtype in ("float64", "float32"))
    rng = np.random.default_rng(0)
    largest, own = 0.0, len(inputs.counted(model, session.step))
    calls = [(random_inputs(checkpoint, batch, time, rng, session), batch, time) for batch, time in _SIZES]
    if session.optional:
        feeds, batch, time = calls[-1]
        calls.append((without(session, feeds, batch), batch, time))
    for feeds, batch, time in calls:
        steps = time + own - 1 if own else 1
        actual = session.run(feeds)
        expected = results(exact, feeds, session.step)
        allowed = accuracy.allowed_in(model, results(rough, feeds, session.step), expected, steps)
        name, error = accuracy.worst(actual, expected)
        if error > allowed:
            raise SpecError(
                f"export: {name!r} differs from the reference by {error:.1e} at batch {batch}, time {steps}, "
                f"where {allowed:.1e} is rounding; "
                "this is a defect of the exporter or of ONNX Runtime, nothing was written"
            )
        largest = max(largest, error)
    return largest


def without(session: Session, feeds: dict, batch: int) -> dict[str, np.ndarray]:
    """A call without the states that may be left out; where some start from another place, with the others as sequences
    start from them."""
    left = {name: array for name, array in feeds.items() if name not in session.optional}
    if elsewhere(session.model):
        left |= {n: np.tile(value, (batch, 1)) for n, value in session.initial.items() if n in left}
    return left


def results(net: Net, feeds: dict, step: bool) -> dict[str, np.ndarray]:
    """What the reference makes of the same inputs: outputs and final states by name."""
    model = net.model
    call = as_call(model, feeds)
    missing = model.states().keys() - feeds.keys()
    if missing & set(elsewhere(model)):
        call.pop("state", None)
    elif missing:
        first = next(iter(model.given))
        rows = feeds[first].shape[inputs.axes(model, first, step, net.time_major).index("batch")]
        initial = initial_states(net.checkpoint)
        call["state"] = call.get("state", {}) | {name: np.tile(initial[name], (rows, 1)) for name in missing}
    x = call.pop("x")
    y, new = net.step(x, **call) if step else net(x, **call)
    return {**model.named(y), **new}


def random_inputs(checkpoint: Checkpoint, batch: int, time: int, rng: np.random.Generator, session: Session) -> dict:
    """Random inputs, each with its own number of steps, and states; ragged lengths or a mask with holes, in both a row
    without valid steps; resets."""
    model = checkpoint.model
    vocabularies = Arguments(model).vocabularies
    own = [name for name, given in model.given.items() if given.sequence and not given.like]
    feeds: dict[str, np.ndarray] = {}
    for name, given in model.given.items():
        k = own.index(given.like or name) if given.sequence else 0
        axes = inputs.axes(model, name, session.step, session.time_major)
        shape = tuple(batch if axis == "batch" else time + k for axis in axes)
        if given.features is None:
            feeds[name] = rng.integers(0, vocabularies[name], shape)
        else:
            feeds[name] = rng.standard_normal((*shape, given.features)).astype("float32")
        steps = {key: inputs.called(model, name, key) for key in STEPS}
        if steps["lengths"] in session.takes:
            feeds[steps["lengths"]] = np.roll([0, time + k - 2, time + k][:batch], k).astype("int32")
        if steps["mask"] in session.takes:
            empty = np.arange(batch) == k % batch
            feeds[steps["mask"]] = (rng.random((batch, time + k)) < 0.6) & ~empty[:, None]
        if steps["reset"] in session.takes:
            feeds[steps["reset"]] = rng.random((batch, time + k)) < 0.3
    for name, size in model.states().items():
        feeds[name] = (rng.standard_normal((batch, size)) / 2).astype("float32")
    return feeds
