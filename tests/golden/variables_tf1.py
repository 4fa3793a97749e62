"""What TensorFlow 0.12, 1.0 and 1.15 call the variables of each cell: the cell whose variables are in a scope."""

from collections.abc import Callable
from functools import partial

import numpy as np

from . import layouts_tf1
from .layers import Variables
from .layouts import Part

CellIn = Callable[[Variables, str], Part]


def pick(v: Variables, scope: str, *names: str) -> np.ndarray:
    """The variable of `scope` under that of `names` which this version of TensorFlow gives it."""
    return next(v[f"{scope}/{name}"] for name in names if f"{scope}/{name}" in v)


def peepholes(v: Variables, scope: str) -> list[np.ndarray]:
    """w_i, w_f, w_o, or those that there are; none in most cells."""
    names = [f"{scope}/{name}_diag" for name in ("w_i", "W_I", "w_f", "W_F", "w_o", "W_O")]
    return [v[name] for name in names if name in v]


def lstm(v: Variables, scope: str, **options) -> Part:
    kernel = pick(v, scope, "kernel", "weights", "Linear/Matrix", "W_0")
    bias = pick(v, scope, "bias", "biases", "Linear/Bias", "B")
    names = [f"{scope}/{name}" for name in ("projection/kernel", "projection/weights", "W_P_0")]
    projection = next((v[name] for name in names if name in v), None)
    return layouts_tf1.lstm_from_tf1(kernel, bias, peephole=peepholes(v, scope), projection=projection, **options)


def layer_norm_lstm(v: Variables, scope: str, gates: str, cell: str, kinds: str, **options) -> Part:
    """Scopes of the norms of i, j, f, o and of c, and what γ and β are called."""
    norms = [[v[f"{scope}/{norm}/{kind}"] for kind in kinds.split()] for norm in (*gates.split(), cell)]
    return layouts_tf1.lstm_from_tf1_layer_norm(v[f"{scope}/kernel"], norms[:4], norms[4], **options)


def gru(v: Variables, scope: str) -> Part:
    return layouts_tf1.gru_from_tf1(
        pick(v, scope, "gates/kernel", "gates/weights", "Gates/Linear/Matrix", "w_ru"),
        pick(v, scope, "gates/bias", "gates/biases", "Gates/Linear/Bias", "b_ru"),
        pick(v, scope, "candidate/kernel", "candidate/weights", "Candidate/Linear/Matrix", "w_c"),
        pick(v, scope, "candidate/bias", "candidate/biases", "Candidate/Linear/Bias", "b_c"),
    )


def cudnn_compatible_gru(v: Variables, scope: str) -> Part:
    parts = ("gates", "candidate/input_projection", "candidate/hidden_projection")
    names = [f"{scope}/{part}/{leaf}" for part in parts for leaf in ("kernel", "bias")]
    return layouts_tf1.gru_from_cudnn_compatible(*(v[name] for name in names))


def rnn(v: Variables, scope: str) -> Part:
    return layouts_tf1.rnn_from_tf1(v[f"{scope}/kernel"], v[f"{scope}/bias"])


def named(layout: Callable[..., Part], names: str, **options) -> CellIn:
    """A cell whose layout takes the variables of these names, as far as they are there."""
    return lambda v, scope: layout(*(v[f"{scope}/{n}"] for n in names.split() if f"{scope}/{n}" in v), **options)


def timefreq(v: Variables, scope: str) -> Part:
    sizes = {"feature_size": 3, "frequency_skip": 2, "clip_cell": 0.8}
    return layouts_tf1.timefreq_from_tf1(v[f"{scope}/W_0"], v[f"{scope}/B"], peepholes(v, scope), **sizes)


lstm_0 = partial(lstm, forget_bias=0.0)
lstm_clip = partial(lstm, clip_cell=0.6, clip_projection=0.3)
cifg = partial(lstm, coupled=True)
layer_norm = partial(layer_norm_lstm, gates="input transform forget output", cell="state", kinds="gamma beta")
custom_layer_norm = partial(
    layer_norm_lstm,
    gates="i/layer_norm j/layer_norm f/layer_norm o/layer_norm",
    cell="new_h/layer_norm",
    kinds="scale shift",
    preset="char_rnn",
)
indrnn = named(layouts_tf1.indrnn_from_tf1, "kernel_w kernel_u bias")
indrnn_relu = named(layouts_tf1.indrnn_from_tf1, "kernel_w kernel_u bias", activation="relu")
indy_lstm = named(layouts_tf1.indy_lstm_from_tf1, "kernel_w kernel_u bias")
indy_gru = named(
    layouts_tf1.indy_gru_from_tf1,
    "gates/kernel_w gates/kernel_u gates/bias candidate/kernel candidate/kernel_u candidate/bias",
)
ugrnn = named(layouts_tf1.ugrnn_from_tf1, "kernel bias")
nas = named(layouts_tf1.nas_from_tf1, "kernel recurrent_kernel bias")
sru = named(layouts_tf1.sru_from_tf1, "kernel bias")
intersection = named(layouts_tf1.intersection_from_tf1, "kernel bias in_projection/kernel in_projection/bias")
