"""The light GRU, as its paper has it: with batch norm of W x, whose stored statistics are part of kernel and bias."""

from pathlib import Path

import numpy as np

from rnnspec import UGRNN, Checkpoint, LiGRU, Model, Recurrent
from rnnspec.reference import Net


def test_the_papers_batch_norm_is_part_of_kernel_and_bias():
    rng = np.random.default_rng(0)
    inputs, units, epsilon = 3, 4, 1e-5
    w, u = rng.standard_normal((2, units, inputs)), rng.standard_normal((2, units, units))
    gamma, beta, mean = rng.standard_normal((3, 2, units))
    variance = rng.uniform(0.5, 2, (2, units))
    x = rng.standard_normal((2, 5, inputs))

    def normalised(k, x_t):
        return gamma[k] * (w[k] @ x_t - mean[k]) / np.sqrt(variance[k] + epsilon) + beta[k]

    expected = np.zeros((2, 5, units))
    for row in range(2):
        h = np.zeros(units)
        for t in range(5):
            z = 1 / (1 + np.exp(-(normalised(0, x[row, t]) + u[0] @ h)))
            candidate = np.maximum(normalised(1, x[row, t]) + u[1] @ h, 0)
            h = z * h + (1 - z) * candidate
            expected[row, t] = h

    scale = gamma / np.sqrt(variance + epsilon)
    weights = {"r.kernel": w * scale[:, :, None], "r.recurrent_kernel": u, "r.bias": beta - scale * mean}
    model = Model(inputs=inputs, layers=(Recurrent(name="r", cell=LiGRU(units=units)),))
    y, state = Net(Checkpoint(model, weights), "float64")(x)
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    np.testing.assert_allclose(state["r.h"], expected[:, -1], rtol=1e-12)
    assert (np.abs(expected) > 1e-3).mean() > 0.5


def test_with_the_same_activations_it_is_the_update_gate_network():
    rng = np.random.default_rng(1)
    x, lengths = rng.standard_normal((3, 6, 3)), np.array([6, 0, 4])
    found = []
    for cell in (LiGRU(units=4), UGRNN(units=4, activation="relu")):
        model = Model(inputs=3, layers=(Recurrent(name="r", cell=cell),))
        weights = {
            name: np.sin(np.arange(1, np.prod(shape) + 1)).reshape(shape) for name, shape in model.parameters().items()
        }
        found.append(
            Net(Checkpoint(model, weights), "float64")(
                x, lengths, state={"r.h": np.cos(x[:, 0] @ np.ones((3, 4)) + np.arange(4))}
            )
        )
    (y, state), (other, other_state) = found
    np.testing.assert_allclose(y, other, rtol=1e-13)
    np.testing.assert_allclose(state["r.h"], other_state["r.h"], rtol=1e-13)
    assert (np.abs(y[0]) > 1e-3).all()


def test_nothing_else_knows_the_cell():
    """What CONTRIBUTING says of adding one: its file, its registration, its row in the catalogue."""
    root = Path(__file__).parents[2]
    rooms = ("spec", "backends", "cli", "conformance", "conventions", "convert", "diagnosis", "export", "report")
    found = {path.relative_to(root).as_posix() for room in rooms for path in (root / room).rglob("*.py")}
    assert len(found) > 200
    naming = {path for path in found if "ligru" in (root / path).read_text(encoding="utf-8").lower()}
    assert naming == {"spec/cells/__init__.py", "spec/cells/ligru.py", "conformance/configurations.py"}
