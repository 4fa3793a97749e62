"""`rnnspec demo`: a trained character model, verified everywhere and streamed from ONNX Runtime."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspec.cli.options import FILE

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from rnnspec.checkpoint import Checkpoint

SHIPPED = Path(__file__).parent / "shakespeare.safetensors"
PASSAGE = "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n"


@click.command()
@click.option("--prompt", default="ROMEO:", show_default=True, help="The text begins with this.")
@click.option("--characters", type=click.IntRange(min=1), default=500, show_default=True)
@click.option("--temperature", type=click.FloatRange(min=0, min_open=True), default=0.7, show_default=True)
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="Sample from the n best only.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("-o", "--output", type=FILE, help="Keep the exported streaming graph here.")
def demo(prompt: str, characters: int, temperature: float, top: int, seed: int, output: Path | None) -> int:
    """Verify the shipped Shakespeare model on every installed backend, export it, and write text from the ONNX file."""
    import tempfile

    from rich.console import Console

    import rnnspec
    from rnnspec import backends
    from rnnspec.cli.options import chosen_backends
    from rnnspec.cli.progress import progress
    from rnnspec.export import export_onnx

    backends.require("onnxruntime")
    checkpoint = rnnspec.load(SHIPPED)
    meta = checkpoint.metadata
    encode(prompt, meta["vocabulary"])  # a prompt that cannot be written is known now
    layers = " → ".join(layer.name for layer in checkpoint.model.layers)
    size = sum(array.size for array in checkpoint.weights.values())
    loss = meta["validation_nats_per_character"]
    click.echo(f"{SHIPPED.name}: {layers}; {size:,} parameters")
    click.echo(f"trained on {meta['text']} to {loss} nats per character on the part it has not seen\n")
    with progress("asking every runtime"):
        modules = chosen_backends(())
        table, failed = compare(checkpoint, modules)
    Console().print(table)
    with tempfile.TemporaryDirectory() as folder:
        path = output or Path(folder) / "step.onnx"
        worst = export_onnx(checkpoint, path, step=True)
        size = path.stat().st_size
        click.echo(f"\nexported as a loop-free step: {path.name}, {size:,} bytes, worst error {worst:.1e}")
        net = backends.get("onnxruntime").load(path)
        click.echo("ONNX Runtime writes:\n")
        for character in stream(net, prompt, characters, temperature, top, seed):
            click.echo(character, nl=False)
        click.echo()
    return failed


def compare(checkpoint: "Checkpoint", modules: dict) -> "tuple[Table, int]":
    """A table of what each backend computes for the same passage; and 1 when one differs."""
    import numpy as np
    from rich.table import Table

    from rnnspec import accuracy
    from rnnspec.reference import Net

    ids = encode(PASSAGE, checkpoint.metadata["vocabulary"])
    inputs, targets = ids[None, :-1], ids[1:]
    (expected, final), (rough, end) = (Net(checkpoint, dtype)(inputs) for dtype in ("float64", "float32"))
    exact = {"y": expected, **final}
    allowed = accuracy.allowed_in(checkpoint.model, {"y": rough, **end}, exact, len(targets))
    table = Table("runtime", title=f"{len(targets)} characters of the text, in each runtime", title_justify="left")
    for header in ("nats per character", "worst difference", "same numbers"):
        table.add_column(header, justify="right")
    table.add_row("reference, float64", f"{nats(expected[0], targets):.6f}", "", "")
    failed = 0
    for name, module in modules.items():
        y, state = module.load(checkpoint)(inputs)
        arrays = {"y": np.asarray(y), **{key: np.asarray(value) for key, value in state.items()}}
        _, error = accuracy.worst(arrays, exact)
        same = error <= allowed
        failed |= not same
        table.add_row(name, f"{nats(arrays['y'][0], targets):.6f}", f"{error:.1e}", "yes" if same else "NO")
    return table, int(failed)


def encode(text: str, vocabulary: str) -> "np.ndarray":
    """Characters → ids.

    Raises:
        SpecError: a character that the model has never seen.
    """
    import numpy as np

    from rnnspec.errors import SpecError

    for character in text:
        if character not in vocabulary:
            raise SpecError(f"prompt: {character!r} is not in the model's vocabulary {vocabulary!r}")
    return np.array([vocabulary.index(character) for character in text])


def nats(logits: "np.ndarray", targets: "np.ndarray") -> float:
    """Mean cross-entropy of logits (time, vocabulary)."""
    import numpy as np

    shifted = logits.astype("float64") - logits.max(-1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(-1)) - shifted[np.arange(len(targets)), targets]).mean())


def stream(net: Any, prompt: str, characters: int, temperature: float, top: int, seed: int) -> Iterator[str]:
    """Yield the prompt, then sampled characters, one `net.step` each, the state fed back."""
    import numpy as np

    vocabulary = net.metadata["vocabulary"]
    rng = np.random.default_rng(seed)
    logits, state = None, None
    for k in encode(prompt, vocabulary):
        logits, state = net.step(np.array([k]), state)
        yield vocabulary[k]
    if logits is None:  # an empty prompt starts from any character
        logits = np.zeros((1, len(vocabulary)))
    for _ in range(characters):
        scores = np.asarray(logits, "float64")[0] / temperature
        scores[np.argsort(scores)[: max(0, len(scores) - top)]] = -np.inf
        p = np.exp(scores - scores.max())
        k = int(rng.choice(len(p), p=p / p.sum()))
        yield vocabulary[k]
        logits, state = net.step(np.array([k]), state)
