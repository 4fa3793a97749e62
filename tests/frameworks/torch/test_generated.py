"""Some of the random modules that `python -m tests.convert.generate.torch` tries by the hundred."""

import pytest

from tests.convert.generate.torch import tried

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch, about its own older ways


@pytest.mark.parametrize("seed", range(24))
def test_a_random_module(seed):
    result, why = tried(seed)
    assert result == "exact" or "not a chain, by their names" in why or "cannot be read off" in why


def test_most_of_them_are_exact():
    assert sum(tried(seed)[0] == "exact" for seed in range(24, 64)) >= 36
