"""PyTorch: the model as a trainable `nn.Module`.

Which path a layer takes, torch's own layer, a fused loop of ours or the generic one over the cell's `step`, is
`net.paths()`, and can be forced with `path="native"`, `"fused"` or `"generic"`.
"""

from rnnspec import backends

backends.require("torch")

from rnnspec.backends.torch.module import PATHS, Net, checkpoint, load  # noqa: E402 (the check comes first)
from rnnspec.backends.torch.native import from_native, to_native  # noqa: E402
from rnnspec.backends.torch.vjp import vjp  # noqa: E402

__all__ = ["PATHS", "Net", "checkpoint", "from_native", "load", "to_native", "vjp"]
