"""What TensorFlow 0.12 to 1.15 mean by the variables of their cells (tensorflow/python/ops/rnn_cell_impl.py,
tensorflow/contrib/rnn/python/ops/rnn_cell.py; each class says where else).

| cell                        | columns of the kernel                  | rows    | added at run time            |
|-----------------------------|----------------------------------------|---------|------------------------------|
| `BasicRNNCell`              | one gate                               | x, h    |                              |
| `BasicLSTMCell`, `LSTMCell` | i j f o                                | x, h    | `forget_bias` 1 to f         |
| `CudnnCompatibleLSTMCell`   | i j f o                                | x, h    |                              |
| with coupled gates          | j f o                                  | x, h    | `forget_bias` 1 to f         |
| `GRUCell`                   | gates r u; candidate c                 | x, h    |                              |
| `UGRNNCell`                 | g c                                    | x, h    | `forget_bias` 1 to g         |
| `IntersectionRNNCell`       | gh h gy y                              | x, h    | `forget_bias` 1 to gh and gy |
| `TimeFreqLSTMCell`          | i j f o                                | x, m, m | `forget_bias` 1 to f         |
| `SRUCell`                   | x̄ f r x; bias f r                      | x       |                              |
| `NASCell`                   | eight, and as many for h               | x; h    |                              |
| `IndRNNCell`, `Indy…Cell`   | as the cell without Ind, and u (1, …)  | x       | as there                     |

Kernels are (rows, columns), for x W. What is added at run time is no variable: it is in our bias, or in the forget
gate's β where a layer norm takes the place of the bias. GRUs reset before the product, and keep the old state with u.
Activations are tanh but for the +RNN's relu, σ is fixed; layer norms have the epsilons of `EPSILON`.
"""

from typing import Any, ClassVar

import numpy as np

from rnnspec import cells
from rnnspec.activations import Activation
from rnnspec.cells import LayerNorm
from rnnspec.conventions.gates import COUPLED_GATES, LSTM_GATES, Arrays, Gates, Part, columns

# Where the user of the cell says nothing
FORGET_BIAS = 1.0
ACTIVATION: Activation = "tanh"
PLUS_RNN_ACTIVATION: Activation = "relu"
FORGET: dict[type, tuple[str, ...]] = {  # our cell → the gates to which `forget_bias` is added
    cells.LSTM: ("forget",),
    cells.TimeFreqLSTM: ("forget",),
    cells.UGRNN: ("update",),
    cells.Intersection: ("state_gate", "output_gate"),
}
# Of `LayerNormBasicLSTMCell`, which normalises c as it carries it on, in float32 and half precision (contrib's
# `layer_norm`); and of the char-rnn tutorial's cell, which normalises it on its way out.
EPSILON = {"carry": 1e-12, "carry, half": 1e-3, "output": 1e-5}


def forget_bias(kind: type, gates: tuple[str, ...], by: float, dtype: Any = None) -> np.ndarray:
    """(gates, 1): what is added to the bias of each gate."""
    return np.array([[by if gate in FORGET[kind] else 0] for gate in gates], dtype)


class BasicRNN:
    """`BasicRNNCell`: kernel (inputs + units, units)."""

    gates = columns(cells.RNN.gates, h="hidden")

    @classmethod
    def to_ours(cls, kernel: np.ndarray, bias: np.ndarray, activation: Any = ACTIVATION) -> Part:
        return cells.RNN(units=bias.size, activation=activation), _to_ours(cls.gates, kernel, bias)

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        return _to_theirs(cls.gates, weights)


