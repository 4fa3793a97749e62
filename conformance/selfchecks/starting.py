"""Starting values (INIT-1 to INIT-3): the distribution of each tensor, and its first numbers as they always were."""

from collections.abc import Mapping

import numpy as np

from rnnspec.cells import GRU, LSTM, RNN
from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.check import Check, equal, holds, near, refused
from rnnspec.errors import SpecError
from rnnspec.layers import Dense, Embedding, Recurrent
from rnnspec.model import Model

_SEED = 20
_MODEL = Model(
    layers=(
        Embedding(name="embedding", vocabulary=11, units=5),
        Recurrent(name="lstm", cell=LSTM(units=7, peephole=True, projection=3)),
        Recurrent(name="norm", cell=LSTM.preset("tf1", 6)),
        Recurrent(name="diagonal", cell=RNN(units=8, recurrence="diagonal"), learned_state=True),
        Recurrent(name="gru", cell=GRU(units=4, reset_after=True), direction="bidirectional"),
        Dense(name="dense", units=9),
    )
)
_FIRST = {  # of scheme "keras", the first three numbers of what is drawn
    "embedding.embeddings": (0.0017788, 0.0359493, -0.0040308),
    "lstm.kernel": (0.0700896, -0.0243271, -0.1966159),
    "lstm.recurrent_kernel": (0.1241923, 0.2604812, 0.1842708),
    "norm.recurrent_kernel": (-0.2088575, -0.0205619, -0.0871654),
    "diagonal.recurrent_kernel": (-0.9418352, -0.7533908, -0.4699694),
    "gru.forward.kernel": (-0.3361633, -0.5101615, 0.5074150),
    "gru.backward.recurrent_kernel": (0.4285247, -0.4738897, 0.4759334),
    "dense.kernel": (-0.5603461, -0.4461518, -0.0773735),
}
_FIRST_TORCH = {
    "embedding.embeddings": (0.2672700, -1.2331404, -1.4533795),
    "lstm.kernel": (0.0621278, -0.0215637, -0.1742813),
    "lstm.recurrent_kernel": (-0.1333577, 0.1393709, 0.0890739),
    "lstm.bias": (-0.3276638, -0.3758765, 0.1039393),
    "gru.forward.recurrent_bias": (0.4623133, -0.1001099, -0.1521024),
    "dense.kernel": (-0.3334726, -0.2655134, -0.0460464),
    "dense.bias": (0.1443919, 0.1814769, -0.3365768),
}


def _drawn(scheme: str = "keras", seed: int = _SEED, model: Model = _MODEL) -> dict[str, np.ndarray]:
    return Checkpoint.initialize(model, seed, "float64", scheme=scheme).weights


def _uniform(weights: dict[str, np.ndarray], name: str, bound: float) -> None:
    """Within the bound, on both sides of 0, and near it."""
    low, high = weights[name].min(), weights[name].max()
    holds(f"{name}: from {low:.4f} to {high:.4f}, beyond ±{bound:.4f}", -bound <= low and high <= bound)
    holds(
        f"{name}: from {low:.4f} to {high:.4f}, far from ±{bound:.4f}", low < 0 < high and max(-low, high) > 0.7 * bound
    )


def _first(weights: dict[str, np.ndarray], numbers: Mapping[str, tuple[float, ...]]) -> None:
    for name, expected in numbers.items():
        near(f"the first numbers of {name}", weights[name].ravel()[:3], expected, 1e-7)


def _distributions() -> None:
    weights = _drawn()
    for name in ("lstm.kernel", "norm.kernel", "diagonal.kernel", "gru.forward.kernel", "gru.backward.kernel"):
        gates, units, inputs = weights[name].shape
        _uniform(weights, name, np.sqrt(6 / (inputs + gates * units)))
    _uniform(weights, "dense.kernel", np.sqrt(6 / (8 + 9)))
    for name in ("lstm", "norm", "gru.forward", "gru.backward"):
        kernel = weights[f"{name}.recurrent_kernel"]
        columns = kernel.reshape(-1, kernel.shape[-1])
        near(f"{name}: Rᵀ R over all gates", columns.T @ columns, np.eye(kernel.shape[-1]), 1e-12)
    _uniform(weights, "embedding.embeddings", 0.05)
    _uniform(weights, "diagonal.recurrent_kernel", 1.0)
    equal("norm.gates_gamma", weights["norm.gates_gamma"], np.ones((4, 6)))
    equal("norm.cell_gamma", weights["norm.cell_gamma"], np.ones(6))
    for name in ("lstm.peephole", "norm.cell_beta", "diagonal.bias", "gru.forward.bias", "gru.backward.recurrent_bias",
                 "dense.bias", "diagonal.initial.h"):  # fmt: skip
        equal(name, weights[name], np.zeros_like(weights[name]))


def _numbers() -> None:
    weights = _drawn()
    _first(weights, _FIRST)
    single = Checkpoint.initialize(_MODEL, _SEED).weights
    for name, array in weights.items():
        equal(f"{name} in float32", single[name], array.astype("float32"))
    other = _drawn(seed=_SEED + 1)
    for name in _FIRST:
        holds(f"{name} is the same with another seed", not (weights[name] == other[name]).any())
    kernels = weights["gru.forward.kernel"], weights["gru.backward.kernel"]
    holds("both directions start from the same numbers", not (kernels[0] == kernels[1]).any())
    layers = (Dense(name="first", units=5), _MODEL.layers[1], Dense(name="last", units=2))
    alone = _drawn(model=Model(inputs=6, layers=layers))
    for name in ("lstm.kernel", "lstm.recurrent_kernel"):
        equal(f"{name} among other layers", alone[name], weights[name])


def _forget_bias() -> None:
    weights = _drawn()
    ones = np.repeat([[0.0], [1], [0], [0]], 7, axis=1)
    equal("lstm.bias", weights["lstm.bias"], ones)
    equal("norm.gates_beta, where there is no bias", weights["norm.gates_beta"], ones[:, :6])
    coupled = Recurrent(name="coupled", cell=LSTM(units=3, coupled_input_forget=True))
    bias = _drawn(model=Model(inputs=2, layers=(coupled,)))["coupled.bias"]
    equal("the bias of forget, cell and output", bias, np.repeat([[1.0], [0], [0]], 3, axis=1))


def _torch() -> None:
    weights = _drawn("torch")
    for name, array in weights.items():
        layer, leaf = name.split(".")[0], name.rsplit(".")[-1]
        if leaf.endswith("gamma"):
            equal(name, array, np.ones_like(array))
        elif leaf.endswith("beta") or ".initial." in name:
            equal(name, array, np.zeros_like(array))
        elif layer in ("lstm", "norm", "gru", "diagonal"):
            _uniform(weights, name, 1 / np.sqrt({"lstm": 7, "norm": 6, "gru": 4, "diagonal": 8}[layer]))
        elif layer == "dense":
            _uniform(weights, name, 1 / np.sqrt(8))
    table = weights["embedding.embeddings"]
    holds("the embeddings are not normal", 0.8 < table.std() < 1.2 and 2 < np.abs(table).max() < 4)
    _first(weights, _FIRST_TORCH)
    with refused("another scheme", SpecError, "scheme"):
        Checkpoint.initialize(_MODEL, _SEED, scheme="jax")


CHECKS = (
    Check("starting-distributions", ("INIT-1",), _distributions),
    Check("starting-numbers", ("INIT-1",), _numbers),
    Check("starting-forget-bias", ("INIT-2",), _forget_bias),
    Check("starting-torch", ("INIT-3",), _torch),
)
