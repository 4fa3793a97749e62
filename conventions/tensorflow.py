"""What TensorFlow's operations mean in a graph that Keras traced: the activations (keras/src/activations, tf.nn).

`NAMED`: operations that are one; `COMPOSED`: expressions that are; `WITH_ALPHA`: those with a number in them. Cells in
graphs are recognised by what they compute, whatever the order of their columns (`rnnspec.convert.saved_model.cells`).
"""

from collections.abc import Callable
from typing import Any

from rnnspec.activations import Activation, Celu, Elu, HardShrink, HardSigmoid, SoftShrink

Pattern = Any  # a name (of any tensor, the same wherever it stands), a number, or (operation, pattern, …)

LEAKY_RELU = 0.2  # the default of `alpha` of `tf.nn.leaky_relu`
NAMED: dict[str, Activation] = {
    "Tanh": "tanh", "Sigmoid": "sigmoid", "Relu": "relu", "Relu6": "relu6", "Softplus": "softplus",
    "Softsign": "softsign", "Exp": "exponential", "Elu": "elu", "Selu": "selu", "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
}  # fmt: skip
_HARD_SIGMOID = ("RealDiv", ("Relu6", ("AddV2", "x", 3.0)), 6.0)
COMPOSED: list[tuple[Pattern, Activation]] = [
    (_HARD_SIGMOID, HardSigmoid(alpha=1 / 6, beta=0.5)),
    (("Mul", "x", _HARD_SIGMOID), "hard_silu"),
    (("Mul", "x", ("Sigmoid", ("Mul", 1.0, "x"))), "silu"),
    (("Mul", "x", ("Sigmoid", "x")), "silu"),
    (("Mul", ("Mul", 0.5, "x"), ("Erfc", ("Mul", ("Neg", "x"), 0.70710678))), "gelu"),
    (("Mul", "x", ("Tanh", ("Softplus", "x"))), "mish"),
    (("Maximum", ("Minimum", "x", 1.0), -1.0), "hard_tanh"),
    (("Sub", "x", ("Tanh", "x")), "tanh_shrink"),
    (("Neg", ("Softplus", ("Neg", "x"))), "log_sigmoid"),
    (
        ("SelectV2", ("LessEqual", "x", -1.0), 0.0,
         ("SelectV2", ("GreaterEqual", "x", 1.0), 1.0, ("Mul", 0.5, ("AddV2", "x", 1.0)))),
        "sparse_sigmoid",
    ),
    (
        ("SelectV2", ("LessEqual", "x", -1.0), ("ZerosLike", "x"),
         ("SelectV2", ("Less", "x", 1.0), ("Mul", 0.25, ("Pow", ("AddV2", "x", 1.0), 2.0)), "x")),
        "sparse_plus",
    ),
]  # fmt: skip
WITH_ALPHA: list[tuple[Pattern, Callable[..., Activation]]] = [
    (("AddV2", ("Maximum", "x", 0.0), ("Mul", "alpha", ("Expm1", ("RealDiv", ("Minimum", "x", 0.0), "alpha")))), Celu),
    (("SelectV2", ("Greater", "x", 0.0), ("Elu", "x"), ("Mul", "alpha", ("Elu", "x"))), Elu),
    (("SelectV2", ("Greater", ("Abs", "x"), "alpha"), "x", ("ZerosLike", "x")), HardShrink),
    (
        ("SelectV2", ("Greater", "x", "alpha"), ("Sub", "x", "alpha"),
         ("SelectV2", ("Less", "x", "minus"), ("AddV2", "x", "alpha"), ("ZerosLike", "x"))),
        SoftShrink,
    ),
]  # fmt: skip
