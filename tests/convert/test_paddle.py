"""Paddle's state dicts: names, and what they do not say."""

import pickle

import numpy as np
import pytest

from rnnspec.conventions.paddle import torch_name
from rnnspec.convert import convert
from rnnspec.errors import SpecError


def test_names_of_paddle():
    names = {"lstm.weight_ih_l1", "0.weight_ih_l0"}
    found = {
        "lstm.1.cell_bw.weight_ho": "lstm.weight_hr_l1_reverse",
        "net.0.cell.weight_ih": "net.0.weight_ih_l0",
        "0.0.cell.bias_hh": "0.bias_hh_l0",
        "cell.weight_hh": "weight_hh_l0",
        "bn._mean": "bn.running_mean",
        "out.weight": "out.weight",
    }
    assert {name: torch_name(name, names) for name in found} == found


def test_what_paddle_does_not_say_is_asked_for(tmp_path):
    arrays = {"gru.weight_ih": np.ones((6, 3), "f"), "gru.weight_hh": np.ones((6, 2), "f"), "head.weight": np.eye(2)}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(SpecError, match=r"'head.weight': linear or an embedding"):
        convert(tmp_path / "a.npz", arrays="paddle")
    np.savez(tmp_path / "a.npz", **{"gru.0.cell.weight_ih": 2 * arrays["gru.weight_ih"], "gru.weight_ih_l0": np.eye(6)})
    with pytest.raises(SpecError, match=r"'gru.weight_ih_l0' is another array than those"):
        convert(tmp_path / "a.npz", arrays="paddle")


def test_what_the_cells_of_paddle_have_is_what_counts(tmp_path):
    r = np.random.default_rng(3)
    shapes = {"weight_ih": (20, 3), "weight_hh": (20, 2), "bias_ih": (20,), "bias_hh": (20,), "weight_ho": (5, 2)}
    cells = {
        f"0.cell_{way}.{leaf}": r.standard_normal(shape).astype("f")
        for way in ("fw", "bw")
        for leaf, shape in shapes.items()
    }
    ends = [f"{leaf}_l0{end}" for end in ("", "_reverse") for leaf in [*shapes][:4]]
    arrays = {f"lstm.{name}": array for name, array in cells.items()}
    short = dict(zip(ends, cells.values(), strict=False))  # Paddle's names of a projected layer, which do not count it
    more = {f"lstm.{name}": array for name, array in short.items()}
    for each in (arrays | more, more | arrays):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(each))
        weights = convert(tmp_path / "a.pkl", arrays="paddle").weights
        np.testing.assert_array_equal(weights["lstm.backward.projection"], cells["0.cell_bw.weight_ho"].T)
        found = weights["lstm.backward.kernel"].reshape(20, 3)
        np.testing.assert_array_equal(found, cells["0.cell_bw.weight_ih"])
