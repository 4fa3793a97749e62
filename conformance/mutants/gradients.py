"""Mutants of the gradients, whose results are right."""

from collections.abc import Callable, Iterator

import numpy as np

from rnnspec.conformance.mutants.mutant import Mutant

Arrays = dict[str, np.ndarray]


def gradient_mutants() -> Iterator[Mutant]:
    """What people forget when they write a backward pass."""

    def of(names: str, change: Callable[[dict, np.ndarray], np.ndarray]) -> Callable[[dict, dict], dict]:
        def changed(call: dict, gradients: Arrays) -> Arrays:
            found = {name: a for name, a in gradients.items() if names in name}
            return gradients | {name: change(call, a) for name, a in found.items()}

        return changed

    rows = [
        ("the bias has none", "bias", lambda call, a: a * 0),
        ("the recurrent kernel has none", "recurrent_kernel", lambda call, a: a * 0),
        (
            "the kernel's is transposed",
            "kernel",
            lambda call, a: a.swapaxes(-1, -2) if a.shape[-1] == a.shape[-2] else a * 0,
        ),
        ("x has none", "x", lambda call, a: a * 0),
        ("they are averaged over rows", "", lambda call, a: a / len(call["x"])),
        ("they are averaged over steps", "kernel", lambda call, a: a / call["x"].shape[1]),
        ("they have the other sign", "", lambda call, a: -a),
        ("initial states have none", ".h", lambda call, a: a * 0),
        ("initial cell states have none", ".c", lambda call, a: a * 0),
        ("peepholes have none", "peephole", lambda call, a: a * 0),
        ("the projection has none", "projection", lambda call, a: a * 0),
        ("layer norms have none", "gamma", lambda call, a: a * 0),
        ("learned states have none", "initial", lambda call, a: a * 0),
        ("embeddings have none", "embeddings", lambda call, a: a * 0),
        ("invalid steps have gradients too", "x", _everywhere),
        ("they are clipped to 1", "", lambda call, a: np.clip(a, -1, 1)),
        (
            "x has one at the first step only",
            "x",
            lambda call, a: a * (np.arange(a.shape[1]) == 0)[None, :, None] if a.ndim == 3 else a,
        ),
    ]
    for wrong, names, change in rows:
        yield Mutant("GRAD-2" if "invalid" in wrong else "GRAD-1", wrong, gradients=of(names, change))


def _everywhere(call: dict, gradient: np.ndarray) -> np.ndarray:
    return gradient + (gradient == 0) * 0.1 if "lengths" in call or "mask" in call else gradient
