"""docs/GRAPHS.md: its model is one, and is called as it says."""

import re
from pathlib import Path

import numpy as np

from rnnspec import Model
from rnnspec.reference import Net

from ..conftest import random_checkpoint

GUIDE = (Path(__file__).parents[2] / "docs" / "GRAPHS.md").read_text(encoding="utf-8")


def test_the_model_of_the_guide():
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    names: dict = {}
    exec(compile(code, "GRAPHS.md", "exec"), names)
    model = names["model"]
    assert isinstance(model, Model)
    net, rng = Net(random_checkpoint(model), "float64"), np.random.default_rng(0)
    words, before, speaker = rng.integers(1000, size=(2, 7)), rng.integers(1000, size=(2, 5)), rng.random((2, 8))
    lengths = {"words": [7, 3]}
    y, state = net({"words": words, "speaker": speaker, "before": before}, lengths=lengths)
    assert {name: value.shape for name, value in y.items()} == {"logits": (2, 5, 1000), "encoder": (2, 7, 64)}
    last = None
    for t in range(5):
        step, last = net.step({"words": words, "speaker": speaker, "before": before[:, t]}, last, lengths=lengths)
        np.testing.assert_allclose(step["logits"], y["logits"][:, t], rtol=1e-12)
    assert last is not None
    np.testing.assert_allclose(last["decoder.attention"], state["decoder.attention"], rtol=1e-12)


def test_every_layer_and_cell_of_version_2_is_in_it():
    import rnnspec.layers as layers

    new = {name for name in layers.__all__ if getattr(getattr(layers, name), "since", 1) == 2}
    assert len(new) == 9
    assert {name for name in [*new, "Attending"] if f"`{name}`" not in GUIDE} == set()
