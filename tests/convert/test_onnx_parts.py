"""What `--parts` lists of an ONNX graph; that each part gives the right numbers stands in tests/golden/test_own.py."""

import pytest

from rnnspec.convert import convert, parts
from rnnspec.errors import SpecError

from ..golden.case import DATA

OWN = DATA / "own" / "onnx"


def test_a_part_begins_and_ends_where_something_has_no_equal():
    assert list(parts(OWN / "reader" / "model.onnx").lines()) == [
        "not whole: input 'given' has the shape ('batch', 1, 6, 'steps'), which is no sequence of features",
        "--part /lstm/LSTM_1: lstm → lstm_1 → out: reads /lstm/Transpose_output_0 (6), gives /Softmax_output_0 (5)",
        "no equal: /conv/Conv (Conv)",
        "no equal: /pool/MaxPool (MaxPool)",
    ]
    assert list(parts(OWN / "detector" / "model.onnx").lines()) == [
        "whole: all of it is converted without --part",
        "--part /gru/GRU: gru: reads /gru/Transpose_output_0 (5), gives /gru/Squeeze_output_0 (4)",
    ]


def test_what_is_taken_is_said():
    conversion = convert(OWN / "detector" / "model.onnx", part="/gru/GRU").metadata["conversion"]
    assert "the part reads /gru/Transpose_output_0 and gives /gru/Squeeze_output_0" in conversion["notes"]
    assert conversion["ignored"]["front.weight"] == "not in the part /gru/GRU"
    with pytest.raises(SpecError, match="--part /gru: no such"):
        convert(OWN / "detector" / "model.onnx", part="/gru")


def test_a_chain_is_one_part_and_whole():
    found = parts(DATA / "onnx_torch" / "char_rnn" / "model_ts.onnx")
    assert found.whole
    assert [part.layers for part in found.parts] == [("embedding", "lstm", "lstm_1", "fc")]
    loop = parts(DATA / "onnx_tf2onnx" / "simple_rnn" / "model.onnx")
    assert (loop.parts, loop.whole) == ((), False)
    assert loop.rest == (("model/simple_rnn/while_loop", "Loop"),)
