"""Compare a model with numbers, or with another model, and say what is wrong."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnspec.checkpoint import Checkpoint
from rnnspec.diagnosis import differences
from rnnspec.diagnosis.explain import explain, explain_weights
from rnnspec.diagnosis.places import partings
from rnnspec.diagnosis.structure import configuration, tensors
from rnnspec.diagnosis.trial import Trial

Inputs = Mapping[str, np.ndarray]


def diagnose(
    ours: Checkpoint, inputs: Inputs, theirs: Checkpoint | Inputs, tolerance: float | None = None
) -> dict[str, Any]:
    """What `rnnspec diff --json` prints.

    Args:
        inputs: x, and where given lengths or mask, reset and all states, by name; they fit the models.
        theirs: a model whose layers have the same names, or y and any final states by name.
        tolerance: what counts as the same; by default `differences.tolerance`.
    """
    trial = Trial.of(ours.model, ours.weights, inputs)
    other = None
    if isinstance(theirs, Checkpoint):
        other = Trial.of(theirs.model, theirs.weights, inputs)
        expected, dtypes = other.results(), {theirs.dtype}
    else:
        expected, dtypes = dict(theirs), {str(array.dtype) for array in theirs.values()}
    usual = differences.tolerance(trial, dtypes | {ours.dtype})
    allowed = tolerance or usual
    found = differences.compare(trial.results(), expected, allowed)
    worst = max(each.error for each in found)
    report: dict[str, Any] = {
        "verdict": "same" if worst <= allowed else "rounding" if worst <= usual else "mistake",
        "tolerance": allowed,
        "differences": [_plain(each) for each in found],
    }
    if other:
        report["configuration"] = configuration(trial.model, other.model)
        report["weights"] = tensors(trial, other)
        report["weights_match"] = explain_weights(trial, other)
    if report["verdict"] == "same":
        return report
    if trial.model.version > 1 or (other and other.model.version > 1):
        return report | _of_graphs(trial, other, found, allowed)
    alike = other and [type(layer) for layer in trial.model.layers] == [type(layer) for layer in other.model.layers]
    first = (
        differences.first_of_models(trial, other, allowed)
        if other and alike
        else differences.first_of_results(trial.model, found, allowed)
    )
    explanation = explain(trial, expected, allowed)
    report["first"] = first and _plain(first)
    report["matches"] = [
        {
            "sentence": str(match),
            "mistakes": [{"name": each.name, "place": each.place} for each in match.mistakes],
            "error": match.error,
        }
        for match in explanation.matches
    ]
    report["tried"] = {
        "mistakes": explanation.tried,
        "pairs": explanation.pairs,
        "all_pairs": explanation.all_pairs,
    }
    return report


def _of_graphs(
    trial: Trial, other: Trial | None, found: list[differences.Difference], allowed: float
) -> dict[str, Any]:
    """Where they part; the usual mistakes are known of chains alone, so `tried` is None."""
    if other is None:
        first = differences.first_of_results(trial.model, found, allowed)
        return {"first": first and _plain(first), "matches": [], "tried": None}
    parted = [_plain(each) | {"first": _plain(each.first)} for each in partings(trial, other, allowed)]
    first = next((each["first"] for each in parted if not each["differing"]), None)
    return {"first": first, "places": parted, "matches": [], "tried": None}


def _plain(item: Any) -> dict[str, Any]:
    """A dataclass for JSON, which has no infinity."""
    values = dataclasses.asdict(item)
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items() if v != ""}
