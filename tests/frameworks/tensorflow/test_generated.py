"""Some of the random models that `python -m tests.convert.generate.keras` tries by the hundred."""

import pytest

from tests.convert.generate.keras import tried

pytestmark = [
    # Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings(
        "ignore:Layer .* does not support masking:UserWarning"
    ),  # which is one of the things tried
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
]


@pytest.mark.parametrize("seed", range(12))
def test_a_random_model(seed):
    result, why = tried(seed)
    assert result in ("exact", "none"), why
