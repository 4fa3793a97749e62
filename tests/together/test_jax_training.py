"""The same model trained in JAX and in torch, from one file, with the same noise, ends with the same weights."""

import jax
import numpy as np
import torch

import rnnspec.backends.jax as jax_backend
import rnnspec.backends.torch as torch_backend
from rnnspec import Checkpoint

from ..frameworks.jax.test_module import LENGTHS, NOISY


def test_twenty_steps_of_sgd_are_torchs():
    rng = np.random.default_rng(4)
    x, target = rng.standard_normal((4, 6, 3)).astype("f4"), rng.standard_normal((4, 6, 7)).astype("f4")
    checkpoint = Checkpoint.initialize(NOISY, seed=3)
    other = torch_backend.load(checkpoint, seed=11, return_state=False).train()
    optimiser = torch.optim.SGD(other.parameters(), lr=0.3)
    for _ in range(20):
        optimiser.zero_grad()
        (other(torch.tensor(x), lengths=LENGTHS) - torch.tensor(target)).square().mean().backward()
        optimiser.step()

    net = jax_backend.load(checkpoint, seed=11, return_state=False)

    @jax.jit
    def step(parameters, noise):
        gradients = jax.grad(lambda p: ((net.apply(p, x, LENGTHS, noise=noise) - target) ** 2).mean())(parameters)
        return jax.tree.map(lambda p, g: p - 0.3 * g, parameters, gradients)

    for _ in range(20):
        net.parameters = step(net.parameters, net.noise())
    ours, theirs = jax_backend.checkpoint(net).weights, torch_backend.checkpoint(other).weights
    for name, expected in theirs.items():
        assert np.abs(expected - checkpoint.weights[name]).max() > 1e-3, name
        assert np.abs(ours[name] - expected).max() <= 1e-4 * np.abs(expected).max(), name
