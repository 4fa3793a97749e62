"""ONNX's recurrent operators written out once more, to run graphs with `onnx.reference`, whose own ignore lengths, clip
and activations; and graphs to run.

Equations: https://onnx.ai/onnx/operators/onnx__LSTM.html and those of GRU and RNN; `clip` acts before the activations
of the gates, as in ONNX Runtime. float64 inside.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STATES = {"RNN": "h", "GRU": "h", "LSTM": "hc"}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
REVERSE = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
ACTIVATIONS = {
    "Relu": lambda x: np.maximum(x, 0),
    "Tanh": np.tanh,
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Softplus": lambda x: np.log1p(np.exp(x)),
    "LeakyRelu": lambda x, a: np.where(x >= 0, x, a * x),
    "ThresholdedRelu": lambda x, a: np.where(x > a, x, 0),
    "Elu": lambda x, a: np.where(x >= 0, x, a * (np.exp(x) - 1)),
    "Affine": lambda x, a, b: a * x + b,
    "ScaledTanh": lambda x, a, b: a * np.tanh(b * x),
    "HardSigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
}


def weights(kind: str, inputs: int, units: int, directions: int, seed: int = 0, peephole: bool = False) -> dict:
    """Random W, R, B and P in float32."""
    rng = np.random.default_rng(seed)
    gates = GATES[kind]
    shapes = {"W": (gates * units, inputs), "R": (gates * units, units), "B": (2 * gates * units,)}
    shapes |= {"P": (3 * units,)} if peephole else {}
    return {k: (rng.standard_normal((directions, *s)) / 2).astype("float32") for k, s in shapes.items()}


def build(nodes, inputs: dict, outputs, constants: dict, opset: int = 17) -> onnx.ModelProto:
    """A model; `inputs`: name → (element type, shape)."""
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info(name, *value) for name, value in inputs.items()],
        [helper.make_tensor_value_info(name, 1, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def model(
    kind: str, tensors: dict, *, opset: int = 17, layout: int = 0, lengths: bool = False, states: bool = False,
    **attributes,
) -> onnx.ModelProto:  # fmt: skip
    """One node: inputs X, and if asked for sequence_lens and initial states; outputs Y, Y_h and for an LSTM Y_c."""
    directions, _, units = tensors["R"].shape
    inputs = {"X": (1, [*(["batch", "time"] if layout else ["time", "batch"]), tensors["W"].shape[2]])}
    if lengths:
        inputs["sequence_lens"] = (6, ["batch"])
    if states:
        shape = ["batch", directions, units] if layout else [directions, "batch", units]
        inputs |= {f"initial_{s}": (1, shape) for s in STATES[kind]}
    names = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
    names = [name if name in inputs or name in tensors else "" for name in names]
    while not names[-1]:
        names.pop()
    outputs = ["Y", *(f"Y_{s}" for s in STATES[kind])]
    attributes |= {"layout": layout} if opset >= 14 else {}
    node = helper.make_node(kind, names, outputs, hidden_size=units, **attributes)
    return build([node], inputs, outputs, tensors, opset)


def reference(model: onnx.ModelProto, feeds: dict) -> dict:
    """The outputs of a model by name."""
    outputs = [value.name for value in model.graph.output]
    return dict(zip(outputs, ReferenceEvaluator(model, new_ops=[RNN, GRU, LSTM]).run(None, feeds), strict=True))


class Recurrent(OpRun):
    """x (time, batch, inputs) → Y (time, directions, batch, units) and the final states (directions, batch, units)."""

    def _run(
        self, x, w, r, b=None, lengths=None, h=None, c=None, p=None, activations=None, activation_alpha=None,
        activation_beta=None, clip=None, direction=None, hidden_size=None, input_forget=None, layout=None,
        linear_before_reset=None, output_sequence=None,
    ):  # fmt: skip
        kind, dtype = type(self).__name__, np.result_type(w, np.float32)
        reverse = REVERSE[direction or "forward"]
        x, w, r = (array.astype("float64") for array in (x, w, r))
        x = x.swapaxes(0, 1) if layout else x
        (time, batch, _), units = x.shape, r.shape[-1]
        initial = [
            np.zeros((len(w), batch, units)) if state is None else state.swapaxes(0, 1) if layout else state
            for state in (h, c)[: len(STATES[kind])]
        ]
        lengths = np.full(batch, time) if lengths is None else lengths
        b = np.zeros((len(w), 2 * len(w[0]))) if b is None else b.astype("float64")
        p = np.zeros((len(w), 3 * units)) if p is None else p
        functions = named(activations or DEFAULTS[kind] * len(w), activation_alpha, activation_beta)
        y = np.zeros((time, len(w), batch, units))
        finals = [np.zeros((len(w), batch, units)) for _ in STATES[kind]]
        for d, row in np.ndindex(len(w), batch):
            state = [state[d, row] for state in initial]
            each = functions[d * len(DEFAULTS[kind]) :][: len(DEFAULTS[kind])]
            options = {"GRU": [linear_before_reset], "LSTM": [p[d], input_forget]}.get(kind, [])
            order = range(lengths[row])
            for t in reversed(order) if reverse[d] else order:
                state = self.step(w[d] @ x[t, row], r[d], b[d], state, each, clip or np.inf, *options)
                y[t, d, row] = state[0]
            for final, value in zip(finals, state, strict=True):
                final[d, row] = value
        if layout:
            y, finals = y.transpose(2, 0, 1, 3), [final.swapaxes(0, 1) for final in finals]
        return tuple(array.astype(dtype) for array in (y, *finals))


def named(names, alphas, betas):
    """The functions, each with its alpha and beta, which the lists have for those that take them."""
    alphas, betas = iter(alphas or ()), iter(betas or ())
    found = []
    for name in names:
        function = ACTIVATIONS[name]
        count = getattr(getattr(function, "__code__", None), "co_argcount", 1)
        numbers = [next(list_) for list_ in (alphas, betas)[: count - 1]]
        found.append(lambda x, function=function, numbers=numbers: function(x, *numbers))
    return found


class RNN(Recurrent):
    def step(self, x, r, b, state, functions, clip):
        (f,), (h,) = functions, state
        return [f(np.clip(x + r @ h + np.add(*np.split(b, 2)), -clip, clip))]


class GRU(Recurrent):
    def step(self, x, r, b, state, functions, clip, after):
        (f, g), (h,) = functions, state
        x_z, x_r, x_h = np.split(x, 3)
        r_z, r_r, r_h = np.split(r, 3)
        wb_z, wb_r, wb_h, rb_z, rb_r, rb_h = np.split(b, 6)
        z = f(np.clip(x_z + r_z @ h + wb_z + rb_z, -clip, clip))
        reset = f(np.clip(x_r + r_r @ h + wb_r + rb_r, -clip, clip))
        recurrent = reset * (r_h @ h + rb_h) if after else r_h @ (reset * h) + rb_h
        return [(1 - z) * g(np.clip(x_h + recurrent + wb_h, -clip, clip)) + z * h]


class LSTM(Recurrent):
    def step(self, x, r, b, state, functions, clip, p, coupled):
        (f, g, output), (h, c) = functions, state
        a_i, a_o, a_f, a_c = np.split(x + r @ h + np.add(*np.split(b, 2)), 4)
        p_i, p_o, p_f = np.split(p, 3)
        i = f(np.clip(a_i + p_i * c, -clip, clip))
        forget = 1 - i if coupled else f(np.clip(a_f + p_f * c, -clip, clip))
        c = forget * c + i * g(np.clip(a_c, -clip, clip))
        return [f(np.clip(a_o + p_o * c, -clip, clip)) * output(c), c]
