"""Some of the random models that `python -m tests.convert.generate.keras` tries by the hundred."""

import pytest

from tests.convert.generate.keras import tried

pytestmark = pytest.mark.filterwarnings("ignore")  # of NumPy and Keras, about masks and each other


@pytest.mark.parametrize("seed", range(12))
def test_a_random_model(seed):
    result, why = tried(seed)
    assert result in ("exact", "none"), why
