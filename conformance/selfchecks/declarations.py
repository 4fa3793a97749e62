"""Declarations beside backends made by hand (CONF-5, CONF-6)."""

from typing import Any

from rnnspec.conformance.check import Check, refused
from rnnspec.conformance.selfchecks.handmade import PLAIN, answer_of, backend, comes_out, declared, raising
from rnnspec.errors import SpecError, UnsupportedError


def _unsupported(*features: str, variant: str = "*") -> dict[str, Any]:
    return {"unsupported": [{"variant": variant, "reason": "too hard", "features": list(features)}]}


def _declarations() -> None:
    refuse, holes = UnsupportedError("no masks"), "lstm-forward-mask"
    for package in (False, True):
        with declared(raising(refuse), package, **_unsupported("call.mask")) as module:
            comes_out("refused and declared", module, holes, "unsupported", "no masks")
            comes_out("refused and not declared", module, PLAIN, "fail", "not declared")
        with declared(backend(), package, **_unsupported("call.mask")) as module:
            comes_out("answered and declared unsupported", module, holes, "fail", "declared unsupported")
            comes_out("answered and not declared", module, PLAIN, "pass")
    comes_out("refused without a file", raising(refuse), PLAIN, "unsupported")
    with declared(raising(refuse), **_unsupported("call.mask", variant="float64")) as module:
        comes_out("declared for another variant", module, holes, "fail", "not declared")
    with declared(raising(refuse), **_unsupported("cell.*", "!cell.lstm", "!cell.rnn")) as module:
        comes_out("taken out of what is declared", module, PLAIN, "fail", "not declared")
    with declared(raising(KeyError("mask")), **_unsupported("call.mask")) as module:
        comes_out("declared, but another error", module, holes, "fail", "KeyError")


def _expected_failures() -> None:
    entry = {"variant": "float32", "case": "lstm-forward-*", "reason": "as in version 1", "link": "https://x"}

    def doubled(y: Any, state: Any) -> tuple:
        return y * 2, state

    with declared(backend(doubled), expected_failures=[entry]) as module:
        comes_out("failing as expected", module, PLAIN, "expected failure", "as in version 1")
        comes_out("failing elsewhere", module, "gru_after-forward-ragged", "fail", "y[")
    with declared(backend(), expected_failures=[entry]) as module:
        comes_out("passing unexpectedly", module, PLAIN, "fail", "it passed")
        comes_out("passing elsewhere", module, "gru_after-forward-ragged", "pass")
    without = {key: value for key, value in entry.items() if key != "link"}
    no_link = refused("an expected failure without a link", SpecError, "link")
    with declared(backend(doubled), expected_failures=[without]) as module, no_link:
        answer_of(module, PLAIN)


CHECKS = (
    Check("backend-declarations", ("CONF-5",), _declarations),
    Check("backend-expected-failures", ("CONF-6",), _expected_failures),
)
