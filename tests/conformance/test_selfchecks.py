"""The clauses that speak of the library and not of a backend: the checks hold."""

import pytest

from rnnspec.conformance import cases
from rnnspec.conformance.check import Check, equal, holds, near, refused
from rnnspec.conformance.runner import run_check
from rnnspec.conformance.selfchecks import checks

CHECKS = {check.id: check for check in checks() if not check.missing}


@pytest.mark.parametrize("id", CHECKS)
def test_the_library_holds(id):
    result = run_check(CHECKS[id])
    assert (result.outcome, result.variant, result.detail) == ("pass", "library", "")


def test_ids_are_unique():
    assert len({check.id for check in checks()} | {case.id for case in cases()}) == len(checks()) + len(cases())


def test_the_outcomes_of_a_check():
    def broken() -> None:
        raise KeyError("h")

    def wrong() -> None:
        equal("the answer", 41, 42)

    found = [
        run_check(Check("a", ("CONF-3",), lambda: None)),
        run_check(Check("b", ("CONF-3",), wrong)),
        run_check(Check("c", ("CONF-3",), broken)),
        run_check(Check("d", ("CONF-3",), broken, needs=("a_package_that_nobody_has",))),
    ]
    assert [(result.outcome, result.detail) for result in found] == [
        ("pass", ""),
        ("fail", "the answer: expected 42, found 41"),
        ("fail", "KeyError: 'h'"),
        ("unsupported", "needs a_package_that_nobody_has"),
    ]
    assert {result.clauses for result in found} == {("CONF-3",)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: holds("it does not hold", []), "it does not hold"),
        (lambda: near("y", [1.0, 2.5], [1.0, 2.0], 0.25), r"y: 5\.0e-01 off, 2\.5e-01 allowed"),
        (lambda: near("y", [float("nan")], [1.0], 0.25), "y: nan off"),
        (lambda: near("y", [[1.0]], [1.0], 0.25), r"y: shape: expected \(1,\), found \(1, 1\)"),
    ],
)
def test_what_a_check_says(wrong, message):
    with pytest.raises(AssertionError, match=message):
        wrong()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (None, "it: accepted; expected ValueError"),
        (ValueError("one\ntwo"), "it: the error has more than one line"),
        (ValueError("y"), "it: the error does not say 'x': y"),
    ],
)
def test_a_refusal_is_in_one_line_that_says_what_is_wrong(error, message):
    def attempt() -> None:
        with refused("it", ValueError, "x"):
            if error:
                raise error

    with pytest.raises(AssertionError, match=message):
        attempt()
