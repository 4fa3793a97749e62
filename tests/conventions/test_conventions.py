"""What frameworks mean by their weights: there and back, and stated nowhere else."""

import ast
from pathlib import Path

import numpy as np
import pytest

from rnnspec.activations import NAMES, Function
from rnnspec.cells import GRU, LSTM, NAS, RNN, SRU, UGRNN, Cell, IndRNN, Intersection, LayerNorm, TimeFreqLSTM
from rnnspec.conventions import cudnn, flax, keras, onnx, tf1, torch

_NORM = LayerNorm(gates="joint", over="gate", cell="carry", epsilon=1e-12)
# A class of `rnnspec.conventions`, the cell of ours that it gives, options of `to_ours`.
CELLS = [
    (torch.RNN, RNN(units=3, activation="relu"), {"activation": "relu"}),
    (torch.RNN, RNN(units=3, bias=False), {}),
    (torch.LSTM, LSTM(units=3), {}),
    (torch.LSTM, LSTM(units=3, projection=2, bias=False), {}),
    (torch.GRU, GRU(units=3, reset_after=True), {}),
    (torch.GRU, GRU(units=3, reset_after=True, bias=False), {}),
    (keras.SimpleRNN, RNN(units=3), {}),
    (keras.SimpleRNN, RNN(units=3, bias=False, activation="relu"), {"activation": "relu"}),
    (keras.LSTM, LSTM(units=3), {}),
    (keras.LSTM, LSTM(units=3, bias=False), {}),
    (keras.GRU, GRU(units=3, reset_after=True), {}),
    (keras.GRU, GRU(units=3, reset_after=False), {}),
    (keras.GRU, GRU(units=3, reset_after=True, bias=False), {"reset_after": True}),
    (keras.LNSimpleRNN, RNN(units=3, layer_norm=LayerNorm(gates="joint", over="gate", epsilon=1e-3)), {}),
    (cudnn.LSTM, LSTM(units=3), {}),
    (cudnn.GRU, GRU(units=3, reset_after=True), {}),
    (tf1.BasicRNN, RNN(units=3), {}),
    (tf1.LSTM, LSTM(units=3), {}),
    (tf1.LSTM, LSTM(units=3, peephole=True, projection=2), {}),
    (tf1.LSTM, LSTM(units=3, bias=False, layer_norm=_NORM), {"epsilon": 1e-12}),
    (tf1.CudnnCompatibleLSTM, LSTM(units=3), {}),
    (tf1.CoupledLSTM, LSTM(units=3, peephole=True, coupled_input_forget=True), {}),
    (tf1.CoupledLSTM, LSTM(units=3, bias=False, coupled_input_forget=True, layer_norm=_NORM), {"epsilon": 1e-12}),
    (tf1.GRU, GRU(units=3, reset_after=False), {}),
    (tf1.CudnnCompatibleGRU, GRU(units=3, reset_after=True), {}),
    (tf1.IndRNN, IndRNN(units=3), {}),
    (tf1.IndyLSTM, LSTM(units=3, recurrence="diagonal"), {}),
    (tf1.IndyGRU, GRU(units=3, reset_after=False, recurrence="diagonal"), {}),
    (tf1.UGRNN, UGRNN(units=3), {}),
    (tf1.NAS, NAS(units=3, projection=2), {}),
    (tf1.SRU, SRU(units=3), {}),
    (tf1.Intersection, Intersection(units=3, activation="relu"), {}),
    (tf1.TimeFreqLSTM, TimeFreqLSTM(units=3, feature_size=2, frequency_skip=1, peephole=True),
     {"feature_size": 2, "frequency_skip": 1}),
    (flax.SimpleCell, RNN(units=3), {}),
    (flax.LSTMCell, LSTM(units=3), {}),
    (flax.GRUCell, GRU(units=3, reset_after=True), {}),
    (flax.MGUCell, UGRNN(units=3), {}),
    (onnx.RNN, RNN(units=3), {}),
    (onnx.RNN, RNN(units=3, bias=False), {}),
    (onnx.GRU, GRU(units=3, reset_after=True), {"linear_before_reset": True}),
    (onnx.GRU, GRU(units=3, reset_after=False), {}),
    (onnx.LSTM, LSTM(units=3, peephole=True), {}),
]  # fmt: skip


