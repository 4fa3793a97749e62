"""`rnnspec info`: what is in a model file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspec.cli.options import chosen_backends, json_option, model_argument
from rnnspec.cli.progress import progress
from rnnspec.cli.say import conversion, notes, say_json
from rnnspec.shown import one_line, printable

if TYPE_CHECKING:
    from rnnspec.checkpoint import Checkpoint


@click.command()
@model_argument
@json_option
@click.option("--paths", is_flag=True, help="Also load every installed backend and show the path each layer takes.")
def info(model: Path, as_json: bool, paths: bool) -> None:
    """Show the architecture, parameters, states and statistics of MODEL."""
    import rnnspec
    from rnnspec.cli.graph import places
    from rnnspec.diagnosis.hints import hints

    checkpoint = rnnspec.load(model, allow_nonfinite=True)
    report = {
        "file": str(model),
        "model": checkpoint.model.to_builtins(),
        "dtype": checkpoint.dtype,
        "parameters": sum(array.size for array in checkpoint.weights.values()),
        "tensors": tensors(checkpoint),
        "states": checkpoint.model.states(),
        "metadata": checkpoint.metadata,
        "warnings": hints(checkpoint),
    }
    if checkpoint.model.version > 1:
        report["graph"] = places(checkpoint.model)
    if paths:
        with progress("loading every backend"):
            report["paths"] = {
                name: net.paths()
                for name, module in chosen_backends(()).items()
                if hasattr(net := module.load(checkpoint), "paths")
            }
    if as_json:
        say_json(report)
    else:
        show(report)


def tensors(checkpoint: "Checkpoint") -> list[dict]:
    """One row per tensor, and per gate where it has a gate axis."""
    from rnnspec.cells.tree import joined, plain
    from rnnspec.layers import Recurrent

    gates: dict[str, tuple[str, ...]] = {}
    for layer in checkpoint.model.layers:
        if isinstance(layer, Recurrent):
            for prefix, (cell, _) in layer.directions.items():
                for place, inner in plain(cell, joined(layer.name, prefix)).items():
                    gates |= {f"{place}.{name}": inner.gates for name in ("kernel", "recurrent_kernel", "bias")}
    rows = []
    for name in checkpoint.model.parameters():
        array = checkpoint.weights[name]
        names = gates.get(name, ())
        parts = zip(names, array, strict=True) if 1 < len(names) == len(array) else [("", array)]
        for gate, part in parts:
            numbers = {"mean": part.mean(), "std": part.std(), "min": part.min(), "max": part.max()}
            row = {"tensor": name, "gate": gate, "shape": list(part.shape)}
            rows.append(row | {key: float(value) for key, value in numbers.items()})
    return rows


def show(report: dict) -> None:
    """The report as tables."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from rnnspec.cli.graph import table as drawn

    console = Console()
    console.print(
        f"[bold]{escape(printable(report['file']))}[/bold]: {report['parameters']:,} parameters, {report['dtype']}"
    )
    apart = {"name", "type"}
    if graph := report.get("graph"):
        console.print(drawn(graph))
        apart |= {"of", "start"}
    layers = Table("layer", "type", "configuration")
    for layer in report["model"]["layers"]:
        rest = [
            f"{key}={configuration(value)}" for key, value in layer.items() if value is not None and key not in apart
        ]
        layers.add_row(layer["name"], layer["type"], escape(", ".join(rest)))
    console.print(layers)
    table = Table("tensor", "gate", "shape", "mean", "std", "min", "max")
    for row in report["tensors"]:
        numbers = [f"{row[key]:+.4f}" for key in ("mean", "std", "min", "max")]
        table.add_row(row["tensor"], row["gate"], "×".join(map(str, row["shape"])), *numbers)
    console.print(table)
    states = ", ".join(f"{name} ({size})" for name, size in report["states"].items())
    console.print(f"states: {escape(states) or 'none'}")
    for line in origin(report["metadata"]):
        console.print(escape(line), soft_wrap=True)
    for backend, paths in report.get("paths", {}).items():
        for layer, path in paths.items():
            console.print(f"{backend}: {escape(layer)}: {escape(path)}")
    for line in report["warnings"]:
        console.print(f"warning: {escape(line)}", style="yellow", highlight=False, soft_wrap=True)


def origin(metadata: dict) -> Any:
    """What the file says about itself, a conversion as its notes."""
    converted = conversion(metadata)
    for key, value in metadata.items():
        if key != "conversion" or converted is None:
            yield one_line(f"{key}: {value!r}")
        else:
            yield one_line(f"converted from {converted['source']} ({converted['format']})")
            yield from notes(converted)


def configuration(value: Any) -> str:
    """A nested configuration as a call: lstm(units=3)."""
    if isinstance(value, dict):
        fields = ", ".join(f"{k}={configuration(v)}" for k, v in value.items() if k != "type" and v is not None)
        return f"{value.get('type', '')}({fields})"
    if isinstance(value, list):
        return f"[{', '.join(map(configuration, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
