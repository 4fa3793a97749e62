"""Every case on every installed backend, under each dtype and path that it takes."""

import pytest

from rnnspec import backends
from rnnspec.conformance import cases, run, variants

CASES = {case.id: case for case in cases()}
VARIANTS = {variant.name: variant for name in backends.installed() for variant in variants(backends.get(name))}

# What a variant may refuse: the rest must pass.
REFUSALS = {
    "torch native float32": ("gru_before", "mask", "rnn-sigmoid", "rnn-linear"),
    "torch native float64": ("gru_before", "mask", "rnn-sigmoid", "rnn-linear"),
    "onnxruntime float32": ("mask",),
    "onnxruntime float64": ("",),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES)
def test_case(case, variant):
    result = run(CASES[case], VARIANTS[variant])
    refused = any(word in case for word in REFUSALS.get(variant, ()))
    assert result.outcome == ("unsupported" if refused else "pass"), result.detail
