"""The cases of Keras: its versions share cases, so a row is a model and the groups in which it is."""

import re
from collections.abc import Callable

import numpy as np

from rnnspec import HardSigmoid
from rnnspec.activations import Activation

from .case import Case
from .layers import Variables, WithWeights, bidirectional, dense, embedding, recurrent, stack
from .layouts import Part, from_keras_cudnn, gru_from_keras, ln_rnn_from_keras, lstm_from_keras, rnn_from_keras

Block = list[np.ndarray]


def blocks(v: Variables) -> list[Block]:
    """The weights of every layer or cell, [kernel, recurrent_kernel, bias] as far as it has them.

    HDF5: `lstm_1/lstm_1/kernel:0`, and `rnn_1/rnn_1/kernel:0`, `…/kernel_1:0` for the cells of an `RNN` layer in Keras
    2.2; `.keras`: `layers/lstm/cell/vars/0`. The blocks come in the alphabetical order of their names.
    """
    leaves = ["embeddings", "kernel", "recurrent_kernel", "bias", "gamma", "beta"]
    found: dict[tuple[str, ...], dict[int, np.ndarray]] = {}
    for name, array in v.items():
        if new := re.fullmatch(r"(.*)/vars/(\d)", name):
            found.setdefault((new[1],), {})[int(new[2])] = array
        else:
            *block, leaf, number = re.fullmatch(r"(.*)/([a-z_]+?)(_\d)?:0", name).groups()
            found.setdefault((*block, number or ""), {})[leaves.index(leaf)] = array
    return [[arrays[k] for k in sorted(arrays)] for _, arrays in sorted(found.items())]


def lstm(block: Block, *args, gate: Activation = "sigmoid", activation: Activation = "tanh", **options) -> WithWeights:
    acts = {"gate_activation": gate, "cell_activation": activation, "output_activation": activation}
    return recurrent(lstm_from_keras(*block, **acts), *args, **options)


def gru(block: Block, *args, gate: Activation = "sigmoid", reset_after=None, **options) -> WithWeights:
    return recurrent(gru_from_keras(*block, reset_after=reset_after, gate_activation=gate), *args, **options)


def cells(*parts: tuple[Callable[..., Part], Block]) -> list[WithWeights]:
    """`RNN([cell, …])`."""
    return [recurrent(stack(*(from_keras(*block) for from_keras, block in parts)))]


def cudnn(block: Block, *args, **options) -> WithWeights:
    return recurrent(from_keras_cudnn(*block), *args, **options)


def two_ways(from_keras: Callable[..., Part], **options) -> Callable[[Block, Block], list[WithWeights]]:
    return lambda backward, forward: [bidirectional(from_keras(*forward), from_keras(*backward), **options)]


def classifier(head: Block, table: Block, lower: Block, upper: Block) -> list[WithWeights]:
    layers = [lstm(lower, "rnn_0"), lstm(upper, "rnn_1", last=True)]
    return [embedding(*table), *layers, dense(*head, activation="softmax")]


def stateful_stack(head: Block, lower: Block, upper: Block) -> list[WithWeights]:
    return [gru(lower, "rnn_0"), recurrent(rnn_from_keras(*upper), "rnn_1", last=True), dense(*head)]


def translator(decoder: Block, head: Block) -> list[WithWeights]:
    return [lstm(decoder), dense(*head, activation="softmax")]


def rows(case: str, groups: str, layers: Callable[..., list[WithWeights]], *args, gate=None, encoder=None, **options):
    """The case in every group: `layers` and `encoder` take the model's blocks, named as its parameters.

    `gate`: the recurrent activation in each group, for `layers`, where it is not the same in all of them.
    """
    if encoder:
        options["encoder"] = lambda v: encoder(*blocks(v))
    options["states"] = "state"

    def case_in(group: str) -> Case:
        activation = {"gate": gate[group]} if gate else {}
        return Case(f"{group}/{case}", lambda v: layers(*blocks(v), **activation), *args, **options)

    return [case_in(group) for group in groups.split()]


HALVES = {"outputs_fw": "rnn.forward", "outputs_bw": "rnn.backward"}
K3, TF215, TF115, K224 = "keras3", "keras2_tf215", "keras2_tf115", "keras224"
ALL = f"{K3} {TF215} {TF115} {K224}"
NORMS = f"{K3} {TF215} {TF115}"  # the versions that have LayerNormalization
KERAS_2 = f"{TF215} {TF115} {K224}"
HARD = dict.fromkeys(KERAS_2.split(), HardSigmoid(alpha=0.2, beta=0.5)) | {K3: HardSigmoid(alpha=1 / 6, beta=0.5)}
DEFAULT = HARD | {K3: "sigmoid", TF215: "sigmoid"}
OUTPUTS = {"outputs": "rnn", "probabilities": "head"}

