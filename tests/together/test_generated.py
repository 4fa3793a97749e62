"""Some of the random Keras models that `python -m tests.convert.generate.outward` takes to torch and to Flax."""

import pytest

from tests.convert.generate.outward import tried

# Keras reads its variables with np.array, which TensorFlow's `__array__` does not support fully yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize("seed", range(6))
def test_a_random_model_goes_there_and_back(seed):
    assert tried(seed) == {"torch": ("exact", ""), "flax": ("exact", "")}
