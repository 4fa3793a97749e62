"""Random models from the whole configuration space agree on all backends, and survive export and import."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnspec import accuracy, backends
from rnnspec.convert import convert
from rnnspec.export.model import build
from rnnspec.reference import Net

from ..strategies import models, random

few = settings(
    max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
seeds = st.integers(0, 2**16)


@pytest.mark.parametrize("backend", backends.installed())
@few
@given(model=models(), seed=seeds)
def test_random_models_agree(backend, model, seed):
    checkpoint, call = random(model, seed)
    exact, rough = ({"y": y, **new} for y, new in (Net(checkpoint, d)(**call) for d in ("float64", "float32")))
    y, new = backends.get(backend).load(checkpoint)(**call)
    found = {name: np.asarray(value) for name, value in {"y": y, **new}.items()}
    assert accuracy.worst(found, exact)[1] <= accuracy.allowed_in(model, rough, exact, steps=5)


@few
@given(model=models(), seed=seeds)
def test_export_then_import_is_the_identity(model, seed, tmp_path_factory):
    checkpoint, _ = random(model, seed)
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    path.write_bytes(build(checkpoint).SerializeToString())
    assert convert(path).to_bytes() == checkpoint.to_bytes()