def random(cell: Cell, inputs: int = 4) -> dict[str, np.ndarray]:
    """Weights of a cell that are all distinct."""
    rng = np.random.default_rng(5)
    return {name: rng.standard_normal(shape) for name, shape in cell.parameters(inputs).items()}


@pytest.mark.parametrize(("kind", "cell", "options"), CELLS, ids=lambda part: getattr(part, "__qualname__", None))
def test_there_and_back(kind, cell: Cell, options: dict) -> None:
    weights = random(cell)
    found, back = kind.to_ours(**kind.to_theirs(weights), **options)
    assert found == cell
    assert back.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_allclose(back[name], array, rtol=0, atol=1e-15, err_msg=name)


# Our gates in the order of the framework, as its documentation has them.
ORDERS = {
    torch.LSTM: "input forget cell output",
    torch.GRU: "reset update new",
    keras.LSTM: "input forget cell output",
    keras.GRU: "update reset new",
    tf1.LSTM: "input cell forget output",
    tf1.CoupledLSTM: "cell forget output",
    tf1.UGRNN: "update new",
    flax.LSTMCell: "input forget cell output",
    flax.GRUCell: "reset update new",
    flax.MGUCell: "update new",
    onnx.GRU: "update reset new",
    onnx.LSTM: "input output forget cell",
}


