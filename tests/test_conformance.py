"""Every case on every installed backend, under each dtype and path that it takes, as each backend declares."""

from fnmatch import fnmatchcase

import pytest

from rnnspec import backends
from rnnspec.conformance import cases, run, variants

CASES = {case.id: case for case in cases()}
VARIANTS = {variant.name: variant for name in backends.installed() for variant in variants(backends.get(name))}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES)
def test_case(case, variant):
    result = run(CASES[case], VARIANTS[variant])
    assert result.outcome in ("pass", "unsupported"), result.detail


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_backend_declares_is_about_something(variant):
    """Every pattern of its declaration matches a feature that some case has."""
    features = {feature for case in CASES.values() if hasattr(case, "features") for feature in case.features}
    features |= {"dtype.float32", "dtype.float64"}
    for entry in VARIANTS[variant].declared.unsupported:
        for pattern in entry.features:
            assert any(fnmatchcase(feature, pattern.removeprefix("!")) for feature in features), pattern
