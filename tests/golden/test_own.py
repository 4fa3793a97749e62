"""What our own recipes made with the real frameworks (`tests/golden/recipes`), converted, gives what they computed.

A folder of `tests/data/golden/own/<group>/` holds the artefact and

    case.json      {"artefact": "model.keras", "options": {"part": "rnn"}, "of": "Keras 3.13: an LSTM behind a Lambda"}
    inputs.npz     what `rnnspec run --input` takes
    expected.npz   what the framework computed, by our names: y or the outputs, final states; not more

or, for what must be refused, a case.json with "refused": a pattern of the message, and no numbers.
"""

import json

import numpy as np
import pytest

from rnnspec.convert import convert
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.inputs import as_call
from rnnspec.reference import Net

from .case import DATA, read
from .test_golden import TOLERANCE

OWN = DATA / "own"
FOLDERS = sorted(path.parent.relative_to(OWN).as_posix() for path in OWN.glob("*/*/case.json"))


@pytest.mark.parametrize("name", FOLDERS)
def test_converted_it_gives_what_the_framework_computed(name):
    folder = OWN / name
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    assert set(case) <= {"artefact", "options", "of", "refused"}
    assert case["of"]
    options = dict(case.get("options", {}))
    for key in ("config", "arrays"):
        if key in options and (folder / options[key]).exists():
            options[key] = folder / options[key]
    if "refused" in case:
        assert not (folder / "expected.npz").exists()
        with pytest.raises((SpecError, UnsupportedError), match=case["refused"]):
            convert(folder / case["artefact"], **options)
        return
    expected = read(folder / "expected.npz")
    net = Net(convert(folder / case["artefact"], **options), dtype="float64")
    call = as_call(net.model, read(folder / "inputs.npz"))
    y, state = net(call.pop("x"), **call)
    found = {**net.model.named(y), **state}
    assert {key for key in expected if key not in found} == set(), f"found {sorted(found)}"
    outputs = set(net.model.named(y))
    assert outputs <= set(expected), "every output is compared"
    for key, value in expected.items():
        assert found[key].shape == value.shape, key
        atol = TOLERANCE[str(value.dtype)] * max(1, np.abs(value).max())
        np.testing.assert_allclose(found[key], value, rtol=0, atol=atol, equal_nan=False, err_msg=key)
