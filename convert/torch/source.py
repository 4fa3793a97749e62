"""A model as a module of Python that needs torch alone, beside its state dict."""

import json
from collections.abc import Collection
from typing import Any

from rnnspec.cells import LSTM, Cell
from rnnspec.convert.torch.helpers import needed
from rnnspec.convert.torch.lines import Lines, Value
from rnnspec.convert.torch.loops import LOOP, step
from rnnspec.convert.torch.modules import Modules, Stock, looped
from rnnspec.layers import Recurrent
from rnnspec.model import Model

HEAD = "# Written by `rnnspec convert --to torch`; it needs torch alone.\n"


def source(model: Model, found: Modules, held: Collection[str], file: str, double: bool) -> str:
    """The text of a module with `load()`, which gives the model with the weights of `file` beside it.

    Args:
        model: ours, whose layers `found` are the modules of.
        held: the recurrent layers whose output at steps that do not count is the last one that did.
        double: the weights are float64.

    Raises:
        UnsupportedError: torch has nothing that does what a layer does.
    """
    lines = Lines()
    arguments, given = _inputs(model, lines)
    nodes = {} if model.version == 1 else {node.name: node for node in model.graph.nodes}
    before = next(iter(lines.values))
    for stock in found.each:
        layer = stock.layer
        if nodes:
            reads = [lines.values[name] for name in nodes[layer.name].of]
            sequence = nodes[layer.name].gives.time is not None
        else:  # a chain, of which several layers may be in one module
            reads = [lines.values[before]]
            sequence = layer.return_sequences if isinstance(layer, Recurrent) else reads[0].sequence
        lines.add(stock, reads, sequence, layer.name in held)
        before = layer.name
    results = ", ".join(lines.values[name].name for name in model.outputs or (before,))
    forward = [*lines.body, f"return {results}"]
    model_class = [
        "class Model(nn.Module):",
        f'    """{given} → {results}."""',
        "",
        "    def __init__(self):",
        "        super().__init__()",
        *(f"        {line}" for stock in found.each for line in _made(stock)),
        "",
        f"    def forward(self, {', '.join(arguments)}):",
        *(f"        {line}" for line in forward),
    ]
    loading = [
        f"def load(path=Path(__file__).with_name({json.dumps(file)})):",
        f"    model = Model(){'.double()' if double else ''}",
        f"    model{f'.{found.each[0].name}' if found.bare else ''}.load_state_dict({_read(file)})",
        "    return model.eval()",
    ]
    cells = {stock.name: cell for stock in found.each if (cell := _looped(stock))}
    steps = [step(cell, f"{name}_cell") for name, cell in cells.items()]
    loop = [LOOP.strip("\n"), *steps] if steps else []
    parts = ["\n".join(model_class), "\n".join(loading), *needed(forward), *loop]
    return HEAD + "\n" + "\n\n\n".join([_imports("\n".join(parts)), *parts]) + "\n"


def _read(file: str) -> str:
    return "load_file(path)" if file.endswith(".safetensors") else "torch.load(path, weights_only=True)"


def _imports(text: str) -> str:
    """Those that the text needs."""
    lines = {
        "Path(": "from pathlib import Path\n",
        "torch.": "import torch",
        "load_file(": "from safetensors.torch import load_file",
        "nn.": "from torch import nn",
        "F.": "from torch.nn import functional as F",
        "pack_padded_sequence(": "from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence",
        "PackedSequence)": "from torch.nn.utils.rnn import PackedSequence",
    }
    return "\n".join(line for used, line in lines.items() if used in text)


def _inputs(model: Model, lines: Lines) -> tuple[list[str], str]:
    """The arguments of `forward`, and what they are, in words; which of their steps count."""
    given, names = model.given, lines.names
    called = {name: names.new(name) for name in given}
    timed = [name for name, each in given.items() if each.sequence and each.like is None]
    one = len(timed) == 1
    lengths = {name: names.new("lengths" if one else f"{name}_lengths") for name in timed}
    masks = {name: names.new("mask" if one else f"{name}_mask") for name in timed}
    for name in timed:
        padding = "" if given[name].padding is None else f", {given[name].padding!r}"
        lines.body.append(f"{masks[name]} = counted({called[name]}, {lengths[name]}{padding})")
    for name, each in given.items():
        lines.values[name] = Value(called[name], each.sequence, masks.get(each.like or name))
    said = ", ".join(
        f"{called[name]} ({'ids: ' if each.features is None else ''}batch{', time' if each.sequence else ''}"
        f"{'' if each.features is None else f', {each.features}'})"
        for name, each in given.items()
    )
    return [*called.values(), *(f"{name}=None" for name in lengths.values())], said


def _looped(stock: Stock) -> Cell | None:
    """The cell that is no module of torch's, but a function in a loop."""
    return stock.layer.cell if isinstance(stock.layer, Recurrent) and looped(stock.layer.cell) else None


def _made(stock: Stock) -> list[str]:
    """The lines of `__init__`."""
    lines = []
    state = stock.state
    if stock.initial:
        lines.append(f"self.{stock.name}_initial = {_parameters(stock.initial)}")
    if cell := _looped(stock):
        shapes = {n: array.shape for n, array in stock.state.items() if not n.endswith("_reverse")}
        both = ", bidirectional=True" if stock.arguments["bidirectional"] else ""
        states = ", states=2" if isinstance(cell, LSTM) else ""
        lines.append(f"self.{stock.name} = Loop({stock.name}_cell, {shapes}{states}{both})")
    elif stock.kind:
        given = [
            f"{value}" if name in _SIZES else f"{name}={value!r}"
            for name, value in stock.arguments.items()
            if (name, value) not in _DEFAULTS.items()
        ]
        lines.append(f"self.{stock.name} = nn.{stock.kind}({', '.join(given)})")
    elif state:
        lines.append(f"self.{stock.name} = {_parameters(state)}")
    return lines


# Arguments of torch's modules that come first, in their order; and what others are where they are not given.
_SIZES = {
    "input_size", "hidden_size", "in_features", "out_features", "num_embeddings", "embedding_dim", "in_channels",
    "out_channels", "kernel_size", "num_features", "normalized_shape", "p",
}  # fmt: skip
_DEFAULTS = {
    "num_layers": 1, "bias": True, "dropout": 0.0, "bidirectional": False, "proj_size": 0, "nonlinearity": "tanh",
    "stride": 1, "dilation": 1, "groups": 1,
}  # fmt: skip


def _parameters(arrays: dict[str, Any]) -> str:
    each = ", ".join(f'"{name}": torch.empty({", ".join(map(str, array.shape))})' for name, array in arrays.items())
    return f"nn.ParameterDict({{{each}}})"
