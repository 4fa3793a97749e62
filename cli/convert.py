"""`rnnspec convert`: models of other frameworks in, and ours out to them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspec.cli.options import FILE
from rnnspec.cli.say import conversion, notes, say

if TYPE_CHECKING:
    from rnnspec.config import Config

WRITERS = {
    "torch": "rnnspec.convert.torch.write",
    "keras": "rnnspec.backends.tensorflow.write",  # its layers are live ones, which Keras saves
    "flax": "rnnspec.convert.flax.write",
    "rtneural": "rnnspec.convert.arrays.write",
}


@click.command()
@click.argument("source", type=FILE)
@click.option("-o", "--output", "target", type=FILE, metavar="MODEL", help="The file to write.")
@click.option("--from", "format", metavar="FORMAT",
              help="torch, keras, tf1, onnx, flax or arrays; recognised by the contents if left out.")  # fmt: skip
@click.option("--to", "to", type=click.Choice([*WRITERS]),
              help="SOURCE is a model file of ours: write it for the stock layers of that framework.")  # fmt: skip
@click.option("--config", type=FILE, metavar="FILE",
              help="What the source does not say: Keras's JSON beside weights, or our architecture.")  # fmt: skip
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE",
              help="What the source does not say: forget_bias=0, or rnn.cells.1.forget_bias=0.")  # fmt: skip
@click.option("--ema", is_flag=True, help="Take the moving averages of the variables (TensorFlow checkpoints).")
@click.option(
    "--part",
    metavar="NAME",
    help="What to take of a model that is not taken whole; a,b takes two parts of a file of weights.",
)
@click.option(
    "--parts", "listed", is_flag=True, help="List what --part can take, and what has no equal; write nothing."
)
@click.option(
    "--ignore", multiple=True, metavar="NAME", help="A variable, or all under NAME, that belongs to the rest."
)
@click.option("--arrays", type=FILE, metavar="MAP.json",
              help="SOURCE holds plain arrays: what each is, or the name of a preset (docs/ARRAYS.md).")  # fmt: skip
def convert(
    source: Path,
    target: Path | None,
    format: str | None,
    to: str | None,
    pairs: tuple[str, ...],
    listed: bool,
    **options: Any,
) -> None:
    """Turn SOURCE, a model of TensorFlow 1, Keras, PyTorch, ONNX, Flax or RTNeural, or plain arrays, into MODEL, or say
    why it cannot be."""
    if listed:
        list_parts(source, format, target, pairs, options | {"to": to})
        return
    if target is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    if to:
        write(source, target, to, {"--from": format, "--set": pairs, **{f"--{k}": v for k, v in options.items()}})
        return
    from rnnspec.convert import convert
    from rnnspec.convert.settings import Settings

    checkpoint = convert(source, format, settings=Settings.parse(pairs), **options)
    checkpoint.save(target)
    report = conversion(checkpoint.metadata) or {"format": "rnnspec", "notes": [], "ignored": {}}
    say(f"{target}: {len(checkpoint.weights)} tensors, {checkpoint.dtype}, from {report['format']}")
    for layer, inputs in checkpoint.model.chain():
        each = inputs if isinstance(inputs, tuple) else (inputs,)
        reads = ", ".join("ids" if features is None else str(features) for features in each)
        say(f"{layer.name}: {describe(layer)}: {reads} → {layer.outputs(inputs)}")
    for line in notes(report):
        say(line)


def list_parts(
    source: Path, format: str | None, target: Path | None, pairs: tuple[str, ...], options: dict[str, Any]
) -> None:
    """What `--part` can take."""
    from rnnspec.convert import parts
    from rnnspec.convert.settings import Settings

    config = options.pop("config")
    if given := [f"--{name}" for name, value in (options | {"output": target}).items() if value]:
        raise click.ClickException(f"{given[0]}: --parts writes nothing; leave it out")
    for line in parts(source, format, config=config, settings=Settings.parse(pairs)).lines():
        say(line)


def write(source: Path, target: Path, to: str, foreign: dict) -> None:
    """A model file of ours for another framework."""
    import importlib

    import rnnspec

    if given := [option for option, value in foreign.items() if value]:
        raise click.ClickException(f"{given[0]}: is for reading; leave it out with --to")
    checkpoint = rnnspec.load(source)
    left_out = importlib.import_module(WRITERS[to]).write(checkpoint, target)
    say(f"{target}: for {to}")
    for line in notes({"notes": left_out, "ignored": {}}):
        say(line)


def describe(config: "Config") -> str:
    """A layer or cell as a call, without what is as by default: recurrent(lstm(units=3), direction=backward)."""
    import msgspec

    from rnnspec.config import Config

    def shown(value) -> str:
        if isinstance(value, tuple):
            return f"[{', '.join(map(shown, value))}]"
        return (
            describe(value)
            if isinstance(value, Config)
            else str(value).lower()
            if isinstance(value, bool)
            else str(value)
        )

    fields = []
    for field in msgspec.structs.fields(type(config)):
        value = getattr(config, field.name)
        if field.name != "name" and (field.required or value != field.default):
            fields.append(shown(value) if field.name in ("cell", "cells") else f"{field.name}={shown(value)}")
    return f"{config.__struct_config__.tag}({', '.join(fields)})"
