"""`rnnspec verify`: every backend against the reference, on this model."""

from pathlib import Path

import click

from rnnspec.cli.options import backend_option, chosen_backends, model_argument


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


def compare(checkpoint, modules: dict):
    """Yield one result per backend variant and kind of call."""
    from rnnspec.conformance import variants
    from rnnspec.conformance.runner import run

    for module in modules.values():
        for variant in variants(module):
            for case in model_cases(checkpoint):
                yield run(case, variant)


def model_cases(checkpoint) -> list:
    """The calls to try: full, ragged with an empty row, and, where it streams, step by step."""
    from rnnspec.conformance.cases import LENGTHS, Case
    from rnnspec.layers import Recurrent

    model = checkpoint.model
    cases = [
        Case("whole sequence", (), model, None, True, weights=checkpoint.weights),
        Case("lengths, one row empty", (), model, LENGTHS["zero"], True, weights=checkpoint.weights),
    ]
    forward = all(layer.direction == "forward" for layer in model.layers if isinstance(layer, Recurrent))
    if forward and model.return_sequences:
        cases.append(Case("step by step", (), model, None, True, "steps", weights=checkpoint.weights))
    return cases
