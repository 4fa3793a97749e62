"""Every golden model, converted, on every runtime in float32."""

import numpy as np
import pytest

from rnnspec import backends

from ..golden.tables import CASES

TOLERANCE = {"float64": 1e-5, "float32": 1e-5, "float16": 2e-3}
ONE_EACH = {case.path: case for case in reversed(CASES)}  # the artefacts of a folder hold the same weights


@pytest.mark.parametrize("backend", backends.REQUIRES)
@pytest.mark.parametrize("case", ONE_EACH.values(), ids=lambda case: case.id)
def test_runtime_reproduces_the_framework(case, backend):
    for key, value in case.reproduce(backends.get(backend).load).items():
        expected = case.expected[key]
        assert value.shape == expected.shape, key
        atol = TOLERANCE[str(expected.dtype)]
        np.testing.assert_allclose(value, expected, rtol=0, atol=atol, equal_nan=False, err_msg=key)
