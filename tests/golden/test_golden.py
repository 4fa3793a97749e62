"""What the real frameworks saved, converted, gives what they computed (tests/data/golden/README.md)."""

import re
from functools import partial

import numpy as np
import pytest

from rnnspec.convert import convert
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reference import Net

from .case import DATA
from .table_onnx import REFUSED
from .tables import CASES

TOLERANCE = {"float64": 1e-10, "float32": 1e-5, "float16": 2e-3}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_reference_reproduces_the_framework(case):
    for key, value in case.reproduce(partial(Net, dtype="float64")).items():
        expected = case.expected[key]
        assert value.shape == expected.shape, key
        atol = TOLERANCE[str(expected.dtype)]
        np.testing.assert_allclose(value, expected, rtol=0, atol=atol, equal_nan=False, err_msg=key)


@pytest.mark.parametrize("path", sorted({case.path for case in CASES}))
def test_every_expected_number_is_compared(path):
    rows = [case for case in CASES if case.path == path]
    compared = {key for case in rows for key in case.reproduce(partial(Net, dtype="float64"))}
    assert compared == set(rows[0].expected)


def test_every_folder_has_a_row():
    folders = {path.parent.relative_to(DATA).as_posix() for path in DATA.glob("*/*/expected.npz")}
    assert folders == {case.path for case in CASES} | {name.rpartition("/")[0] for name in REFUSED}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_chain_is_refused(name):
    with pytest.raises((SpecError, UnsupportedError), match=re.escape(REFUSED[name])):
        convert(DATA / name)
