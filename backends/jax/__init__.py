"""JAX: the model as a pure function of a dictionary of parameters.

`net(x)` runs it; `net.apply(parameters, x)` is for `jit`, `grad` and `vmap`, and trains with `noise`.
"""

from rnnspec import backends

backends.require("jax")

from rnnspec.backends.jax.module import Net, checkpoint, load  # noqa: E402 (the check comes first)
from rnnspec.backends.jax.vjp import vjp  # noqa: E402

__all__ = ["Net", "checkpoint", "load", "vjp"]
