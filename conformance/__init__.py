"""The conformance suite: cases on disk with the oracle's answers, protocols of calls, and a runner for any backend.

from rnnspec.conformance import cases, run, variants
results = [run(case, variant) for variant in variants(module) for case in cases()]
"""

import importlib
from typing import Any

_HOMES = {
    "Case": "case",
    "Invalid": "invalid",
    "Protocol": "protocol",
    "Result": "runner",
    "Variant": "variant",
    "cases": "everything",
    "run": "runner",
    "variants": "variant",
}
__all__ = ["Case", "Invalid", "Protocol", "Result", "Variant", "cases", "run", "variants"]


def __getattr__(name: str) -> Any:
    """Each name when it is first asked for: pytest loads the plugin of this package whenever it runs."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
