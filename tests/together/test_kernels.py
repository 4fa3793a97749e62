"""Which kernel ran: a path is what it says it is."""

from unittest import mock

import numpy as np
import pytest

from rnnspec import backends
from rnnspec.conformance.vectors import valid

CASES = {case.id: case for case in valid()}
PLAIN = {"rnn-bidirectional-empty": "rnn", "lstm-bidirectional-mask": "lstm", "gru_after-forward-full": "gru"}


@pytest.mark.parametrize("id", PLAIN)
def test_torch_runs_its_fused_kernel_on_the_native_path_alone(id):
    import torch

    case = CASES[id]
    for path in ("native", "fused", "generic"):
        net = backends.get("torch").load(case.checkpoint, path=path)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            net(**case.call)
        ran = {event.key for event in profile.key_averages()}
        fused = {"rnn": "aten::rnn_tanh", "lstm": "aten::lstm", "gru": "aten::gru"}[PLAIN[id]]
        assert (fused in ran) == (path == "native"), path
        assert net.paths()["rnn"].startswith(path)


@pytest.mark.parametrize("id", PLAIN)
def test_tensorflow_runs_keras_layers_on_the_native_path_alone(id):
    import keras

    case = CASES[id]
    layer = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[PLAIN[id]]
    for path in ("native", "fused", "generic"):
        net = backends.get("tensorflow").load(case.checkpoint, path=path)
        with mock.patch.object(layer, "call", autospec=True, side_effect=layer.call) as call:
            net(**case.call)
        assert call.called == (path == "native"), path
        assert net.paths()["rnn"].startswith(path)


@pytest.mark.parametrize("id", PLAIN)
def test_onnxruntime_has_the_node(id):
    from rnnspec.export.model import build

    case = CASES[id]
    kinds = {node.op_type for node in build(case.checkpoint, mask="mask" in case.inputs).graph.node}
    assert PLAIN[id].upper() in kinds
    assert "Scan" not in kinds
    net = backends.get("onnxruntime").load(case.checkpoint)
    assert PLAIN[id].upper() in net.paths()["rnn"]


def test_numbers_of_the_paths_differ_in_the_last_bits_only():
    """Two paths are two computations: where they gave the same bits everywhere, one of them would not be run."""
    case = CASES["lstm-bidirectional-mask"]
    native, fused, generic = (
        np.asarray(backends.get("torch").load(case.checkpoint, path=path)(**case.call)[0])
        for path in ("native", "fused", "generic")
    )
    assert 0 < np.abs(native - generic).max() < 1e-6
    assert 0 < np.abs(fused - generic).max() < 1e-6
