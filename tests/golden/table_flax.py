"""The cases of Flax: what linen and nnx call the variables, and one row each."""

from collections.abc import Callable
from functools import partial

import numpy as np

from . import layouts
from .case import Case
from .layers import Variables, WithWeights, dense, embedding, recurrent
from .layouts import Part


def beside(v: Variables, scope: str, modules: str, leaf: str) -> np.ndarray:
    """One variable of each of the modules, side by side."""
    return np.concatenate([v[f"{scope}/{module}/{leaf}"] for module in modules.split()], axis=-1)


def linen_lstm(v: Variables, scope="cell") -> Part:
    i_kernels = beside(v, scope, "ii if ig io", "kernel")
    return layouts.lstm_from_flax(i_kernels, *(beside(v, scope, "hi hf hg ho", leaf) for leaf in ("kernel", "bias")))


def linen_gru(v: Variables) -> Part:
    i_kernels, i_biases = (beside(v, "cell", "ir iz in", leaf) for leaf in ("kernel", "bias"))
    return layouts.gru_from_flax(i_kernels, i_biases, beside(v, "cell", "hr hz hn", "kernel"), v["cell/hn/bias"])


def named(layout: Callable[..., Part], names: str, **options) -> Callable[[Variables], Part]:
    """A cell whose layout takes the variables of these names."""
    return lambda v: layout(*(v[f"cell/{name}"] for name in names.split()), **options)


def one(cell: Callable[[Variables], Part]) -> Callable[[Variables], list[WithWeights]]:
    """`nn.RNN`, `nnx.RNN`."""
    return lambda v: [recurrent(cell(v))]


def char_rnn(v: Variables) -> list[WithWeights]:
    lower, upper = linen_lstm(v, "OptimizedLSTMCell_0"), linen_lstm(v, "LSTMCell_0")
    # the final state is that of the upper layer, so the lower one has a number
    layers = [recurrent(lower, "rnn_0"), recurrent(upper)]
    return [embedding(v["Embed_0/embedding"]), *layers, dense(v["Dense_0/kernel"], v["Dense_0/bias"])]


SIMPLE = "i/kernel i/bias h/kernel"
row = partial(Case, states="final_state")

# fmt: off
ROWS = [
    row("flax/char_rnn", char_rnn, {"logits": "head"}),
    row("flax/gru", one(linen_gru)),
    row("flax/lstm", one(linen_lstm)),
    row("flax/nnx_gru", one(named(layouts.gru_from_flax, "dense_i/kernel dense_i/bias dense_h/kernel"))),
    row("flax/nnx_optimized_lstm",
        one(named(layouts.lstm_from_flax, "dense_i/kernel dense_h/kernel dense_h/bias"))),
    row("flax/optimized_lstm", one(linen_lstm)),
    row("flax/simple", one(named(layouts.rnn_from_flax, SIMPLE))),
    row("flax/simple_relu_residual", one(named(layouts.rnn_from_flax, SIMPLE, activation="relu", residual=True))),
]
