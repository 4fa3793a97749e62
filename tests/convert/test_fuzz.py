"""The short run over files of other frameworks: the same files each time."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.foreign import FOREIGN
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import attempt


@pytest.mark.parametrize("name", FOREIGN)
def test_files_that_are_almost_right(name):
    target = FOREIGN[name]
    answers = []

    @settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=mutated(tuple(target.seeds()), target.structured))
    def run(data):
        answers.append(attempt(target, data))

    run()
    assert len(set(answers)) > 10  # many kinds of refusal, and not the same one each time


@pytest.mark.parametrize("name", FOREIGN)
def test_the_seeds_are_read(name):
    """But for those that need a setting."""
    answers = [attempt(FOREIGN[name], data) for data in FOREIGN[name].seeds()]
    assert answers.count("") > len(answers) / 2
    assert not any("damaged" in answer for answer in answers)
