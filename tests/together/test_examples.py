"""examples/ of graphs: trained in torch and in TensorFlow they learn what they say, and run the same everywhere."""

import importlib
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from rnnspec import accuracy, backends, load
from rnnspec.export import export_onnx
from rnnspec.reference import Net

EXAMPLES = Path(__file__).parents[2] / "examples"
FRAMEWORKS = ("torch", "tensorflow")
# Example → what it trains with here: fewer rows or epochs, where they are enough.
SHORTER = {
    "reverse_digits": {"rows": 6000, "epochs": 6},
    "keyword_spotting": {},
    "tagger": {},
    "autoencoder": {"epochs": 20},
    "denoiser": {"epochs": 6},
}


@pytest.fixture(scope="module", autouse=True)
def _on_the_path():
    """As a script in that folder finds its neighbours."""
    sys.path.insert(0, str(EXAMPLES))
    yield
    sys.path.remove(str(EXAMPLES))
    for name in ("training", *SHORTER):
        sys.modules.pop(name, None)
    trained.cache_clear()


@cache
def trained(name, framework):
    return importlib.import_module(name).learn(framework, **SHORTER[name])


def fresh(name, rows):
    """Data that the model was not trained on."""
    make = {"reverse_digits": "sequences", "tagger": "sentences", "autoencoder": "waves"}.get(name, "recordings")
    return getattr(importlib.import_module(name), make)(rows, seed=7)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_digits_are_reversed_step_by_step(framework, tmp_path):
    example = importlib.import_module("reverse_digits")
    path = tmp_path / "reverse.onnx"
    assert example.right(trained("reverse_digits", framework), fresh("reverse_digits", 1000), path) >= 0.99
    net = backends.get("onnxruntime").load(path)
    assert example.write(net, np.array([[3, 1, 4, 1, 5], [2, 7, 1, 0, 0]]), np.array([5, 3])) == [
        [5, 1, 4, 1, 3],
        [1, 7, 2],
    ]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_calls_are_recognised(framework):
    example = importlib.import_module("keyword_spotting")
    checkpoint = trained("keyword_spotting", framework)
    assert example.accuracy(checkpoint, fresh("keyword_spotting", 500)) >= 0.97
    start = example.measured(checkpoint, example.recordings(1600, seed=0))
    for name in checkpoint.model.fixed:  # as they were measured: training leaves them alone
        np.testing.assert_array_equal(checkpoint.weights[name], start.weights[name])


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_words_and_sentences_are_tagged(framework):
    example = importlib.import_module("tagger")
    words, questions = example.accuracy(trained("tagger", framework), fresh("tagger", 500))
    assert words >= 0.99
    assert questions >= 0.99


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_broken_waves_are_found(framework):
    sound, broken, share = importlib.import_module("autoencoder").found(trained("autoencoder", framework))
    assert sound < 0.1
    assert broken > 5 * sound
    assert share >= 0.99


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_noise_is_told_from_speech(framework):
    example = importlib.import_module("denoiser")
    off, constant, known = example.quality(trained("denoiser", framework), fresh("denoiser", 100))
    assert off < 0.4 * constant
    assert known >= 0.98


@pytest.mark.parametrize("backend", backends.installed())
def test_the_denoiser_streams(backend):
    example = importlib.import_module("denoiser")
    checkpoint, data = trained("denoiser", "torch"), fresh("denoiser", 4)
    exact, rough = (Net(checkpoint, dtype)(data.x)[0] for dtype in ("float64", "float32"))
    allowed = accuracy.allowed_in(checkpoint.model, rough, exact, steps=example.FRAMES)
    assert accuracy.worst(example.stream(checkpoint, data, backend), exact)[1] <= allowed


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", SHORTER)
def test_the_trained_file_is_the_same_in_every_runtime(name, framework, tmp_path):
    trained(name, framework).save(tmp_path / "model.safetensors")
    checkpoint, data = load(tmp_path / "model.safetensors"), fresh(name, 5)
    arguments = {"x": data.x, "lengths": data.lengths}
    exact, rough = (results(Net(checkpoint, dtype), arguments) for dtype in ("float64", "float32"))
    steps = max(x.shape[1] for x in data.x.values())
    allowed = accuracy.allowed_in(checkpoint.model, rough, exact, steps)
    assert backends.installed() == list(backends.REQUIRES)
    for backend in backends.installed():
        found = results(backends.get(backend).load(checkpoint), arguments)
        assert accuracy.worst(found, exact)[1] <= allowed, backend
    assert export_onnx(checkpoint, tmp_path / "model.onnx", lengths=bool(data.lengths)) < 1e-4
    found = results(backends.get("onnxruntime").load(tmp_path / "model.onnx"), arguments)
    assert accuracy.worst(found, exact)[1] <= allowed


def results(net, arguments):
    """Outputs and final states by name."""
    y, state = net(**arguments)
    return {name: np.asarray(value) for name, value in {**net.model.named(y), **state}.items()}


@pytest.mark.parametrize("name", SHORTER)
def test_it_says_what_it_reached(name, monkeypatch, capsys):
    example, checkpoint = importlib.import_module(name), trained(name, "torch")
    monkeypatch.setattr(example, "learn", lambda framework: checkpoint)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--backend", "torch"])
    example.main()
    assert capsys.readouterr().out.startswith("trained in torch: ")
