"""Each framework's layout of a cell's weights → ours, by hand.

Every function takes the framework's arrays and returns the cell with its weights by our names. Its docstring states the
framework's layout and where that is written down.
"""

import numpy as np

from rnnspec.conventions.gates import Part as Part


def by_gate(columns, order):
    """Gates side by side in the last axis, (rows, gates·units) → (gates, units, rows), in `order`; a bias likewise."""
    blocks = np.split(columns, len(order), axis=-1)
    return np.stack([blocks[k].T for k in order])


def biased(weights, bias) -> tuple[bool, dict[str, np.ndarray]]:
    """Whether there is a bias, and the weights with it."""
    return (False, weights) if bias is None else (True, weights | {"bias": bias})
