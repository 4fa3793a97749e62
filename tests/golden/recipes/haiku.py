"""Haiku: pickled parameters.

python -m tests.golden.recipes.haiku        (needs dm-haiku)
"""

import pickle
from importlib.metadata import version

import haiku as hk
import jax
import numpy as np

from . import write

RNG = np.random.default_rng(16)


def unrolled(x):
    """A table, three cores of all kinds, a linear layer behind the last step."""
    y = hk.Embed(9, 5)(x)
    for core in (hk.LSTM(4), hk.GRU(6), hk.VanillaRNN(3)):
        y, _ = hk.dynamic_unroll(core, y, core.initial_state(y.shape[0]), time_major=False)
    return hk.Linear(2)(y[:, -1])


def main() -> None:
    net = hk.without_apply_rng(hk.transform(unrolled))
    x = RNG.integers(0, 9, (3, 6))
    made = net.init(jax.random.key(0), x)
    params = jax.tree.map(lambda leaf: (RNG.standard_normal(leaf.shape) / 2).astype("f"), dict(made))
    y = np.asarray(net.apply(params, x))

    def save(path):
        path.write_bytes(pickle.dumps({module: dict(leaves) for module, leaves in params.items()}))

    of = f"Haiku {version('dm-haiku')}: a pickle of NumPy's arrays"
    settings = {"return_sequences": False}
    write("arrays/haiku", "params.pkl", save, of, {"x": x}, {"y": y}, arrays="haiku", settings=settings)


if __name__ == "__main__":
    main()
