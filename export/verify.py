"""Run what was exported, at sizes it was not told about (EXPORT-6)."""

import numpy as np

from rnnspec import accuracy
from rnnspec.checkpoint import Checkpoint
from rnnspec.errors import SpecError
from rnnspec.export.session import Session
from rnnspec.export.start import initial_states
from rnnspec.layers import Embedding
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
    largest = 0.0
    calls = [random_inputs(checkpoint, batch, time, rng, session) for batch, time in _SIZES]
    if session.optional:  # once more, without the states that may be left out
        calls.append({name: array for name, array in calls[-1].items() if name not in session.optional})
    for feeds in calls:
        batch, time = _sizes(session, feeds["x"])
        actual = session.run(feeds)
        expected = results(exact, feeds, session.step)
        allowed = accuracy.allowed_in(model, results(rough, feeds, session.step), expected, time)
        name, error = accuracy.worst(actual, expected)
        if error > allowed:
            raise SpecError(
                f"export: {name!r} differs from the reference by {error:.1e} at batch {batch}, time {time}, "
                f"where {allowed:.1e} is rounding; "
                "this is a defect of the exporter or of ONNX Runtime, nothing was written"
            )
        largest = max(largest, error)
    return largest


def results(net: Net, feeds: dict, step: bool) -> dict[str, np.ndarray]:
    """What the reference makes of the same inputs: outputs and final states by name."""
    state = {name: feeds[name] for name in net.model.states() if name in feeds}
    if step:
        y, new = net.step(feeds["x"], _started(net, state, len(feeds["x"])))
    else:
        rows = feeds["x"].shape[1 if net.time_major else 0]
        steps = {name: feeds[name] for name in ("x", "lengths", "mask", "reset") if name in feeds}
        y, new = net(**steps, state=_started(net, state, rows))
    return {**net.model.named(y), **new}


def _sizes(session: Session, x: np.ndarray) -> tuple[int, int]:
    """Rows and steps."""
    return (len(x), 1) if session.step else x.shape[1::-1] if session.time_major else x.shape[:2]


def _started(net: Net, state: dict[str, np.ndarray], rows: int) -> dict[str, np.ndarray]:
    """The states, those that are not given as sequences start from them."""
    missing = net.model.states().keys() - state.keys()
    if not missing:
        return state
    initial = initial_states(net.checkpoint)
    return state | {name: np.tile(initial[name], (rows, 1)) for name in missing}


def random_inputs(checkpoint: Checkpoint, batch: int, time: int, rng: np.random.Generator, session: Session) -> dict:
    """Random x and states; ragged lengths or a mask with holes, in both a row without valid steps; resets."""
    model = checkpoint.model
    axes = (batch,) if session.step else (time, batch) if session.time_major else (batch, time)
    first = model.layers[0]
    feeds: dict[str, np.ndarray] = {}
    if isinstance(first, Embedding):
        feeds["x"] = rng.integers(0, first.vocabulary, axes)
    else:
        feeds["x"] = rng.standard_normal((*axes, model.inputs or 0)).astype("float32")
    if "lengths" in session.takes:
        feeds["lengths"] = np.array([0, time - 2, time][:batch], "int32")
    if "mask" in session.takes:
        feeds["mask"] = (rng.random((batch, time)) < 0.6) & (np.arange(batch) > 0)[:, None]
    if "reset" in session.takes:
        feeds["reset"] = rng.random((batch, time)) < 0.3
    for name, size in model.states().items():
        feeds[name] = (rng.standard_normal((batch, size)) / 2).astype("float32")
    return feeds
