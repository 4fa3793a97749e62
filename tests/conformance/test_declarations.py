"""What our backends declare, whether their frameworks are installed or not."""

from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
import pytest

import rnnspec.backends
from rnnspec.conformance import cases
from rnnspec.conformance.declaration import Declaration

FILES = sorted(Path(rnnspec.backends.__file__).parent.glob("*/conformance.json"))


def test_every_backend_has_one():
    assert {path.parent.name for path in FILES} == set(rnnspec.backends.REQUIRES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_what_it_declares_is_about_something(path):
    """Every pattern matches a feature that some case has."""
    features = {feature for case in cases() if hasattr(case, "features") for feature in case.features}
    features |= {"dtype.float32", "dtype.float64"}
    for entry in msgspec.json.decode(path.read_bytes(), type=Declaration).unsupported:
        for pattern in entry.features:
            assert any(fnmatchcase(feature, pattern.removeprefix("!")) for feature in features), pattern
