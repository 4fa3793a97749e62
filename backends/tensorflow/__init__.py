"""TensorFlow: the model as a trainable `keras.Model`.

Which path a layer takes, Keras's own layer or the generic loop over the cell's `step`, is `net.paths()`, and can be
forced with `path="native"` or `path="generic"`.
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

from rnnspec.backends.tensorflow.module import Net, checkpoint, load  # noqa: E402

__all__ = ["Net", "checkpoint", "load"]
