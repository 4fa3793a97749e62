"""What counts as the same number (ACC-1 to ACC-4), on arrays made by hand."""

import tempfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np

from rnnspec import accuracy
from rnnspec.cells import LSTM
from rnnspec.conformance import comparison, oracle, variant
from rnnspec.conformance.check import Check, equal, near, refused
from rnnspec.conformance.declaration import Declaration
from rnnspec.conformance.vectors import valid
from rnnspec.errors import SpecError
from rnnspec.layers import Dense, Recurrent
from rnnspec.model import Model

_INFINITE = float("inf")


def _error() -> None:
    one, other = np.array([[1.5, 10.0], [0.25, -8.0]]), np.array([[1.25, 8.0], [0.0, -8.5]])
    equal("the error, relative above 1 and absolute below", accuracy.error(one, other), 0.25)
    equal("the error of large numbers", accuracy.error(one[:, 1], other[:, 1]), 0.25)
    equal("the error beside a larger one", accuracy.error(one[1:, 1], other[1:, 1]), 0.5 / 8.5)
    equal("the error of no numbers", accuracy.error(one[:0], other[:0]), 0.0)
    for name in ("y", "rnn.h", "rnn.c"):
        found, expected = ({key: a.copy() for key in ("y", "rnn.h", "rnn.c")} for a in (other, other))
        found[name][0, 0] += 0.125
        equal(f"the worst of all, {name}", accuracy.worst(found, expected), (name, 0.125 / 1.25))
    with refused("results without a state", SpecError, "rnn.h"):
        accuracy.worst({"y": one}, {"y": one, "rnn.h": one})
    large, off = {"y": np.array([100.0, 0.1])}, {"y": np.array([100.00005, 0.10002])}
    equal("the place that is named", comparison.wrong(off, large, "float64", 1e-6)[:4], "y[1]")
    near("a third in 40 bits", oracle.rounded(np.array([1 / 3])), [round(2**41 / 3) / 2**41], 0)
    equal("what 64 bits have and 40 not", oracle.rounded(np.array([1 + 2.0**-50])), np.array([1.0]))


def _allowed() -> None:
    equal("float32: 8 κ u √(K T)", accuracy.allowed("float32", 5, 20, 1.5), 8 * 1.5 * 2.0**-24 * 10)
    equal("float64: 8 κ u √(K T)", accuracy.allowed("float64", 5, 20, 1.5), 8 * 1.5 * 2.0**-41 * 10)
    equal("κ: how far float32 is off", accuracy.condition(3 * 2.0**-24 * 10, 5, 20), 3.0)
    equal("κ of what float32 computes exactly", accuracy.condition(0.0, 5, 20), 0.5)
    lower, dense = Recurrent(name="rnn", cell=LSTM(units=7)), Dense(name="dense", units=9)
    equal("K, the longest row of a kernel", accuracy.terms(Model(inputs=5, layers=(lower, dense))), 7)
    case = next(case for case in valid() if case.gradients)
    expected = {name: np.zeros_like(array) for name, array in case.gradients.items()}
    expected[min(expected)].flat[0] = -4.0
    rows, steps = case.inputs["x"].shape[:2]
    summed = replace(case, gradients=expected).summed()
    near("what a gradient may be off more", summed, 4 * np.sqrt(rows * steps), 1e-12)


def _wrong() -> None:
    expected = np.array([[1.0, 2.0], [3.0, 4.0]])
    for what, found in (
        ("NaN", np.array([[1.0, np.nan], [3.0, 4.0]])),
        ("infinity", np.array([[1.0, 2.0], [np.inf, 4.0]])),
        ("a shape that broadcasts", expected[None]),
        ("a row too few", expected[:1]),
        ("another shape of as many numbers", expected.ravel()),
    ):
        equal(f"the error of {what}", accuracy.error(found, expected), _INFINITE)
        holds_wrong = comparison.wrong({"y": found}, {"y": expected}, "float64", 1e300)
        equal(f"{what} is wrong by any tolerance", bool(holds_wrong), True)
    for dtype, other in (("float32", "float64"), ("float64", "float32"), ("float32", "float16")):
        said = comparison.wrong({"y": expected.astype(other)}, {"y": expected}, dtype, 1.0)
        equal(f"{other} in place of {dtype}", said, f"y: expected {dtype}, found {other}")


def _looseness() -> None:
    equal("the classes", accuracy.LOOSENESS, {"exact": 1, "approximate": 16, "reduced": 2**13})
    exact = accuracy.allowed("float32", 5, 20, 1.0)
    for name, factor in (("exact", 1), ("approximate", 16), ("reduced", 8192)):
        equal(f"what {name} allows", accuracy.allowed("float32", 5, 20, 1.0, name), factor * exact)
        equal(f"what a backend declares that is {name}", _declared(f'"{name}"').looseness, name)
    for wrong in ('"loose"', "16", "1e-3"):
        with refused(f"looseness {wrong}", SpecError, "looseness"):
            _declared(wrong)


def _declared(looseness: str) -> Declaration:
    with tempfile.TemporaryDirectory() as folder:
        module = ModuleType("handmade")
        module.__file__ = str(Path(folder) / "handmade.py")
        (Path(folder) / "handmade.conformance.json").write_text(f'{{"looseness": {looseness}}}', encoding="utf-8")
        return variant.Variant(module).declared


CHECKS = (
    Check("accuracy-error", ("ACC-1",), _error),
    Check("accuracy-allowed", ("ACC-2",), _allowed),
    Check("accuracy-wrong-by-any-tolerance", ("ACC-3",), _wrong),
    Check("accuracy-looseness", ("ACC-4",), _looseness),
)
