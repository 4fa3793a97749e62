"""Starting values, drawn in float64 so that every backend begins with the same numbers (INIT-1, INIT-3).

Here and in the cells the type of the generator is in quotes: its bare name would import `numpy.random`.
"""

import numpy as np


def recurrent(name: str, shape: tuple[int, ...], rng: "np.random.Generator", scheme: str = "keras") -> np.ndarray:
    """A cell's parameter, as Keras draws it, or as torch does: U(±1/√units), biases too."""
    if name.endswith("gamma"):
        return np.ones(shape)
    if name.endswith("beta"):
        return np.zeros(shape)
    if scheme == "torch":
        units = shape[-1] if name in ("projection", "recurrent_bias") or len(shape) < 2 else shape[1]
        return rng.uniform(-1, 1, shape) / np.sqrt(units)
    if name == "recurrent_kernel":
        return orthogonal(shape, rng) if len(shape) > 2 else rng.uniform(-1, 1, shape)
    return glorot_uniform(shape, rng) if name.endswith(("kernel", "projection")) else np.zeros(shape)


def dense(name: str, shape: tuple[int, ...], inputs: int, rng: "np.random.Generator", scheme: str) -> np.ndarray:
    """A dense layer's parameter: Glorot and zeros, or as torch draws it, U(±1/√inputs) for both."""
    if scheme == "torch":
        return rng.uniform(-1, 1, shape) / np.sqrt(inputs)
    return glorot_uniform(shape, rng) if name == "kernel" else np.zeros(shape)


def glorot_uniform(shape: tuple[int, ...], rng: "np.random.Generator") -> np.ndarray:
    """U(−√(6/(in+out)), +√(6/(in+out))), all gates counted in `out` (Glorot & Bengio 2010)."""
    limit = np.sqrt(6 / (shape[-1] + np.prod(shape[:-1])))
    return rng.uniform(-limit, limit, shape)


def orthogonal(shape: tuple[int, ...], rng: "np.random.Generator") -> np.ndarray:
    """Orthonormal columns over all gates together (Saxe et al. 2014)."""
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))
    return np.reshape(q if rows >= columns else q.T, shape)
