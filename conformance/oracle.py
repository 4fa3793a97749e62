"""What is right: results, final states and gradients from the reference itself, in 80 bits and then rounded."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnspec import accuracy, inputs
from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.tape import Tape, Traced
from rnnspec.errors import SpecError
from rnnspec.reference.ops import NumpyOps

Arrays = dict[str, np.ndarray]


def run(
    checkpoint: Checkpoint, call: Mapping[str, Any], *, training: bool = False, seed: int = 0, steps: str = "whole"
) -> Arrays:
    """y (or y.forward and y.backward) and every final state by name, `rounded`.

    Args:
        call: x and, where given, lengths, mask, reset and state, as `reference.Net` takes them.
        training, seed: whether noise is drawn, that of the first call of a network with this seed.
        steps: "whole" sequences, or "steps" one by one (`net.step`), each a call of its own.

    Raises:
        SpecError: lengths or states do not fit, or `steps` is something else.
    """
    results, _ = _traced(Tape(), checkpoint, call, training, seed, steps)
    return {name: rounded(result.value) for name, result in results.items()}


def vjp(
    checkpoint: Checkpoint,
    call: Mapping[str, Any],
    cotangents: Mapping[str, np.ndarray],
    *,
    training: bool = False,
    seed: int = 0,
    calls: int = 0,
) -> tuple[Arrays, Arrays]:
    """The results of `run`, and the gradients of Σ cotangent ⊙ result over all of them, by name and `rounded`: with
    respect to every weight, x where the model takes features, and every state that is given. `calls`: how many in
    training the network had before.

    Where a function has a kink, the gradient is the one that torch and TensorFlow give: relu'(0) = 0, and a clipped
    value has the derivative 1 on the border, 0 beyond it. Of equal maxima, each has its share. What has no influence
    has the gradient 0.

    Raises:
        SpecError: the cotangents do not have the names and shapes of the results, or the call does not fit.
    """
    tape = Tape()
    results, arguments = _traced(tape, checkpoint, call, training, seed, calls=calls)
    expected = {name: result.shape for name, result in results.items()}
    found = {name: np.shape(cotangent) for name, cotangent in cotangents.items()}
    if not found.items() <= expected.items():
        raise SpecError(f"cotangents: expected those of results, {expected}, found {found}")
    tape.backward([(results[name], cotangent) for name, cotangent in cotangents.items()])
    return (
        {name: rounded(result.value) for name, result in results.items()},
        {name: rounded(argument.gradient) for name, argument in arguments.items()},
    )


def spread(checkpoint: Checkpoint, call: Mapping[str, Any], *, training: bool = False, seed: int = 0) -> float:
    """The error (ACC-1) that float32 alone brings in: the reference with every operation rounded to float32."""
    rough, _ = _traced(Tape(np.float32), checkpoint, call, training, seed)
    exact = run(checkpoint, call, training=training, seed=seed)
    return accuracy.worst({name: result.value.astype("float64") for name, result in rough.items()}, exact)[1]


def rounded(array: np.ndarray) -> np.ndarray:
    """In float64, with the leading 40 bits of each number and none below 2⁻⁵².

    Two versions of NumPy may sum in different orders, and so differ in the last of 64 bits; in what is left of them
    they do not, and a sum that should vanish does.
    """
    _, exponent = np.frexp(array)
    unit = np.maximum(exponent - 40, -52)
    return np.ldexp(np.rint(np.ldexp(array, -unit)), unit).astype("float64") + 0.0  # which turns -0 into 0


class _Exact(inputs.NumpyArrays):
    """Arrays that are checked, and no number of which is rounded."""

    def __init__(self) -> None:
        super().__init__("float64")

    def features(self, x: Any) -> np.ndarray:
        """As they are."""
        return inputs.numbers(x)

    def state(self, name: str, value: Any) -> np.ndarray:
        """As it is."""
        return inputs.numbers(value, name)


def _traced(
    tape: Tape,
    checkpoint: Checkpoint,
    call: Mapping[str, Any],
    training: bool,
    seed: int,
    steps: str = "whole",
    calls: int = 0,
) -> tuple[dict[str, Traced], dict[str, Traced]]:
    """Results and arguments by name, on the tape. The noise is exact: zeros and ones."""
    model = checkpoint.model
    x, valid, given, rows = inputs.Arguments(model).of_call(_Exact(), **inputs.ABSENT | dict(call))
    tensors = {name: Traced(tape, array) for name, array in checkpoint.weights.items()}
    arguments = {name: tensor for name, tensor in tensors.items() if name not in model.fixed}
    p = model.by_layer(tensors)
    for name, input_ in model.given.items():
        if input_.features is not None:
            x[name] = arguments[name] = Traced(tape, x[name])
    if given is None:
        zeros = {name: Traced(tape, np.zeros((rows, size))) for name, size in model.states().items()}
        state = model.start(NumpyOps(), p, zeros)
    else:
        state = {name: Traced(tape, array) for name, array in given.items()}
        arguments |= state
    if steps == "whole":
        y, state = model.apply(NumpyOps(training, seed, calls), p, x, valid, state)
    elif steps == "steps" and all(
        count.all and count.reset is None for name, count in valid.items() if name in model.stepped
    ):
        outputs = []
        for t in range(next(x[name].shape[1] for name in x if name in model.stepped)):
            x_t = {name: value[:, t] if name in model.stepped else value for name, value in x.items()}
            y, state = model.step(NumpyOps(training, seed, t), p, x_t, state, valid)
            outputs.append(model.named(y))
        y = {name: np.stack([output[name] for output in outputs], 1) for name in outputs[0]}
        y = y["y"] if model.outputs is None else y
    else:
        raise SpecError(f"steps: expected 'whole', or 'steps' where all are valid, found {steps!r}")
    results = model.named(y) | state
    # Without time steps, an output is no array of the tape.
    return {name: r if isinstance(r, Traced) else Traced(tape, r) for name, r in results.items()}, arguments
