"""A backend under one set of its options: what a case is run on."""

import inspect
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.declaration import Declaration, declaration
from rnnspec.errors import UnsupportedError


class Absent(UnsupportedError):
    """The module has no such function or option: that declares itself."""


@dataclass(frozen=True)
class Variant:
    """A backend under one set of its options."""

    module: ModuleType
    dtype: str = "float32"
    path: str | None = None

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.module.__name__.removeprefix('rnnspec.backends.')} {self.short}"

    @property
    def short(self) -> str:
        """Its name without the backend's: what declarations are about."""
        return f"{self.path} {self.dtype}" if self.path else self.dtype

    @cached_property
    def declared(self) -> Declaration:
        """What the backend says of itself."""
        return declaration(self.module)

    @cached_property
    def takes(self) -> set[str]:
        """The keywords of the module's `load`."""
        return set(inspect.signature(self.module.load).parameters)

    @property
    def options(self) -> dict[str, Any]:
        """What `load` is given besides the checkpoint."""
        return ({} if self.dtype == "float32" else {"dtype": self.dtype}) | ({"path": self.path} if self.path else {})

    @property
    def trains(self) -> bool:
        """Whether it has gradients."""
        return hasattr(self.module, "vjp")

    def load(self, checkpoint: Checkpoint, **options: Any) -> Any:
        """A net; options are only passed where they are not the default: `load(checkpoint)` is all one needs.

        Raises:
            Absent: `load` does not take the options, or the module has no `vjp` and is given a `seed`.
        """
        if "seed" in options and not (self.trains and "seed" in self.takes):
            raise Absent("no `vjp`, or `load` takes no `seed`: the backend does not train")
        for option in options:
            if option not in self.takes:
                raise Absent(f"`load` takes no `{option}`")
        return self.module.load(checkpoint, **self.options | options)


def variants(module: ModuleType) -> list[Variant]:
    """float32 and, where `load` takes a dtype, float64; where it takes a path, each of the module's PATHS so, and in
    float32 the one that is taken by default.
    """
    takes = inspect.signature(module.load).parameters
    dtypes = ("float32", "float64") if "dtype" in takes else ("float32",)
    if "path" not in takes:
        return [Variant(module, dtype) for dtype in dtypes]
    return [Variant(module), *(Variant(module, dtype, path) for path in module.PATHS for dtype in dtypes)]