# fmt: off
ROWS = [
    *rows("bidirectional_gru_masked_last", ALL, two_ways(gru_from_keras, last=True, merge="sum")),
    *rows("bidirectional_lstm_concat", ALL, two_ways(lstm_from_keras)),
    *rows("bidirectional_lstm_mul", ALL, two_ways(lstm_from_keras, merge="mul")),
    *rows("bidirectional_lstm_none", ALL, two_ways(lstm_from_keras, merge="none"), HALVES),
    *rows("bidirectional_lstm_sum", ALL, two_ways(lstm_from_keras, merge="sum")),
    *rows("char_rnn_logits", ALL, lambda head, table, lower, upper:
        [embedding(*table), lstm(lower, "rnn_0"), lstm(upper, "rnn_1"), dense(*head)], {"logits": "head"}),
    *rows("cudnn_bidirectional_lstm", f"{TF215} {TF115}", two_ways(from_keras_cudnn)),
    *rows("cudnn_gru", f"{TF215} {TF115}", lambda rnn: [cudnn(rnn)]),
    *rows("cudnn_lstm", f"{TF215} {TF115}", lambda lower, upper: [cudnn(lower, "rnn_0"), cudnn(upper, last=True)]),
    *rows("embedding_masked_stack_softmax", ALL, classifier, {"probabilities": "head"}),
    *rows("gru_defaults", ALL, lambda rnn, gate: [gru(rnn, gate=gate)], gate=DEFAULT),
    *rows("gru_reset_after", ALL, lambda rnn: [gru(rnn)]),
    *rows("gru_reset_after_nobias", ALL, lambda rnn: [gru(rnn, reset_after=True)]),
    *rows("gru_reset_before", ALL, lambda rnn: [gru(rnn)]),
    *rows("gru_stack_stateful", ALL, stateful_stack, stateful=True),
    *rows("ln_simple_rnn", NORMS, lambda norm, rnn: [recurrent(ln_rnn_from_keras(norm, rnn))]),
    *rows("ln_simple_rnn_nobuild", NORMS, lambda norm, rnn: [recurrent(ln_rnn_from_keras(norm, rnn))]),
    *rows("lstm", ALL, lambda rnn, gate: [lstm(rnn, gate=gate)], gate=DEFAULT),
    *rows("lstm_defaults_two", K3, lambda lower, upper: [lstm(lower, "rnn_0"), lstm(upper, "rnn_1", last=True)]),
    # Keras 2 numbers layers as they are constructed, here the upper first
    *rows("lstm_defaults_two", KERAS_2, lambda upper, lower, gate:
        [lstm(lower, "rnn_0", gate=gate), lstm(upper, "rnn_1", last=True, gate=gate)], gate=DEFAULT),
    *rows("lstm_go_backwards", ALL, lambda rnn: [lstm(rnn, direction="backward", reverse_output=True)]),
    *rows("lstm_hardsigmoid", ALL, lambda rnn, gate: [lstm(rnn, gate=gate)], gate=HARD),
    *rows("lstm_masked", ALL, lambda rnn: [lstm(rnn, padded_output="hold")]),
    *rows("lstm_masked_zero", f"{K3} {TF215} {TF115}", lambda rnn: [lstm(rnn)]),
    *rows("lstm_relu_hardsigmoid_nobias", ALL, lambda rnn, gate: [lstm(rnn, gate=gate, activation="relu")], gate=HARD),
    *rows("lstm_seq_state_init", ALL, lambda rnn, gate: [lstm(rnn, gate=gate)], gate=DEFAULT),
    *rows("lstm_state", ALL, lambda rnn, gate: [lstm(rnn, gate=gate, last=True)], gate=DEFAULT),
    *rows("lstm_stateful", ALL, lambda rnn: [lstm(rnn)], stateful=True),
    *rows("lstm_timedistributed", ALL, lambda head, rnn, hidden:
        [lstm(rnn), dense(*hidden, "hidden", "tanh"), dense(*head)]),
    *rows("rnn_lstm_cells", ALL, lambda a, b: cells((lstm_from_keras, a), (lstm_from_keras, b))),
    *rows("rnn_mixed_cells", f"{K3} {TF215}", lambda b, a, c:
        cells((lstm_from_keras, a), (gru_from_keras, b), (rnn_from_keras, c))),
    *rows("rnn_mixed_cells", f"{TF115} {K224}", lambda a, b, c:
        cells((lstm_from_keras, a), (gru_from_keras, b), (rnn_from_keras, c))),
    *rows("seq2seq_lstm", K3, lambda head, encoder, decoder: translator(decoder, head), OUTPUTS,
        encoder=lambda head, encoder, decoder: [lstm(encoder)]),
    *rows("seq2seq_lstm", KERAS_2, lambda decoder, encoder, head: translator(decoder, head), OUTPUTS,
        encoder=lambda decoder, encoder, head: [lstm(encoder)]),
    *rows("sequential_masked_stack", ALL, lambda head, upper, lower:
        [lstm(lower, "rnn_0"), gru(upper, "rnn_1", last=True), dense(*head)]),
    *rows("simple_rnn", ALL, lambda rnn: [recurrent(rnn_from_keras(*rnn))]),
]
