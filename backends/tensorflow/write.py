"""Models of ours as files of stock Keras layers."""

import tempfile
from pathlib import Path

from rnnspec.atomic import write_atomically
from rnnspec.backends.tensorflow.native import to_native
from rnnspec.checkpoint import Checkpoint
from rnnspec.errors import SpecError


def write(checkpoint: Checkpoint, target: Path) -> list[str]:
    """Write `OUT.keras`, `OUT.h5` (the older format of whole models) or `OUT.weights.h5`, for `load_model` and
    `load_weights` of Keras 3, which need no rnnspec then. The file is written whole or not at all.

    Returns:
        What the layers do without, a line each.

    Raises:
        FileNotFoundError: there is no such folder.
        SpecError: another suffix.
        UnsupportedError: Keras has no layers that mean the same; or TensorFlow is missing.
    """
    suffix = next((each for each in (".weights.h5", ".h5", ".keras") if target.name.endswith(each)), None)
    if suffix is None:
        raise SpecError(
            f"{target}: expected a name that ends in .keras, .h5 or .weights.h5; give -o {target.with_suffix('.keras')}"
        )
    native = to_native(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        (native.save_weights if suffix == ".weights.h5" else native.save)(path)
        write_atomically(target, path.read_bytes())
    sequences = [given for given in checkpoint.model.given.values() if given.sequence]
    masked = all(given.padding is not None for given in sequences)
    return [] if masked else ["every step counts: Keras's layers take no lengths"]
