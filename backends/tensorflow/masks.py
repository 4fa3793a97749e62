"""Which steps of the outputs count: the masks that Keras takes on to losses and to the layers that follow."""

from typing import Any

import tensorflow as tf

from rnnspec.backends.tensorflow.arguments import Given
from rnnspec.backends.tensorflow.ops import TensorFlowOps
from rnnspec.backends.tensorflow.program import Program
from rnnspec.backends.tensorflow.sequences import flip, steps
from rnnspec.layers import Recurrent
from rnnspec.valid import Valid


def masks(program: Program, given: Given) -> Any:
    """The valid steps of each output, in the form of the outputs and the order of their axes; None for a vector, and
    where all count."""
    model, valid = program.model, program.valid(given)
    if all(each.all for each in valid.values()) and all(each.padding is None for each in model.given.values()):
        return None
    values = program.values(given)
    marks = {name: Valid(mask=steps(each, tf.shape(values[name])[1])) for name, each in valid.items()}
    counts = model.counts(TensorFlowOps({}, False), values, marks)
    flipped: set[str] = set()  # where the last recurrent layer on the way reverses its output
    for layer, of in ((node.layer, node.of) for node in model.graph.nodes):
        if layer.reverse_output if isinstance(layer, Recurrent) else of[0] in flipped:
            flipped.add(layer.name)

    def mask(name: str) -> tf.Tensor | None:
        found = counts[name].mask
        if found is None or model.graph.places[name].time is None:
            return None
        found = flip(found) if name in flipped else found
        return tf.transpose(found) if program.time_major else found

    outputs = {name: mask(name) for name in model.graph.outputs}
    for layer in model.layers:
        if layer.name in outputs and isinstance(layer, Recurrent) and layer.merge == "none":
            outputs[layer.name] = (outputs[layer.name],) * 2
    return outputs if model.outputs is not None else outputs[model.layers[-1].name]