class LSTM:
    """`LSTMCell` and its kin: kernel (inputs + outputs, 4 · units), columns i, j, f, o; σ(f + forget_bias).

    `peephole`: w_i, w_f, w_o; projection (units, num_proj). `norms`, in place of a bias: (γ, β) of i, j, f, o, and last
    of c, with `carry` as it is carried on, else on its way out only.
    """

    gates = columns(LSTM_GATES, i="input", j="cell", f="forget", o="output")
    peepholes: ClassVar = "ifo"
    forget_bias: ClassVar = FORGET_BIAS

    @classmethod
    def to_ours(
        cls, kernel: np.ndarray, bias: np.ndarray | None = None, forget_bias: Any = None, peephole: Any = (),
        projection: Any = None, norms: Any = (), carry: bool = True, epsilon: Any = None,
        activation: Any = ACTIVATION, **clips: Any,
    ) -> Part:  # fmt: skip
        outputs = None if projection is None else projection.shape[1]
        weights = _to_ours(cls.gates, kernel, bias, outputs)
        norm = None
        if norms:
            norm = LayerNorm(gates="joint", over="gate", cell="carry" if carry else "output", epsilon=epsilon)
            gamma, beta = (cls.gates.to_ours(np.concatenate([pair[kind] for pair in norms[:-1]])) for kind in (0, 1))
            weights |= {"gates_gamma": gamma, "gates_beta": beta, "cell_gamma": norms[-1][0], "cell_beta": norms[-1][1]}
        _forget(weights, cells.LSTM, cls.gates, cls.forget_bias if forget_bias is None else forget_bias)
        if len(peephole):
            weights["peephole"] = np.stack(peephole)
        if outputs:
            weights["projection"] = projection.T
        cell = cells.LSTM(
            units=weights["kernel"].shape[1],
            bias=not norms,
            peephole=bool(len(peephole)),
            projection=outputs,
            coupled_input_forget=len(cls.gates.ours) == 3,
            layer_norm=norm,
            cell_activation=activation,
            output_activation=activation,
            **clips,
        )
        return cell, weights

    @classmethod
    def to_theirs(cls, weights: Arrays, forget_bias: Any = None) -> dict[str, Any]:
        by = cls.forget_bias if forget_bias is None else forget_bias
        weights = _forget(dict(weights), cells.LSTM, cls.gates, -by)
        theirs: dict[str, Any] = dict(_to_theirs(cls.gates, weights))
        if "gates_beta" in weights:
            of_gates = zip(*(weights[f"gates_{name}"][cls.gates.places] for name in ("gamma", "beta")), strict=True)
            theirs["norms"] = [*of_gates, (weights["cell_gamma"], weights["cell_beta"])]
        if "peephole" in weights:
            theirs["peephole"] = list(weights["peephole"])
        return theirs | ({"projection": weights["projection"].T} if "projection" in weights else {})


class CoupledLSTM(LSTM):
    """`CoupledInputForgetGateLSTMCell`: as `LSTMCell` without i, columns j, f, o, peepholes w_f, w_o; i = 1 − f."""

    gates = columns(COUPLED_GATES, j="cell", f="forget", o="output")
    peepholes: ClassVar = "fo"


class CudnnCompatibleLSTM(LSTM):
    """`CudnnCompatibleLSTMCell` (tensorflow/contrib/cudnn_rnn/python/ops/cudnn_rnn_ops.py): `forget_bias` is 0."""

    forget_bias: ClassVar = 0.0


class GRU:
    """`GRUCell`: gates (inputs + units, 2 · units), columns r, u; candidate on [x, r ⊙ h]; h' = u ⊙ h + (1 − u) ⊙ c.

    `GRUBlockCell` has the same under other names (tensorflow/contrib/rnn/python/ops/gru_ops.py).
    """

    gates = columns(("reset", "update"), r="reset", u="update")
    candidate = columns(("new",), c="new")

    @classmethod
    def to_ours(
        cls,
        gates_kernel: np.ndarray,
        gates_bias: np.ndarray,
        candidate_kernel: np.ndarray,
        candidate_bias: np.ndarray,
        **options: Any,
    ) -> Part:
        gates, new = cls.gates.to_ours(gates_kernel), cls.candidate.to_ours(candidate_kernel)
        bias = np.concatenate([cls.gates.to_ours(gates_bias), cls.candidate.to_ours(candidate_bias)])
        cell = cells.GRU(units=bias.shape[1], **{"reset_after": False} | options)
        return cell, _rows_x_h(np.concatenate([gates, new])) | {"bias": bias}

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        both = {"kernel": _x_h_rows(weights), "bias": weights["bias"]}
        theirs = {f"gates_{name}": cls.gates.to_theirs(array[:2]) for name, array in both.items()}
        return theirs | {f"candidate_{name}": cls.candidate.to_theirs(array[2:]) for name, array in both.items()}


