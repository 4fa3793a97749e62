"""What TensorFlow 0.12 to 1.15 call the variables of cells."""

import re

NORMS = {"i": "input", "j": "transform", "f": "forget", "o": "output", "new_h": "new_h"}
_KINDS = {"scale": "gamma", "shift": "beta"}

# Our word → the names of all versions, longest first. "Linear/Matrix" and the CamelCase: 0.12; "weights": 1.0.
_LOCAL = {
    "candidate/input_projection/kernel": r"candidate/input_projection/kernel",
    "candidate/input_projection/bias": r"candidate/input_projection/bias",
    "candidate/hidden_projection/kernel": r"candidate/hidden_projection/kernel",
    "candidate/hidden_projection/bias": r"candidate/hidden_projection/bias",
    "gates/kernel": r"gates/(?:kernel|weights)|Gates/Linear/Matrix|w_ru",
    "gates/bias": r"gates/bias(?:es)?|Gates/Linear/Bias|b_ru",
    "candidate/kernel": r"candidate/(?:kernel|weights)|Candidate/Linear/Matrix|w_c",
    "candidate/bias": r"candidate/bias(?:es)?|Candidate/Linear/Bias|b_c",
    "gates/kernel_w": r"gates/kernel_w",
    "gates/kernel_u": r"gates/kernel_u",
    "candidate/kernel_u": r"candidate/kernel_u",
    "in_projection/kernel": r"in_projection/(?:kernel|weights)",
    "in_projection/bias": r"in_projection/bias(?:es)?",
    "projection": r"projection/(?:kernel|weights)|projection_weights|W_P_\d+",
    "peephole_i": r"w_i_diag|W_I_diag|wci",
    "peephole_f": r"w_f_diag|W_F_diag|wcf",
    "peephole_o": r"w_o_diag|W_O_diag|wco",
    "kernel_w": r"kernel_w",
    "kernel_u": r"kernel_u",
    "recurrent_kernel": r"recurrent_(?:kernel|weights)",
    "kernel": r"(?:Linear/)?Matrix|kernel|weights|W_\d+|W",
    "bias": r"(?:Linear/)?Bias|bias|biases|B|b",
}
_NORM = re.compile(
    r"(?:(?P<scope>.*?)/)?(?:(?P<gate>input|transform|forget|output|state)/(?P<kind>gamma|beta)"
    r"|(?P<short>i|j|f|o|new_h)/layer_norm/(?P<old>scale|shift))"
)
_OF_CELLS = re.compile(r"\w*cell(_?\d+)?|gates|candidate", re.IGNORECASE)
_PATTERNS = {word: re.compile(rf"(?:(?P<scope>.*?)/)?(?:{names})") for word, names in _LOCAL.items()}


def local(name: str) -> tuple[str, str] | None:
    """A variable's name → the scope of the cell that it may belong to, and our word for what it is there."""
    name = _without_linear(name)
    if found := _NORM.fullmatch(name):
        gate, kind = found["gate"] or NORMS[found["short"]], found["kind"] or found["old"]
        return found["scope"] or "", f"{gate}/{_KINDS.get(kind, kind)}"
    for word, pattern in _PATTERNS.items():
        if found := pattern.fullmatch(name):
            return found["scope"] or "", word
    return None


def _without_linear(name: str) -> str:
    """`basic_lstm_cell/linear/weights`, as some builds of 0.12 have it, without the scope of `_linear`; elsewhere
    `linear` is a layer's name.
    """
    parts = name.rsplit("/", 3)
    inside = len(parts) > 2 and parts[-2] == "linear" and _OF_CELLS.fullmatch(parts[-3])
    return "/".join([*parts[:-2], parts[-1]]) if inside else name
