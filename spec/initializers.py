"""Starting values, drawn in float64 so that every backend begins with the same numbers (INIT-1).

Here and in the cells the generator's type stands in quotes: naming it would import `numpy.random`.
"""

import numpy as np


def by_name(name: str, shape: tuple[int, ...], rng: "np.random.Generator") -> np.ndarray:
    """The starting value that goes with a parameter's name, as Keras draws it."""
    match name:
        case "kernel":
            return glorot_uniform(shape, rng)
        case "recurrent_kernel":
            return orthogonal(shape, rng)
        case "embeddings":
            return rng.uniform(-0.05, 0.05, shape)
        case _:
            return np.zeros(shape)


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
