"""The suite as tests of pytest: `plugin` gives it the cases and the variants of a backend."""

from rnnspec.conformance.case import Case
from rnnspec.conformance.invalid import Invalid
from rnnspec.conformance.runner import Variant, run


def test_conformance(rnnspec_case: Case | Invalid, rnnspec_variant: Variant) -> None:
    """The case passes, or the backend refuses it as declared, or fails it as declared."""
    result = run(rnnspec_case, rnnspec_variant)
    assert result.outcome != "fail", result.detail
