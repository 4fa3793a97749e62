"""Each kind of cell: its variables → the features that go in, and the cell with its weights. The equations and where
they are written down: `rnnspec.conventions.tf1`."""

from collections.abc import Callable
from functools import partial
from typing import Any

from rnnspec.conventions import tf1
from rnnspec.conventions.gates import Part
from rnnspec.convert.tf1.ask import Ask
from rnnspec.convert.tf1.names import NORMS
from rnnspec.convert.tf1.variables import CellVariables

Found = tuple[int, Part]


def rnn(v: CellVariables, ask: Ask) -> Found:
    """`BasicRNNCell`."""
    units = v.units("kernel", 1)
    inputs = v.inputs("kernel", units)
    return inputs, tf1.BasicRNN.to_ours(v.take("kernel"), v.take("bias", units), ask.activation())


def lstm(v: CellVariables, ask: Ask, kind: type[tf1.LSTM] = tf1.LSTM) -> Found:
    """Basic, block and fused ones too; with layer norm, or without."""
    gates = len(kind.gates.ours)
    units = v.units("kernel", gates)
    outputs = v.shape("projection")[-1] if "projection" in v else units
    inputs = v.inputs("kernel", outputs)
    diagonals = [f"peephole_{gate}" for gate in kind.peepholes]
    part: partial[Any] = partial(
        kind.to_ours,
        kernel=v.take("kernel"),
        peephole=[v.take(name, units) for name in diagonals] if any(name in v for name in diagonals) else [],
        projection=v.maybe("projection", units, outputs),
        forget_bias=ask.forget_bias(kind.forget_bias),
        activation=ask.activation(),
        **ask.clips("projection" in v),
    )
    if not any(word.endswith("/gamma") for word in v.names):
        return inputs, part(bias=v.take("bias", gates * units))
    for name in v.names.get("bias", []):
        v.variables.ignore(name, "saved, and not used with layer norm (tf.contrib.rnn)")
    carry = "new_h/gamma" not in v
    places = [*(NORMS[gate] for gate in kind.gates.theirs), "state" if carry else "new_h"]
    norms = [(v.take(f"{place}/gamma", units), v.take(f"{place}/beta", units)) for place in places]
    epsilon = tf1.EPSILON["output" if not carry else "carry, half" if v.half else "carry"]
    return inputs, part(norms=norms, carry=carry, epsilon=ask.epsilon(epsilon))


def gru(v: CellVariables, ask: Ask) -> Found:
    """`GRUCell`."""
    units = v.units("gates/kernel", 2)
    inputs = v.inputs("gates/kernel", units)
    gates = v.take("gates/kernel"), v.take("gates/bias", 2 * units)
    candidate = v.take("candidate/kernel", inputs + units, units), v.take("candidate/bias", units)
    return inputs, tf1.GRU.to_ours(*gates, *candidate, activation=ask.activation())


def cudnn_gru(v: CellVariables, ask: Ask) -> Found:
    """`CudnnCompatibleGRUCell`."""
    units = v.units("gates/kernel", 2)
    inputs = v.inputs("gates/kernel", units)
    gates = v.take("gates/kernel"), v.take("gates/bias", 2 * units)
    x, h = "candidate/input_projection", "candidate/hidden_projection"
    candidate_x = v.take(f"{x}/kernel", inputs, units), v.take(f"{x}/bias", units)
    candidate_h = v.take(f"{h}/kernel", units, units), v.take(f"{h}/bias", units)
    return inputs, tf1.CudnnCompatibleGRU.to_ours(*gates, *candidate_x, *candidate_h, activation=ask.activation())


def indrnn(v: CellVariables, ask: Ask) -> Found:
    """`IndRNNCell`."""
    units = v.units("kernel_u", 1)
    arrays = v.take("kernel_w", None, units), v.take("kernel_u", 1, units), v.take("bias", units)
    return len(arrays[0]), tf1.IndRNN.to_ours(*arrays, activation=ask.activation())


def indy_lstm(v: CellVariables, ask: Ask) -> Found:
    """`IndyLSTMCell`."""
    units = v.units("kernel_u", 4)
    kernels = v.take("kernel_w", None, 4 * units), v.take("kernel_u", 1, 4 * units)
    bias, forget_bias = v.take("bias", 4 * units), ask.forget_bias()
    return len(kernels[0]), tf1.IndyLSTM.to_ours(*kernels, bias, forget_bias, ask.activation())


