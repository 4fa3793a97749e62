"""The demo model: what a newcomer sees first."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner

import rnnspec
from rnnspec import backends
from rnnspec.cli.command import rnnspec as command
from rnnspec.cli.demo import PASSAGE, SHIPPED, encode, nats, stream
from rnnspec.reference import Net

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checkpoint():
    return rnnspec.load(SHIPPED)


def test_the_shipped_model_is_small_and_good(checkpoint):
    assert SHIPPED.stat().st_size <= 3_000_000
    assert checkpoint.metadata["validation_nats_per_character"] < 1.75
    ids = encode(PASSAGE, checkpoint.metadata["vocabulary"])
    logits, _ = Net(checkpoint)(ids[None, :-1])
    assert nats(logits[0], ids[1:]) < 1.75


def test_the_demo(tmp_path):
    path = tmp_path / "step.onnx"
    result = CliRunner().invoke(command, ["demo", "--characters", "60", "--seed", "3", "-o", str(path)])
    assert result.exit_code == 0, result.output
    for name in ("numpy", "torch", "tensorflow", "onnxruntime"):
        (row,) = [line for line in result.output.splitlines() if line.startswith(f"│ {name} ")]
        assert row.rstrip("│ ").endswith("yes")
    assert "NO" not in result.output.split("ONNX Runtime writes:")[0]
    written = result.output.split("ONNX Runtime writes:\n\n")[1]
    assert written.startswith("ROMEO:")
    assert len(written.rstrip("\n")) >= 60
    assert onnxruntime.InferenceSession(path).get_inputs()[0].shape == ["batch"]


def test_every_runtime_writes_the_same_text(checkpoint):
    texts = set()
    for name in backends.installed():
        net = backends.get(name).load(checkpoint)
        texts.add("".join(stream(net, "ROMEO:", 40, temperature=0.7, top=5, seed=1)))
    assert backends.installed() == list(backends.REQUIRES)
    assert len(texts) == 1


def test_sampling(checkpoint):
    net = backends.get("numpy").load(checkpoint)
    one, again = ("".join(stream(net, "A", 30, temperature=1, top=65, seed=7)) for _ in range(2))
    assert one == again
    greedy = {"".join(stream(net, "A", 10, temperature=t, top=1, seed=s)) for t, s in ((0.5, 1), (2.0, 2))}
    assert len(greedy) == 1
    state, best = None, "A"
    for _ in range(10):
        logits, state = net.step(np.array([checkpoint.metadata["vocabulary"].index(best[-1])]), state)
        best += checkpoint.metadata["vocabulary"][int(logits.argmax())]
    assert greedy == {best}
    assert len("".join(stream(net, "", 5, temperature=1, top=3, seed=0))) == 5


def test_a_character_it_has_never_seen():
    result = CliRunner().invoke(command, ["demo", "--prompt", "ROMEO€"])
    assert isinstance(result.exception, rnnspec.SpecError)
    assert result.output == ""
    assert "'€' is not in the model's vocabulary" in str(result.exception)


def test_the_example_of_the_readme_prints_what_it_says():
    spec = importlib.util.spec_from_file_location("regenerate", ROOT / "docs" / "regenerate.py")
    regenerate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(regenerate)
    shown = regenerate.example((ROOT / "README.md").read_text(encoding="utf-8"))
    assert regenerate.run_example(shown["code"]) == shown["output"]


def test_info_shows_the_path_of_every_layer():
    result = CliRunner().invoke(command, ["info", str(SHIPPED), "--paths"])
    for line in (
        "torch: lstm: native: torch.lstm",
        "tensorflow: gru: fused: a loop with a gradient of its own",
        "onnxruntime: gru: native GRU",
    ):
        assert line in result.output


def test_the_training_script(tmp_path):
    text, model = tmp_path / "text.txt", tmp_path / "model.safetensors"
    text.write_text("to be, or not to be, that is the question:\n" * 1200, encoding="utf-8")
    script = [sys.executable, ROOT / "examples" / "train_shakespeare.py", model, "--text", text]
    subprocess.run([*script, "--units", "12", "--epochs", "3", "--streams", "8", "--steps", "20"], check=True)
    trained = rnnspec.load(model)
    assert trained.metadata["vocabulary"] == "\n ,:abehinoqrstu"
    assert trained.metadata["validation_nats_per_character"] < np.log(16)
    failed = subprocess.run([*script, "--steps", "9999"], capture_output=True, text=True, check=False)
    assert "make no window of 32 streams × 9999 steps; lower one of them" in failed.stderr
