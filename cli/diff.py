"""`rnnspec diff`: where a model's numbers go wrong, and which mistake explains it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspec.cli.options import FILE, json_option
from rnnspec.cli.say import say_json
from rnnspec.shown import printable

if TYPE_CHECKING:
    from rich.table import Table

    from rnnspec.checkpoint import Checkpoint
    from rnnspec.model import Model


@click.command()
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option("--input", "source", type=FILE, metavar="IN.npz",
              help="Arrays: x, optionally lengths or mask, reset, and the initial states by name.")  # fmt: skip
@click.option("--tolerance", type=click.FloatRange(min=0, min_open=True),
              help="What counts as the same. Default: what rounding may do, in float32 at least 1e-5.")  # fmt: skip
@json_option
def diff(a: Path, b: Path, source: Path | None, tolerance: float | None, as_json: bool) -> int:
    """Compare model A with B: another model, or an .npz of the numbers that A should give.

    Such an .npz holds y and any final states as NAME.out, with the inputs x, lengths or mask, reset, and the initial
    states as NAME. With --input it holds y and the final states only, as `rnnspec run` writes them. Two models are run
    on random inputs, unless there is --input. Where the numbers differ, the usual mistakes are tried on A.

    Exit code 0: the same; 1: different.
    """
    report = compare(a, b, source, tolerance)
    if as_json:
        say_json(report)
    else:
        show(report)
    return 0 if report["verdict"] == "same" else 1


def compare(a: Path, b: Path, source: Path | None, tolerance: float | None) -> dict[str, Any]:
    """Everything that is shown.

    Raises:
        SpecError: the inputs do not fit the models, or B holds something else than outputs.
    """
    import rnnspec
    from rnnspec.archives import arrays, is_zip
    from rnnspec.cli.run import read
    from rnnspec.diagnosis.compare import diagnose
    from rnnspec.diagnosis.structure import with_names_of

    ours = rnnspec.load(a)
    given, renamed = read(source) if source else None, {}
    theirs: Any
    if is_zip(b):
        inputs, theirs = numbers_of(b, arrays(b), ours.model, given)
    else:
        loaded = rnnspec.load(b)
        theirs = with_names_of(ours.model, loaded)
        pairs = zip(loaded.model.layers, theirs.model.layers, strict=True)
        renamed = {was.name: layer.name for was, layer in pairs if was.name != layer.name}
        check_inputs_alike(a, ours.model, b, theirs.model)
        inputs = given or random_inputs(ours, theirs.model)
        check(source or b, theirs, inputs)
    check(source or b, ours, inputs)
    shapes = {name: list(array.shape) for name, array in inputs.items()}
    about = {"a": str(a), "b": str(b), "inputs": shapes, "renamed": renamed}
    return about | diagnose(ours, inputs, theirs, tolerance)


def numbers_of(b: Path, values: dict, model: "Model", given: dict | None) -> tuple[dict, dict]:
    """Inputs, and what is expected, by our names. Raises SpecError: the file has other names than the model."""
    import numpy as np

    from rnnspec.errors import SpecError

    outputs = ("y.forward", "y.backward") if model.separate else ("y",)
    names = {**{name: name for name in outputs}, **{f"{name}.out": name for name in model.states()}}
    if given is not None:
        names |= {name: name for name in model.states()}
    inputs = {name: array for name, array in values.items() if name not in names} if given is None else given
    expected = {names[name]: array for name, array in values.items() if name in names}
    if given is not None and (unknown := [name for name in values if name not in names]):
        raise SpecError(f"{b}: unknown array {unknown[0]!r}; expected {', '.join(names)}")
    if "x" not in inputs:
        raise SpecError(f"{b}: no array 'x'; put the inputs into it, or give them with --input IN.npz")
    if not expected:
        raise SpecError(f"{b}: no outputs; expected some of {', '.join(names)}")
    for name, array in expected.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise SpecError(f"{b}: {name!r}: expected finite numbers, found {array.dtype}, or NaN or infinity in it")
    return inputs, expected


def check_inputs_alike(a: Path, ours: "Model", b: Path, theirs: "Model") -> None:
    """Raise SpecError where two models take different features, or one of them ids."""
    from rnnspec.errors import SpecError

    if ours.inputs != theirs.inputs:
        sizes = ["ids" if model.inputs is None else f"{model.inputs} features" for model in (ours, theirs)]
        raise SpecError(f"{a} takes {sizes[0]}, {b} {sizes[1]}: they cannot be given the same inputs")


def random_inputs(checkpoint: "Checkpoint", other: "Model") -> dict:
    """Ragged rows, one empty, and initial states where both models have the same."""
    from rnnspec.conformance.case import ZERO, draw

    model = checkpoint.model
    return draw("diff", (), model, lengths=ZERO, state=model.states() == other.states()).inputs


def check(where: Path, checkpoint: "Checkpoint", inputs: dict) -> None:
    """Raise SpecError where the inputs do not fit the model."""
    import numpy as np

    from rnnspec.errors import SpecError
    from rnnspec.reference import Net

    call = {name: inputs[name] for name in ("x", "lengths", "mask", "reset") if name in inputs}
    state = {name: array for name, array in inputs.items() if name not in call}
    try:
        with np.errstate(all="ignore"):
            Net(checkpoint, "float64")(**call, state=state or None)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None


def show(report: dict[str, Any]) -> None:
    """The report on one screen."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)

    def line(text: str, style: str = "") -> None:
        console.print(escape(printable(text)), style=style, soft_wrap=True)

    for was, name in report["renamed"].items():
        line(f"layer {was} of B is compared with {name} of A")
    for table in tables(report):
        console.print(table)
    allowed = f"{report['tolerance']:.1e}"
    if report["verdict"] == "same":
        line(f"the same: nothing differs by more than {allowed}", "green")
        return
    if report["verdict"] == "rounding":
        line(f"different: by more than {allowed}, but by no more than rounding does to this model", "yellow")
    else:
        line(f"different: by more than {allowed}, which is more than rounding", "red")
    if first := report["first"]:
        place = [f"{key} {first[key]}" for key in ("step", "row") if first[key] is not None]
        line(f"first in layer {first['layer']}: {', '.join([first['name'], *place])}")
    for place, sentences in report.get("weights_match", {}).items():
        for sentence in sentences:
            line(f"the weights of {place} match when {sentence}", "bold green")
    for match in report["matches"]:
        line(f"matches when {match['sentence']} (then off by {match['error']:.1e})", "bold green")
    explained = report.get("weights_match", {})
    if not report["matches"] and not (explained and all(explained.values())):
        tried = report["tried"]
        pairs = f"{tried['pairs']} of {tried['all_pairs']} pairs of them"
        line(f"no simple mistake found ({tried['mistakes']} tried, and {pairs})", "bold yellow")


