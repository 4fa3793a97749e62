"""Arguments for torch's own layers, and a comparison of them with ours."""

from collections.abc import Sequence

import torch

import rnnspec.backends.torch as backend
from rnnspec.conformance.case import Case

from ..agreement import assert_right


def tensors(case: Case, dtype: str) -> tuple[dict, dict, dict]:
    """Everything that may have a gradient, by name; of these the weights, without the name of a layer `l`, and the
    inputs."""
    kind = getattr(torch, dtype)
    p = {name: torch.tensor(a, dtype=kind, requires_grad=name in case.gradients) for name, a in case.weights.items()}
    x = {name: torch.tensor(case.inputs[name], dtype=kind, requires_grad=True) for name in case.model.given}
    return p | x, {name.removeprefix("l."): tensor for name, tensor in p.items()}, x


def assert_agree(case: Case, dtype: str, y: torch.Tensor, arguments: dict, rounded: Sequence[str] = ()) -> None:
    """torch's results and gradients are those of the specification, and so are the backend's. `rounded`: as in
    `assert_right`."""
    cotangent = torch.tensor(case.cotangents["y"], dtype=y.dtype)
    found = torch.autograd.grad(y, [arguments[name] for name in case.gradients], cotangent)
    assert_right("torch", case, dtype, {"y": y.detach()}, dict(zip(case.gradients, found, strict=True)), rounded)
    results, gradients = backend.vjp(backend.load(case.checkpoint, dtype=dtype), case.cotangents, **case.call)
    results = {name: result.detach() for name, result in results.items()}
    assert_right("ours", case, dtype, results, gradients)
