"""`rnnspec verify`: every backend against the reference, on this model."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspec.cli.options import backend_option, chosen_backends, model_argument

if TYPE_CHECKING:
    from rnnspec.checkpoint import Checkpoint


@click.command()
@model_argument
@backend_option("A backend or importable module; again for more. Default: all installed.")
def verify(model: Path, backends: tuple[str, ...]) -> int:
    """Check that each backend gives MODEL's numbers, on random inputs, whole and step by step."""
    import rnnspec
    from rnnspec.cli.report import results_table

    checkpoint = rnnspec.load(model)
    results = list(compare(checkpoint, chosen_backends(backends)))
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

    from rnnspec.conformance.case import ZERO, draw
    from rnnspec.layers import Recurrent

    model = checkpoint.model
    weights = {name: array.astype("float32") for name, array in checkpoint.weights.items()}
    drawn = partial(draw, state=True, weights=weights)
    cases = [
        drawn("whole sequence", (), model),
        drawn("lengths, one row empty", (), model, lengths=ZERO),
    ]
    recurrent = [layer for layer in model.layers if isinstance(layer, Recurrent)]
    forward = all(layer.direction == "forward" and not layer.reverse_output for layer in recurrent)
    if forward and model.return_sequences and model.padding is None:
        cases.append(drawn("step by step", (), model, split="steps"))
    return cases