class CudnnCompatibleGRU:
    """`CudnnCompatibleGRUCell` (tensorflow/contrib/cudnn_rnn/python/ops/cudnn_rnn_ops.py): as `GRUCell`, but c =
    tanh(x_kernelᵀ x + x_bias + r ⊙ (h_kernelᵀ h + h_bias)).
    """

    @staticmethod
    def to_ours(
        gates_kernel: np.ndarray,
        gates_bias: np.ndarray,
        x_kernel: np.ndarray,
        x_bias: np.ndarray,
        h_kernel: np.ndarray,
        h_bias: np.ndarray,
        **options: Any,
    ) -> Part:
        candidate = np.concatenate([x_kernel, h_kernel])
        cell, weights = GRU.to_ours(gates_kernel, gates_bias, candidate, x_bias, reset_after=True, **options)
        return cell, weights | {"recurrent_bias": h_bias}

    @staticmethod
    def to_theirs(weights: Arrays) -> Arrays:
        theirs, inputs = GRU.to_theirs(weights), weights["kernel"].shape[2]
        candidate = theirs.pop("candidate_kernel")
        theirs |= {"x_kernel": candidate[:inputs], "x_bias": theirs.pop("candidate_bias")}
        return theirs | {"h_kernel": candidate[inputs:], "h_bias": weights["recurrent_bias"]}


class IndRNN:
    """`IndRNNCell`: kernel_w (inputs, units), kernel_u (1, units) ⊙ h."""

    gates = columns(cells.IndRNN.gates, h="hidden")

    @classmethod
    def to_ours(
        cls, kernel_w: np.ndarray, kernel_u: np.ndarray, bias: np.ndarray, activation: Any = ACTIVATION
    ) -> Part:
        weights = _diagonal(cls.gates, kernel_w, kernel_u, bias)
        return cells.IndRNN(units=bias.size, activation=activation), weights

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        return _from_diagonal(cls.gates, weights)