def tables(report: dict[str, Any]) -> "Iterator[Table]":
    """What differs in the configuration and the weights, and by how much the results do."""
    from rich.markup import escape
    from rich.table import Table

    if fields := report.get("configuration"):
        table = Table("configuration", "A", "B")
        for row in fields[:12]:
            table.add_row(escape(row["place"]), escape(str(row["a"])), escape(str(row["b"])))
        yield shortened(table, fields, 12)
    if weights := report.get("weights"):
        table = Table("weights", "gate", "largest difference")
        for row in weights[:12]:
            size = "another shape" if row["difference"] is None else f"{row['difference']:.1e}"
            table.add_row(escape(row["tensor"]), row["gate"], size)
        yield shortened(table, weights, 12)
    table = Table("result", "largest difference", "first row", "first step", "A gives", "B has")
    for row in report["differences"]:
        size = row.get("note") or ("NaN or infinity" if row["error"] is None else f"{row['error']:.1e}")
        places = ["" if row[key] is None else str(row[key]) for key in ("row", "step")]
        values = ["" if row[key] is None else f"{row[key]:.6f}" for key in ("actual", "expected")]
        table.add_row(escape(row["name"]), escape(size), *places, *values)
    yield table


def shortened(table: "Table", rows: list, most: int) -> "Table":
    """The table, with a word on the rows that it leaves out."""
    if len(rows) > most:
        table.add_row(f"and {len(rows) - most} more; --json has them")
    return table
