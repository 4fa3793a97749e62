"""`rnnspec verify`: every backend against the reference, on this model."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspec.cli.options import backend_option, chosen_backends, model_argument
from rnnspec.cli.progress import progress

if TYPE_CHECKING:
    from rnnspec.checkpoint import Checkpoint
    from rnnspec.model import Model


@click.command()
@model_argument
@backend_option("A backend or importable module; again for more. Default: all installed.")
def verify(model: Path, backends: tuple[str, ...]) -> int:
    """Check that each backend gives MODEL's numbers, on random inputs, whole and step by step."""
    import rnnspec
    from rnnspec.cli.report import results_table

    checkpoint = rnnspec.load(model)
    with progress(f"verifying {model.name}") as told:
        told(0, 0)
        results = []
        for result in compare(checkpoint, chosen_backends(backends)):
            results.append(result)
            told(len(results), 0)
    return results_table(results, str(model))


def compare(checkpoint: "Checkpoint", modules: dict) -> Iterator[Any]:
    """Yield one result per backend variant and kind of call."""
    from rnnspec.conformance import variants
    from rnnspec.conformance.runner import run

    for module in modules.values():
        for variant in variants(module):
            for case in model_cases(checkpoint):
                yield run(case, variant)


def model_cases(checkpoint: "Checkpoint") -> list:
    """The calls to try: full, ragged with an empty row, and, where it streams, step by step."""
    from functools import partial

    from rnnspec.conformance.case import draw

    model = checkpoint.model
    weights = {name: array.astype("float32") for name, array in checkpoint.weights.items()}
    drawn = partial(draw, weights=weights, time=times(model))
    cases = [drawn("whole sequence", (), model, state=True)]
    if lengths := ragged(model):
        cases.append(drawn("lengths, one row empty", (), model, lengths=lengths, state=not starts(model)))
    if streams(model):
        cases.append(drawn("step by step", (), model, split="steps", state=True))
    return cases


def times(model: "Model") -> dict[str, int]:
    """Steps for `draw`, of every input that has a time of its own: enough for three windows of each kind."""
    from rnnspec.conformance.case import TIME
    from rnnspec.layers import Convolution, Pool

    least: dict[str, int] = {}
    for node in reversed(model.graph.nodes):
        layer, time = node.layer, node.reads[0].time
        if isinstance(layer, (Convolution, Pool)) and time is not None:
            windows = max(3, least.get(layer.name, 0))
            least[time] = max(least.get(time, 0), (windows - 1) * layer.strides[0] + layer.span)
    own = [name for name, given in model.given.items() if given.sequence and not given.like]
    return {name: max(TIME, least.get(name, 0)) for name in own}


def ragged(model: "Model") -> Any:
    """Lengths for `draw`, one of them 0, of every input that has a time of its own."""
    lengths = {name: (time // 2, 0, time, time - 1) for name, time in times(model).items()}
    return lengths if model.by_name else lengths["x"]


def starts(model: "Model") -> bool:
    """Whether a state starts from another place, where none is given."""
    from rnnspec.layers import Recurrent

    return any(isinstance(layer, Recurrent) and layer.start for layer in model.layers)


def streams(model: "Model") -> bool:
    """Whether it has a step, and a sequence step by step is the whole sequence."""
    from rnnspec.errors import UnsupportedError
    from rnnspec.layers import Recurrent

    recurrent = [layer for layer in model.layers if isinstance(layer, Recurrent)]
    if not all(layer.direction == "forward" and not layer.reverse_output for layer in recurrent):
        return False
    if not model.results.keys() <= model.sequences or any(given.padding is not None for given in model.given.values()):
        return False
    try:
        return bool(model.stepped)
    except UnsupportedError:
        return False
