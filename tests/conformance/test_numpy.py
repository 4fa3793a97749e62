"""Every case on the reference; of the other backends `rnnspec conformance` asks the same."""

import pytest

import rnnspec.backends.numpy
from rnnspec.conformance import cases, run, variants

CASES = {case.id: case for case in cases()}
VARIANTS = {variant.name: variant for variant in variants(rnnspec.backends.numpy)}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES)
def test_case(case, variant):
    result = run(CASES[case], VARIANTS[variant])
    assert result.outcome in ("pass", "unsupported"), result.detail
