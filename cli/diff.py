"""`rnnspec diff`: where a model's numbers go wrong, and which mistake explains it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspec.cli.differences import show
from rnnspec.cli.options import FILE, json_option
from rnnspec.cli.say import say_json

if TYPE_CHECKING:
    from rnnspec.checkpoint import Checkpoint
    from rnnspec.model import Model


@click.command()
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option("--input", "source", type=FILE, metavar="IN.npz",
              help="Arrays, as for `rnnspec run`: the inputs, which steps count, initial states.")  # fmt: skip
@click.option("--tolerance", type=click.FloatRange(min=0, min_open=True),
              help="What counts as the same. Default: what rounding may do, in float32 at least 1e-5.")  # fmt: skip
@json_option
def diff(a: Path, b: Path, source: Path | None, tolerance: float | None, as_json: bool) -> int:
    """Compare model A with B: another model, or an .npz of the numbers that A should give.

    Such an .npz holds y and any final states as NAME.out, with the inputs x, lengths or mask, reset, and the initial
    states as NAME. With --input it holds y and the final states only, as `rnnspec run` writes them. Inputs and outputs
    that have names have them here too: NAME, NAME.lengths and so on. Two models are run on random inputs, unless there
    is --input. Where the numbers of a chain differ, the usual mistakes are tried on A; two graphs are compared place by
    place.

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
    given, renamed = read(source, ours.model) if source else None, {}
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

    names = {**{name: name for name in model.results}, **{f"{name}.out": name for name in model.states()}}
    if given is not None:
        names |= {name: name for name in model.states()}
    inputs = {name: array for name, array in values.items() if name not in names} if given is None else given
    expected = {names[name]: array for name, array in values.items() if name in names}
    if given is not None and (unknown := [name for name in values if name not in names]):
        raise SpecError(f"{b}: unknown array {unknown[0]!r}; expected {', '.join(names)}")
    if missing := [name for name in model.given if name not in inputs]:
        raise SpecError(f"{b}: no array {missing[0]!r}; put the inputs into it, or give them with --input IN.npz")
    if not expected:
        raise SpecError(f"{b}: no outputs; expected some of {', '.join(names)}")
    for name, array in expected.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise SpecError(f"{b}: {name!r}: expected finite numbers, found {array.dtype}, or NaN or infinity in it")
    return inputs, expected


def check_inputs_alike(a: Path, ours: "Model", b: Path, theirs: "Model") -> None:
    """Raise SpecError where two models take inputs of other names, other features, ids, or other axes."""
    from rnnspec.errors import SpecError

    def takes(model: "Model") -> str:
        each = {name: "ids" if x.features is None else f"{x.features} features" for name, x in model.given.items()}
        if not model.by_name:
            return each["x"]
        kinds = {
            n: ("" if x.sequence else " a row") + (f" like {x.like}" * bool(x.like)) for n, x in model.given.items()
        }
        return ", ".join(f"{name} ({each[name]}{kinds[name]})" for name in each)

    if takes(ours) != takes(theirs):
        raise SpecError(f"{a} takes {takes(ours)}, {b} {takes(theirs)}: they cannot be given the same inputs")


def random_inputs(checkpoint: "Checkpoint", other: "Model") -> dict:
    """Ragged rows, one empty, and initial states where both models have the same, and none that start elsewhere."""
    from rnnspec.cli.verify import ragged, starts, times
    from rnnspec.conformance.case import draw

    model = checkpoint.model
    state = model.states() == other.states() and not starts(model) and not starts(other)
    return draw("diff", (), model, lengths=ragged(model), state=state, time=times(model)).inputs


def check(where: Path, checkpoint: "Checkpoint", inputs: dict) -> None:
    """Raise SpecError where the inputs do not fit the model."""
    import numpy as np

    from rnnspec.cli.run import check_names
    from rnnspec.errors import SpecError
    from rnnspec.inputs import as_call
    from rnnspec.reference import Net

    check_names(where, inputs, checkpoint.model)
    try:
        with np.errstate(all="ignore"):
            Net(checkpoint, "float64")(**as_call(checkpoint.model, inputs))
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None
