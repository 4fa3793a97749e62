"""`rnnspec export`: an ONNX file, checked before it is written."""

from pathlib import Path
from typing import Any

import click

from rnnspec.cli.options import FILE, model_argument
from rnnspec.cli.say import say


@click.command()
@model_argument
@click.option("-o", "--output", "target", type=FILE, required=True, metavar="OUT.onnx")
@click.option("--opset", type=int, default=17, show_default=True)
@click.option("--step", is_flag=True, help="One time step without any loop, for streaming.")
@click.option("--no-lengths", is_flag=True, help="Leave out the inputs `lengths`.")
@click.option("--mask", is_flag=True, help="Inputs `mask` (batch, time) in place of `lengths`.")
@click.option("--reset", is_flag=True, help="Inputs `reset` (batch, time): where sequences begin anew.")
@click.option("--time-major", is_flag=True, help="Sequences are (time, batch, …).")
def export(model: Path, target: Path, no_lengths: bool, **options: Any) -> None:
    """Export MODEL to ONNX and run the result in ONNX Runtime against the reference."""
    import rnnspec
    from rnnspec import backends

    backends.require("onnxruntime")
    import onnx

    from rnnspec.export import export_onnx, paths
    from rnnspec.export.start import elsewhere, learned

    checkpoint = rnnspec.load(model)
    worst = export_onnx(checkpoint, target, lengths=not no_lengths, **options)
    states = ", ".join(f"{name} → {name}.out" for name in checkpoint.model.states())
    say(f"{target}: opset {options['opset']}, {target.stat().st_size:,} bytes")
    written = onnx.load(target, load_external_data=False)
    for beside in {e.value for t in written.graph.initializer for e in t.external_data if e.key == "location"}:
        path = target.with_name(beside)
        say(f"{path}: {path.stat().st_size:,} bytes of weights, to be kept beside it")
    for name, how in paths(written).items():
        say(f"{name}: {how}")
    say(f"states: {states or 'none'}")
    if optional := [name for name in checkpoint.model.states() if name in learned(checkpoint.model)]:
        say(f"may be left out, and then start from what was learned: {', '.join(optional)}")
    if optional := elsewhere(checkpoint.model):
        say(f"may be left out, and then start from another place: {', '.join(optional)}")
    say(f"checked in ONNX Runtime at two batch sizes and lengths: worst error {worst:.1e}")
