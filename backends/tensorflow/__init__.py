"""TensorFlow: the model as a trainable `keras.Model`.

Which path a layer takes, Keras's own layer, our fused loop with a gradient derived from the cell's `step`, or a plain
loop over `step`, is `net.paths()`, and can be forced with `path="native"`, `"fused"` or `"generic"`.
"""

from rnnspec import backends
from rnnspec.errors import UnsupportedError

backends.require("tensorflow")

import keras  # noqa: E402 (the checks come first)

if keras.backend.backend() != "tensorflow":
    raise UnsupportedError(
        f"backend 'tensorflow' needs Keras on TensorFlow, found Keras on {keras.backend.backend()}; "
        "set KERAS_BACKEND=tensorflow before the first import of keras"
    )

from rnnspec.backends.tensorflow.module import PATHS, Net, checkpoint, load  # noqa: E402
from rnnspec.backends.tensorflow.native import from_native, to_native  # noqa: E402
from rnnspec.backends.tensorflow.vjp import vjp  # noqa: E402

__all__ = ["PATHS", "Net", "checkpoint", "from_native", "load", "to_native", "vjp"]