@pytest.mark.parametrize("kind", ORDERS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_gates_are_where_the_framework_has_them(kind) -> None:
    gates = ORDERS[kind].split()
    theirs = np.repeat(np.arange(len(gates)), 2)  # two units a gate, and in each the number of the gate
    ours = kind.gates.to_ours(theirs)
    assert {gate: ours[k].tolist() for k, gate in enumerate(kind.gates.ours)} == {
        gate: [k, k] for k, gate in enumerate(gates)
    }
    np.testing.assert_array_equal(kind.gates.to_theirs(ours), theirs)


def test_tensorflow_1_adds_a_forget_bias_at_run_time() -> None:
    zeros = {"kernel": np.zeros((5, 8)), "bias": np.zeros(8)}
    _, weights = tf1.LSTM.to_ours(**zeros, forget_bias=0.5)
    np.testing.assert_array_equal(weights["bias"], [[0, 0], [0.5, 0.5], [0, 0], [0, 0]])
    for kind, added in ((tf1.LSTM, 1), (tf1.CudnnCompatibleLSTM, 0)):
        np.testing.assert_array_equal(kind.to_ours(**zeros)[1]["bias"][1], [added, added])


def test_the_recurrent_bias_of_a_gru_stays_apart_in_the_new_gate_alone() -> None:
    zeros = {"weight_ih": np.zeros((3, 4)), "weight_hh": np.zeros((3, 1))}
    _, weights = torch.GRU.to_ours(**zeros, bias_ih=np.array([1, 2, 3]), bias_hh=np.array([10, 20, 30]))
    np.testing.assert_array_equal(weights["bias"], [[11], [22], [3]])
    np.testing.assert_array_equal(weights["recurrent_bias"], [30])


def test_onnx_has_coupled_gates_as_an_input_gate_with_negated_weights() -> None:
    cell = LSTM(units=3, peephole=True, coupled_input_forget=True)
    weights = random(cell)
    theirs = onnx.LSTM.to_theirs(weights)
    i, o, f, c = np.split(theirs["W"], 4)
    np.testing.assert_array_equal([-i, f, c, o], weights["kernel"][[0, 0, 1, 2]])
    i, o, f = np.split(theirs["P"], 3)
    np.testing.assert_array_equal([-i, f, o], weights["peephole"][[0, 0, 1]])
    found, back = onnx.LSTM.to_ours(**theirs, input_forget=True)
    assert found == cell
    for name, array in weights.items():
        np.testing.assert_array_equal(back[name], array)


_CLASSES = [kind.__name__ for kind in Function.__subclasses__()]
_TAGS = [str(kind.__struct_config__.tag) for kind in Function.__subclasses__()]
ROOT = Path(__file__).parents[2]
ROOMS = ("spec", "export", "convert", "backends", "diagnosis", "conformance", "report", "cli", "benchmarks", "examples")
_ORDERS = ("ifco", "ifgo", "icfo", "ijfo", "iofc", "jfo", "zrh", "rzh", "rzn", "zrn", "ruc")
# What looks alike, and is ours: the equations and derivatives of our own operations, inputs of cases, axes.
OURS = (
    "spec/activations.py",
    "conformance/",
    "convert/saved_model/loops.py",
)


def _is_order(node: ast.AST) -> bool:
    """[1, 0, 2], (0, 2, 1, 3): an order of three or four gates that is not ours; or `update reset new` as names."""
    if not isinstance(node, ast.List | ast.Tuple):
        return False
    items = [item.value for item in node.elts if isinstance(item, ast.Constant)]
    if len(items) != len(node.elts) or len(items) not in (3, 4):
        return False
    numbers = items != sorted(range(len(items))) and all(type(item) is int for item in items)
    ours = [GRU.gates, LSTM(units=1).gates, LSTM(units=1, coupled_input_forget=True).gates]
    names = any(set(items) == set(gates) and tuple(items) != gates for gates in ours)
    return names or (numbers and sorted(items) == list(range(len(items))))


def _is_letters(node: ast.AST) -> bool:
    """ "iofc": an order of gates by their letters."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in _ORDERS


def _is_table_of_activations(node: ast.AST) -> bool:
    """{"Tanh": "tanh", "Relu": "relu", "Elu": Elu}: three names or more of activations, each with a meaning."""
    if not isinstance(node, ast.Dict):
        return False
    if {"add", "mul"} <= {key.value for key in node.keys if isinstance(key, ast.Constant)}:
        return False  # our own operations, and what becomes of each
    meant = [
        key.value.lower().replace("_", "")
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and not _counts(value)
    ]
    return len({name.replace("_", "") for name in (*NAMES, *_TAGS)} & set(meant)) > 2


def _counts(value: ast.AST) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, int)


def _is_default(node: ast.AST) -> bool:
    """HardSigmoid(alpha=1 / 6, beta=0.5): the parameters that a framework has chosen for a name."""
    if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] not in _CLASSES:
        return False
    return any(not any(isinstance(part, ast.Name) for part in ast.walk(given.value)) for given in node.keywords)


def _axes(tree: ast.AST) -> set[int]:
    """The lists that are axes: arguments of a transpose, `perm`."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    given = [arg for call in calls if ast.unparse(call.func).endswith("transpose") for arg in call.args]
    given += [keyword.value for call in calls for keyword in call.keywords if keyword.arg in ("perm", "axes")]
    return {id(node) for node in given}


def stated(source: str) -> list[str]:
    """The pieces of a source that state a convention."""
    tree = ast.parse(source)
    axes = _axes(tree)
    kinds = (_is_order, _is_letters, _is_table_of_activations, _is_default)
    return [ast.unparse(node) for node in ast.walk(tree) if id(node) not in axes and any(is_(node) for is_ in kinds)]


def test_no_other_room_states_a_convention() -> None:
    found = {}
    for room in ROOMS:
        assert (ROOT / room).is_dir()
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(OURS) and (pieces := stated(path.read_text(encoding="utf-8"))):
                found[name] = pieces
    assert found == {}


@pytest.mark.parametrize(
    ("source", "pieces"),
    [
        ("order = [1, 0, 2] if gru else [0, 3, 1, 2]", ["[1, 0, 2]", "[0, 3, 1, 2]"]),
        ("x = np.transpose(x, (1, 0, 2))", []),
        ("shape = (0, 1, 2)", []),
        ("for gate in 'iofc': pass", ["'iofc'"]),
        ("gates = ('update', 'reset', 'new')", ["('update', 'reset', 'new')"]),
        ("gates = ('reset', 'update', 'new')", []),
        ("{'Tanh': 'tanh', 'Relu': 'relu', 'Elu': 'elu'}", ["{'Tanh': 'tanh', 'Relu': 'relu', 'Elu': 'elu'}"]),
        ("{'Tanh': 1, 'Relu': 1, 'Elu': 1}", []),
        ("HardSigmoid(alpha=0.2, beta=0.5)", ["HardSigmoid(alpha=0.2, beta=0.5)"]),
        ("LeakyRelu(alpha=given)", []),
    ],
)
def test_what_states_a_convention(source: str, pieces: list[str]) -> None:
    assert stated(source) == pieces