class IndyLSTM:
    """`IndyLSTMCell`: as `LSTMCell`, kernel_w (inputs, 4 · units), kernel_u (1, 4 · units) ⊙ h."""

    gates = LSTM.gates

    @classmethod
    def to_ours(
        cls,
        kernel_w: np.ndarray,
        kernel_u: np.ndarray,
        bias: np.ndarray,
        forget_bias: Any = FORGET_BIAS,
        activation: Any = ACTIVATION,
    ) -> Part:
        weights = _forget(_diagonal(cls.gates, kernel_w, kernel_u, bias), cells.LSTM, cls.gates, forget_bias)
        options = {"cell_activation": activation, "output_activation": activation}
        return cells.LSTM(units=bias.size // 4, recurrence="diagonal", **options), weights

    @classmethod
    def to_theirs(cls, weights: Arrays, forget_bias: Any = FORGET_BIAS) -> Arrays:
        return _from_diagonal(cls.gates, _forget(dict(weights), cells.LSTM, cls.gates, -forget_bias))


class IndyGRU:
    """`IndyGRUCell`: as `GRUCell`, every _w (inputs, …), every _u (1, …) ⊙ h, or ⊙ (r ⊙ h) in the candidate."""

    @staticmethod
    def to_ours(
        gates_w: np.ndarray,
        gates_u: np.ndarray,
        gates_bias: np.ndarray,
        candidate_w: np.ndarray,
        candidate_u: np.ndarray,
        candidate_bias: np.ndarray,
        **options: Any,
    ) -> Part:
        gates = _diagonal(GRU.gates, gates_w, gates_u, gates_bias)
        new = _diagonal(GRU.candidate, candidate_w, candidate_u, candidate_bias)
        weights = {name: np.concatenate([gates[name], new[name]]) for name in gates}
        units = candidate_bias.size
        return cells.GRU(units=units, reset_after=False, recurrence="diagonal", **options), weights

    @staticmethod
    def to_theirs(weights: Arrays) -> Arrays:
        gates = _from_diagonal(GRU.gates, {name: array[:2] for name, array in weights.items()})
        new = _from_diagonal(GRU.candidate, {name: array[2:] for name, array in weights.items()})
        both = {"gates": gates, "candidate": new}
        return {
            f"{part}_{name.removeprefix('kernel_')}": a for part, found in both.items() for name, a in found.items()
        }


class UGRNN:
    """`UGRNNCell`: kernel (inputs + units, 2 · units), columns g, c; σ(g + forget_bias)."""

    gates = columns(cells.UGRNN.gates, g="update", c="new")

    @classmethod
    def to_ours(
        cls, kernel: np.ndarray, bias: np.ndarray, forget_bias: Any = FORGET_BIAS, activation: Any = ACTIVATION
    ) -> Part:
        weights = _forget(_to_ours(cls.gates, kernel, bias), cells.UGRNN, cls.gates, forget_bias)
        return cells.UGRNN(units=bias.size // 2, activation=activation), weights

    @classmethod
    def to_theirs(cls, weights: Arrays, forget_bias: Any = FORGET_BIAS) -> Arrays:
        return _to_theirs(cls.gates, _forget(dict(weights), cells.UGRNN, cls.gates, -forget_bias))


class NAS:
    """`NASCell`: kernel (inputs, 8 · units), recurrent_kernel (outputs, 8 · units), bias to the product with h,
    projection (units, num_proj)."""

    gates = columns(cells.NAS.gates, **{gate: gate for gate in cells.NAS.gates})

    @classmethod
    def to_ours(
        cls, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray | None = None, projection: Any = None
    ) -> Part:
        weights = cls.gates.kernels(kernel, recurrent_kernel)
        weights |= {} if bias is None else {"bias": cls.gates.to_ours(bias)}
        weights |= {} if projection is None else {"projection": projection.T}
        outputs = None if projection is None else projection.shape[1]
        return cells.NAS(units=kernel.shape[1] // 8, bias=bias is not None, projection=outputs), weights

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        return {n: array.T if n == "projection" else cls.gates.to_theirs(array) for n, array in weights.items()}


class SRU:
    """`SRUCell`: kernel (inputs, 4 · units), columns x̄, f, r, x; bias (2 · units,) for f, r."""

    gates = columns(cells.SRU.gates, x̄="new", f="forget", r="reset", x="highway")
    biases = columns(("forget", "reset"), f="forget", r="reset")

    @classmethod
    def to_ours(cls, kernel: np.ndarray, bias: np.ndarray, activation: Any = ACTIVATION) -> Part:
        weights = {"kernel": cls.gates.to_ours(kernel), "bias": cls.biases.to_ours(bias)}
        return cells.SRU(units=bias.size // 2, activation=activation), weights

    @classmethod
    def to_theirs(cls, weights: Arrays) -> Arrays:
        return {"kernel": cls.gates.to_theirs(weights["kernel"]), "bias": cls.biases.to_theirs(weights["bias"])}


class Intersection:
    """`IntersectionRNNCell`: kernel (2 · units, 4 · units), columns gh, h, gy, y; σ(gh + forget_bias), σ(gy + …);
    where x has another size than h, in_kernel (inputs, units) and in_bias before that."""

    gates = columns(cells.Intersection.gates, gh="state_gate", h="state", gy="output_gate", y="output")

    @classmethod
    def to_ours(
        cls,
        kernel: np.ndarray,
        bias: np.ndarray,
        in_kernel: np.ndarray | None = None,
        in_bias: Any = None,
        forget_bias: Any = FORGET_BIAS,
        activation: Any = PLUS_RNN_ACTIVATION,
    ) -> Part:
        weights = _forget(_to_ours(cls.gates, kernel, bias), cells.Intersection, cls.gates, forget_bias)
        if in_kernel is not None:
            weights |= {"input_kernel": in_kernel.T[None], "input_bias": in_bias[None]}
        return cells.Intersection(units=bias.size // 4, activation=activation), weights

    @classmethod
    def to_theirs(cls, weights: Arrays, forget_bias: Any = FORGET_BIAS) -> Arrays:
        theirs = _to_theirs(cls.gates, _forget(dict(weights), cells.Intersection, cls.gates, -forget_bias))
        if "input_kernel" in weights:
            theirs |= {"in_kernel": weights["input_kernel"][0].T, "in_bias": weights["input_bias"][0]}
        return theirs


class TimeFreqLSTM:
    """`TimeFreqLSTMCell`: rows window, m of the last step, m of the last window; columns i, j, f, o."""

    gates = LSTM.gates
    peepholes: ClassVar = LSTM.peepholes

    @classmethod
    def to_ours(
        cls, kernel: np.ndarray, bias: np.ndarray, peephole: Any = (), forget_bias: Any = FORGET_BIAS, **options: Any
    ) -> Part:
        units = bias.size // 4
        parts = np.split(cls.gates.to_ours(kernel), [-2 * units, -units], axis=-1)
        weights = dict(zip(("kernel", "recurrent_kernel", "frequency_kernel"), parts, strict=True))
        weights["bias"] = cls.gates.to_ours(bias)
        _forget(weights, cells.TimeFreqLSTM, cls.gates, forget_bias)
        if len(peephole):
            weights["peephole"] = np.stack(peephole)
        return cells.TimeFreqLSTM(units=units, peephole=bool(len(peephole)), **options), weights

    @classmethod
    def to_theirs(cls, weights: Arrays, forget_bias: Any = FORGET_BIAS) -> dict[str, Any]:
        weights = _forget(dict(weights), cells.TimeFreqLSTM, cls.gates, -forget_bias)
        rows = [weights[name] for name in ("kernel", "recurrent_kernel", "frequency_kernel")]
        kernel = cls.gates.to_theirs(np.concatenate(rows, axis=-1))
        peephole = {"peephole": list(weights["peephole"])} if "peephole" in weights else {}
        return {"kernel": kernel, "bias": cls.gates.to_theirs(weights["bias"])} | peephole


def _rows_x_h(kernel: np.ndarray, outputs: int | None = None) -> Arrays:
    """(gates, units, inputs + outputs), the input first, then h → our two kernels."""
    outputs = outputs or kernel.shape[1]
    return {"kernel": kernel[..., :-outputs], "recurrent_kernel": kernel[..., -outputs:]}


def _x_h_rows(weights: Arrays) -> np.ndarray:
    """The way back."""
    return np.concatenate([weights["kernel"], weights["recurrent_kernel"]], axis=-1)


def _to_ours(gates: Gates, kernel: np.ndarray, bias: np.ndarray | None, outputs: int | None = None) -> Arrays:
    return _rows_x_h(gates.to_ours(kernel), outputs) | ({} if bias is None else {"bias": gates.to_ours(bias)})


def _to_theirs(gates: Gates, weights: Arrays) -> Arrays:
    bias = {"bias": gates.to_theirs(weights["bias"])} if "bias" in weights else {}
    return {"kernel": gates.to_theirs(_x_h_rows(weights))} | bias


def _diagonal(gates: Gates, kernel_w: np.ndarray, kernel_u: np.ndarray, bias: np.ndarray) -> Arrays:
    return gates.kernels(kernel_w, kernel_u.ravel()) | {"bias": gates.to_ours(bias)}


def _from_diagonal(gates: Gates, weights: Arrays) -> Arrays:
    names = {"kernel_w": "kernel", "kernel_u": "recurrent_kernel", "bias": "bias"}
    theirs = {name: gates.to_theirs(weights[ours]) for name, ours in names.items()}
    return theirs | {"kernel_u": theirs["kernel_u"][None]}


def _forget(weights: Arrays, kind: type, gates: Gates, by: float) -> Arrays:
    """The weights with what is added to the forget gates at run time, in the bias or, with layer norm, in β."""
    place = "bias" if "bias" in weights else "gates_beta"
    weights[place] = weights[place] + forget_bias(kind, gates.ours, by, weights[place].dtype)
    return weights