def indy_gru(v: CellVariables, ask: Ask) -> Found:
    """`IndyGRUCell`."""
    units = v.units("gates/kernel_u", 2)
    gates = v.take("gates/kernel_w", None, 2 * units), v.take("gates/kernel_u", 1, 2 * units)
    inputs = len(gates[0])
    candidate = v.take("candidate/kernel", inputs, units), v.take("candidate/kernel_u", 1, units)
    biases = v.take("gates/bias", 2 * units), v.take("candidate/bias", units)
    arrays = (*gates, biases[0], *candidate, biases[1])
    return inputs, tf1.IndyGRU.to_ours(*arrays, activation=ask.activation())


def ugrnn(v: CellVariables, ask: Ask) -> Found:
    """`UGRNNCell`."""
    units = v.units("kernel", 2)
    inputs = v.inputs("kernel", units)
    arrays = v.take("kernel"), v.take("bias", 2 * units)
    return inputs, tf1.UGRNN.to_ours(*arrays, ask.forget_bias(), ask.activation())


def nas(v: CellVariables, ask: Ask) -> Found:
    """`NASCell`."""
    units = v.units("kernel", 8)
    outputs = v.shape("projection")[-1] if "projection" in v else units
    kernels = v.take("kernel", None, None), v.take("recurrent_kernel", outputs, 8 * units)
    rest = v.maybe("bias", 8 * units), v.maybe("projection", units, outputs)
    return len(kernels[0]), tf1.NAS.to_ours(*kernels, *rest)


def sru(v: CellVariables, ask: Ask) -> Found:
    """`SRUCell`."""
    units = v.units("kernel", 4)
    arrays = v.take("kernel", None, None), v.take("bias", 2 * units)
    return len(arrays[0]), tf1.SRU.to_ours(*arrays, activation=ask.activation())


def intersection(v: CellVariables, ask: Ask) -> Found:
    """`IntersectionRNNCell`."""
    units = v.units("kernel", 4)
    arrays = v.take("kernel", 2 * units, 4 * units), v.take("bias", 4 * units)
    given = "in_projection/kernel" in v
    projection = [v.take("in_projection/kernel", None, units), v.take("in_projection/bias", units)] if given else []
    inputs = len(projection[0]) if projection else units
    options: dict[str, Any] = {"forget_bias": ask.forget_bias()}
    options["activation"] = ask.activation(tf1.PLUS_RNN_ACTIVATION, "y_activation")
    return inputs, tf1.Intersection.to_ours(*arrays, *projection, **options)


def timefreq(v: CellVariables, ask: Ask) -> Found:
    """`TimeFreqLSTMCell`."""
    units = v.units("kernel", 4)
    why = "a checkpoint of a TimeFreqLSTMCell holds neither feature_size nor frequency_skip nor its number of inputs"
    size, skip, inputs = (ask.size(name, why) for name in ("feature_size", "frequency_skip", "inputs"))
    diagonals = [f"peephole_{gate}" for gate in tf1.TimeFreqLSTM.peepholes]
    part = tf1.TimeFreqLSTM.to_ours(
        v.take("kernel", size + 2 * units, 4 * units),
        v.take("bias", 4 * units),
        [v.take(name, units) for name in diagonals] if any(name in v for name in diagonals) else [],
        ask.forget_bias(),
        feature_size=size,
        frequency_skip=skip,
        clip_cell=ask.clips(projection=False)["clip_cell"],
    )
    return inputs, part


KINDS: dict[str, Callable[[CellVariables, Ask], Found]] = {
    "rnn": rnn,
    "lstm": lstm,
    "cudnn_lstm": partial(lstm, kind=tf1.CudnnCompatibleLSTM),
    "cifg": partial(lstm, kind=tf1.CoupledLSTM),
    "gru": gru,
    "cudnn_gru": cudnn_gru,
    "indrnn": indrnn,
    "indy_lstm": indy_lstm,
    "indy_gru": indy_gru,
    "ugrnn": ugrnn,
    "nas": nas,
    "sru": sru,
    "intersection": intersection,
    "timefreq": timefreq,
}
