"""docs/same-numbers.svg: the error of every conformance case on every backend, beside the cost of usual mistakes."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from rnnspec import GRU, Checkpoint, Recurrent, accuracy
from rnnspec.conformance.case import Case
from rnnspec.conformance.vectors import valid as cases
from rnnspec.conventions import keras, onnx
from rnnspec.inputs import as_call
from rnnspec.reference import Net

LEFT, WIDTH, ROW, TOP = 250, 620, 24, 62
LOWEST, HIGHEST = -17, 1


def errors(report: Path) -> dict[str, list[float]]:
    """Backend variant → the error of each case that it ran, from `rnnspec conformance --json`."""
    found: dict[str, list[float]] = {}
    for row in json.loads(report.read_text(encoding="utf-8"))["results"]:
        if row["outcome"] == "fail":
            raise SystemExit(f"{row['variant']}: {row['case']}: {row['detail']}")
        if row["outcome"] == "pass" and row["variant"] != "library":
            found.setdefault(row["variant"], []).append(float(row["error"]))
    return found


def mistakes() -> dict[str, float]:
    """Usual mistake → the error that it makes on one case, everything else being right."""
    by_id = {case.id: case for case in cases()}
    lstm, gru = by_id["lstm-forward-empty"], by_id["gru_after-forward-empty"]

    def permuted(case: Case, order: list[int]) -> Case:
        return weights(case, lambda array: array[order] if array.ndim > 1 else array)

    def weights(case: Case, change, only: str = "") -> Case:
        changed = {k: change(v) if only in k else v for k, v in case.checkpoint.weights.items()}
        return replace(case, weights=changed)

    before = GRU(units=7, reset_after=False)
    kept = {name: array for name, array in gru.checkpoint.weights.items() if "recurrent_bias" not in name}
    model = type(gru.model)(inputs=gru.model.inputs, layers=(Recurrent(name="rnn", cell=before),))
    zeros = {name: np.zeros_like(array) for name, array in lstm.inputs.items() if "." in name}
    exchanged = {"rnn.h": lstm.inputs["rnn.c"], "rnn.c": lstm.inputs["rnn.h"]}
    forget = np.zeros((4, 1), "float32")
    forget[1] = 1
    return {
        "LSTM gates read in ONNX's order": distance(lstm, permuted(lstm, onnx.LSTM.gates.places).checkpoint),
        "forget bias added twice": distance(lstm, weights(lstm, lambda bias: bias + forget, "bias").checkpoint),
        "h and c exchanged": distance(lstm, lstm.checkpoint, exchanged),
        "initial state ignored": distance(lstm, lstm.checkpoint, zeros),
        "lengths ignored": distance(lstm, lstm.checkpoint, {"lengths": None}),
        "GRU gates read in Keras's order": distance(gru, permuted(gru, keras.GRU.gates.places).checkpoint),
        "GRU reset before, not after": distance(gru, Checkpoint(model, kept)),
        "recurrent bias dropped": distance(gru, weights(gru, np.zeros_like, "recurrent_bias").checkpoint),
    }


def distance(case: Case, checkpoint: Checkpoint, changed: dict | None = None) -> float:
    """The error of a wrong checkpoint or wrong inputs against what the case expects."""
    inputs = {name: value for name, value in (case.inputs | (changed or {})).items() if value is not None}
    y, state = Net(checkpoint, "float64")(**as_call(case.model, inputs))
    return accuracy.worst({"y": y, **state}, case.expected)[1]


def x_of(error: float) -> float:
    """Where a value lies, in points."""
    exponent = min(max(math.log10(max(error, 1e-99)), LOWEST), HIGHEST)
    return LEFT + WIDTH * (exponent - LOWEST) / (HIGHEST - LOWEST)


def dot(error: float, y: float, radius: float, colour: str) -> str:
    """One dot of the picture."""
    return f'<circle cx="{x_of(error):.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}" opacity="0.6"/>'


def draw(rows: dict[str, list[float]], wrong: dict[str, float]) -> str:
    """The picture as SVG."""
    height = TOP + ROW * (len(rows) + len(wrong) + 2) + 30
    grey, good, bad = "#8a8f98", "#2f81f7", "#d1242f"
    bottom = height - 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {height}" '
        f'font-family="sans-serif" font-size="13" fill="{grey}">',
        f'<text x="10" y="24" font-size="16">{len(list(cases()))} cases, every output and every final state, '
        "against the float64 reference</text>",
    ]
    for exponent in range(LOWEST, HIGHEST + 1, 2):
        x = x_of(10.0**exponent)
        label = "0" if exponent == LOWEST else f"1e{exponent}"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom}" stroke="{grey}" opacity="0.2"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle" font-size="11">{label}</text>')
    y = TOP
    for name, numbers in rows.items():
        x = x_of(accuracy.allowed(name.split()[-1], 12, 6, 0.5))
        parts.append(f'<text x="10" y="{y + 12}">{name}</text>')
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 16}" stroke="{bad}" stroke-width="2"/>')
        parts += [dot(error, y + 3 + k % 11, 1.8, good) for k, error in enumerate(numbers)]
        y += ROW
    parts.append(f'<text x="10" y="{y + 22}" font-size="14">what mistakes cost (red bars above: allowed error)</text>')
    y += int(1.6 * ROW)
    for name, error in wrong.items():
        parts.append(f'<text x="10" y="{y + 12}">{name}</text>')
        parts.append(dot(error, y + 8, 4, bad))
        y += ROW
    return "\n".join([*parts, "</svg>\n"])
