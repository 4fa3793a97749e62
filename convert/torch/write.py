"""Our models as state dicts for torch's stock modules, and as a module of Python that says how these are called."""

import io
from pathlib import Path

import numpy as np
import safetensors.numpy

from rnnspec.atomic import write_atomically
from rnnspec.cells import Stack
from rnnspec.checkpoint import Checkpoint
from rnnspec.convert.torch.modules import modules_of_each
from rnnspec.convert.torch.source import HEAD, source
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.layers import Recurrent
from rnnspec.model import Model


def write(checkpoint: Checkpoint, target: Path) -> list[str]:
    """Write a state dict, and beside it, under the same name in .py, a module that needs torch alone: its `load()`
    gives the model with these weights, and the same numbers.

    The state dict is that of `rnnspec.backends.torch.to_native(checkpoint)` where there is one, and loads into it
    strictly: a model of one recurrent module has bare names, `weight_ih_l0`; any other has our layers' names in front,
    and layers `lstm_0`, `lstm_1`, … that one module can hold are `lstm`. Our bias is bias_ih, and bias_hh is zero but
    for the GRU's recurrent_bias. Cells with other activations than torch's, and a GRU that resets before the
    product, are loops in the source, with our parameters by our names (`name_reverse` of a backward direction), which
    no module of torch takes.

    Args:
        target: .pt or .pth, as `torch.save` writes them, or .safetensors, for which torch is not needed.

    Returns:
        What the modules do without, a line each.

    Raises:
        SpecError: another suffix; or a file of another's stands where the module would.
        UnsupportedError: stock modules cannot say it; or .pt without torch.
    """
    if target.suffix not in (".pt", ".pth", ".safetensors"):
        raise SpecError(f"{target}: expected a name in .pt, .pth or .safetensors")
    beside = target.with_suffix(".py")
    if beside.exists() and not beside.read_bytes().startswith(HEAD.encode()):
        raise SpecError(
            f"{beside}: is there, and rnnspec did not write it; the model's source would be, so name another -o"
        )
    found = modules_of_each(checkpoint)
    text = source(checkpoint.model, found, _held(checkpoint.model), target.name, checkpoint.dtype == "float64")
    state = {name: np.ascontiguousarray(array) for name, array in found.state_dict().items()}
    if target.suffix == ".safetensors":
        data = safetensors.numpy.save(state, {"format": "pt"})
    else:
        data = _pickled(state, target)
    write_atomically(target, data)
    write_atomically(beside, text.encode())
    return [*found.notes, f"{beside.name} beside it says how the modules are called: load() gives the model"]


def _held(model: Model) -> set[str]:
    """The layers that give the last valid output at invalid steps; of a stack, its last."""
    held = [layer for layer in model.layers if isinstance(layer, Recurrent) and layer.padded_output == "hold"]
    ends = {layer.name: f"{layer.name}_{len(layer.cell.cells) - 1}" for layer in held if isinstance(layer.cell, Stack)}
    return {ends.get(layer.name, layer.name) for layer in held}


def _pickled(state: dict[str, np.ndarray], target: Path) -> bytes:
    """As `torch.save` writes it."""
    try:
        import torch
    except ImportError:
        raise UnsupportedError(f"{target}: writing it needs torch; write .safetensors, which does not") from None
    buffer = io.BytesIO()
    torch.save({name: torch.tensor(array) for name, array in state.items()}, buffer)
    return buffer.getvalue()
