"""Backends that go wrong from one call to the next, or on arguments in another form, are caught: each somewhere."""

import pytest

from tests.conformance.wrong.arguments import ARGUMENTS
from tests.conformance.wrong.backend import Wrong, caught
from tests.conformance.wrong.gradients import GRADIENTS
from tests.conformance.wrong.memory import MEMORY

FIRST = {  # what is likely to catch them, for speed
    **dict.fromkeys(MEMORY, ("other-sizes", "one-argument", "one-state", "many-calls-lstm-steps", "edge")),
    **dict.fromkeys(ARGUMENTS, ("forms", "refusals", "dtypes", "double", "state-order", "positions")),
    **dict.fromkeys(GRADIENTS, ("given-back-lstm-steps", "gradients")),
}
WRONG = MEMORY | ARGUMENTS | GRADIENTS


def test_there_are_many():
    assert len(WRONG) == len(MEMORY) + len(ARGUMENTS) + len(GRADIENTS) >= 180


def test_what_they_are_made_of_is_right():
    assert caught(Wrong().module()) == ""  # all that there is


@pytest.mark.parametrize("name", WRONG)
def test_it_is_caught(name):
    wrong = WRONG[name]
    module = wrong.module() if isinstance(wrong, Wrong) else wrong()
    assert caught(module, *FIRST[name]) != ""
