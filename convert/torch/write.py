"""Our models as state dicts for torch's stock modules."""

import io
from pathlib import Path

import numpy as np
import safetensors.numpy

from rnnspec.atomic import write_atomically
from rnnspec.checkpoint import Checkpoint
from rnnspec.convert.torch.modules import modules
from rnnspec.errors import SpecError, UnsupportedError


def write(checkpoint: Checkpoint, target: Path) -> list[str]:
    """Write the state dict of `rnnspec.backends.torch.to_native(checkpoint)`, which loads into it strictly.

    A model of one recurrent module has bare names, `weight_ih_l0`; any other has our layers' names in front, and layers
    `lstm_0`, `lstm_1`, … that one module can hold are `lstm`. Our bias is bias_ih, and bias_hh is zero but for the
    GRU's recurrent_bias.

    Args:
        target: .pt or .pth, as `torch.save` writes them, or .safetensors, for which torch is not needed.

    Returns:
        What the modules do without, a line each.

    Raises:
        SpecError: another suffix.
        UnsupportedError: stock modules cannot say it; or .pt without torch.
    """
    found = modules(checkpoint)
    state = {name: np.ascontiguousarray(array) for name, array in found.state_dict().items()}
    if target.suffix == ".safetensors":
        write_atomically(target, safetensors.numpy.save(state, {"format": "pt"}))
        return found.notes
    if target.suffix not in (".pt", ".pth"):
        raise SpecError(f"{target}: expected a name in .pt, .pth or .safetensors")
    try:
        import torch
    except ImportError:
        raise UnsupportedError(f"{target}: writing it needs torch; write .safetensors, which does not") from None
    buffer = io.BytesIO()
    torch.save({name: torch.tensor(array) for name, array in state.items()}, buffer)
    write_atomically(target, buffer.getvalue())
    return found.notes
