"""Run what was exported, at sizes it was not told about (EXPORT-6)."""

import numpy as np

from rnnspec import accuracy
from rnnspec.checkpoint import Checkpoint
from rnnspec.errors import SpecError
from rnnspec.layers import Embedding
from rnnspec.reference import Net

_SIZES = ((2, 5), (3, 8))  # (batch, time)


def verify(data: bytes, checkpoint: Checkpoint) -> float:
    """Compare the model in ONNX Runtime with the reference in float64 and return the largest error.

    Raises:
        SpecError: an output or final state is off by more than the tolerance.
    """
    from rnnspec.backends.onnxruntime import Session

    session = Session(data)
    reference = Net(checkpoint, "float64", session.time_major)
    rng = np.random.default_rng(0)
    largest = 0.0
    for batch, time in _SIZES:
        feeds = random_inputs(checkpoint, batch, time, rng, session)
        actual = session.run(feeds)
        state = {name: feeds[name] for name in checkpoint.model.states()}
        if session.step:
            y, new = reference.step(feeds["x"], state)
        else:
            y, new = reference(feeds["x"], lengths=feeds.get("lengths"), state=state)
        name, error = accuracy.worst(actual, {"y": y, **new})
        if error > accuracy.TOLERANCE["float32"]:
            raise SpecError(
                f"export: {name!r} differs from the reference by {error:.1e} at batch {batch}, time {time}; "
                "this is a defect of the exporter or of ONNX Runtime, nothing was written"
            )
        largest = max(largest, error)
    return largest


def random_inputs(checkpoint: Checkpoint, batch: int, time: int, rng: np.random.Generator, session) -> dict:
    """Random x, ragged lengths with a row of length 0, and random states."""
    model = checkpoint.model
    axes = (batch,) if session.step else (time, batch) if session.time_major else (batch, time)
    first = model.layers[0]
    if isinstance(first, Embedding):
        feeds = {"x": rng.integers(0, first.vocabulary, axes)}
    else:
        feeds = {"x": rng.standard_normal((*axes, model.inputs or 0)).astype("float32")}
    if session.takes_lengths:
        feeds["lengths"] = np.array([0, time - 2, time][:batch], "int32")
    for name, size in model.states().items():
        feeds[name] = (rng.standard_normal((batch, size)) / 2).astype("float32")
    return feeds
