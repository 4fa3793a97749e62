"""SavedModels, without TensorFlow."""

import shutil

import numpy as np
import pytest

from rnnspec.convert import convert
from rnnspec.errors import SpecError, UnsupportedError
from tests.files.checkpoints import field, table

from ..golden.case import DATA

CASES = sorted(path.parent.name for path in DATA.glob("keras3/*/saved_model"))


def folder(case: str):
    return DATA / "keras3" / case / "saved_model"


@pytest.fixture
def copied(tmp_path):
    """A SavedModel to be damaged."""
    return shutil.copytree(folder("gru_reset_after"), tmp_path / "m")


@pytest.mark.parametrize("case", CASES)
def test_the_graph_says_what_the_configuration_says(case):
    part = "decoder" if case == "seq2seq_lstm" else None
    config = DATA / "keras3" / case / "model.keras"
    by_graph = convert(folder(case), part=part)
    by_config = convert(folder(case), config=config, part=part)
    written = convert(config, part=part)
    assert by_graph.model == by_config.model == written.model
    for name, array in written.weights.items():
        np.testing.assert_array_equal(by_graph.weights[name], array, err_msg=name)
        np.testing.assert_array_equal(by_config.weights[name], array, err_msg=name)


def test_every_variable_is_used_or_ignored_with_its_reason():
    conversion = convert(folder("gru_reset_after")).metadata["conversion"]
    assert sorted(conversion["ignored"].values()) == [
        "a copy of gru/gru_cell/bias",
        "a copy of gru/gru_cell/kernel",
        "a copy of gru/gru_cell/recurrent_kernel",
        "the state of a random generator",
    ]
    assert any("added up" in note for note in conversion["notes"])
    assert any("dropout" in note for note in conversion["notes"])


def test_what_the_graph_does_not_say_is_noted_and_can_be_set():
    assumed = convert(folder("lstm"))
    assert assumed.model.layers[0].padded_output == "hold"
    assert any("zero_output_for_mask" in note for note in assumed.metadata["conversion"]["notes"])
    known = convert(folder("lstm"), settings={"lstm.zero_output_for_mask": True})
    assert known.model.layers[0].padded_output == "zero"
    assert not any("zero_output_for_mask" in note for note in known.metadata["conversion"]["notes"])
    with pytest.raises(SpecError, match="--set zero_output_for_mask: nothing in this source takes it"):
        convert(folder("lstm_masked"), settings={"zero_output_for_mask": True})


def test_parts():
    source = folder("seq2seq_lstm")
    with pytest.raises(UnsupportedError, match=r"no chain: .* give --part, one of decoder, encoder"):
        convert(source)
    with pytest.raises(SpecError, match="--part middle: no layer has that name; there are decoder, head, encoder"):
        convert(source, part="middle")
    assert [layer.name for layer in convert(source, part="encoder").model.layers] == ["encoder"]
    assert [layer.name for layer in convert(source, part="head").model.layers] == ["decoder", "head"]


def test_a_configuration_of_another_model():
    with pytest.raises(SpecError, match=r"'lstm'.*'kernel' is missing"):
        convert(folder("gru_reset_after"), config=DATA / "keras3" / "lstm" / "model.keras")


def test_damage_is_named(copied):
    graph = copied / "saved_model.pb"
    data = graph.read_bytes()
    graph.write_bytes(data[: len(data) // 2])
    with pytest.raises(SpecError, match=r"saved_model.pb: damaged: .*cut off"):
        convert(copied)
    graph.write_bytes(data.replace(b"functional_1_gru_1_while_body", b"functional_1_gru_1_while_nody", 1))
    with pytest.raises(SpecError, match=r"its function .* is missing|no layer"):
        convert(copied)
    graph.write_bytes(b"")
    with pytest.raises(UnsupportedError, match="expected one graph, found 0"):
        convert(copied)


def test_a_missing_bundle(copied):
    (copied / "variables" / "variables.index").unlink()
    with pytest.raises(FileNotFoundError, match=r"variables\.index"):
        convert(copied)


def test_a_saved_model_of_tensorflow_1(copied):
    (copied / "saved_model.pb").write_bytes(b"\x08\x01\x12\x02\x0a\x00")  # one graph, without objects
    with pytest.raises(UnsupportedError, match=r"of TensorFlow 1, .*convert .*variables/variables, its checkpoint"):
        convert(copied)


def test_random_damage_never_gives_a_traceback(copied):
    graph = copied / "saved_model.pb"
    data, rng = graph.read_bytes(), np.random.default_rng(0)
    messages = []
    for _ in range(150):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), 4):
            damaged[place] = rng.integers(0, 256)
        graph.write_bytes(damaged)
        try:
            convert(copied)
        except (SpecError, UnsupportedError) as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert not any("\n" in message for message in messages)


def entry(key: bytes, value: bytes) -> bytes:
    """An entry of a map."""
    return field(1, key) + field(2, value)


def doubling(name: bytes, other: bytes) -> bytes:
    """A function that returns what two calls of another give."""
    signature = field(1, name) + field(2, field(1, b"x")) + b"".join(field(3, field(1, out)) for out in (b"y", b"z"))
    call = field(5, entry(b"f", field(10, field(1, other))))
    nodes = b"".join(
        field(3, field(1, node) + field(2, b"PartitionedCall") + field(3, b"x") + call) for node in (b"a", b"b")
    )
    return field(1, signature) + nodes + field(4, entry(b"y", b"a:output:0")) + field(4, entry(b"z", b"b:output:0"))


def test_functions_that_call_another_twice_each(tmp_path):
    """2²⁸ calls in 29 functions."""
    library = b"".join(field(1, doubling(b"f%d" % k, b"f%d" % (k + 1))) for k in range(28))
    last = field(1, field(1, b"f28") + field(2, field(1, b"x")) + field(3, field(1, b"y")))
    library += field(
        1, last + field(3, field(1, b"a") + field(2, b"Tanh") + field(3, b"x")) + field(4, entry(b"y", b"a:y:0"))
    )
    objects = [field(1, field(1, 1) + field(2, b"signatures")), field(1, field(1, 2) + field(2, b"serving_default"))]
    objects.append(field(8, field(1, b"f0")))
    graph = b"".join(field(1, each) for each in objects) + field(2, entry(b"f0", b""))
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "variables.index").write_bytes(table({b"": field(1, 1)}))
    (tmp_path / "saved_model.pb").write_bytes(field(2, field(2, field(2, library)) + field(7, graph)))
    with pytest.raises(SpecError, match="functions call each other without end"):
        convert(tmp_path)
