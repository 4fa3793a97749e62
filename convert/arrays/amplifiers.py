"""NeuralPi's and GuitarML's models of amplifiers: a state dict in JSON, with what it is a state of.

    {"model_data": {"model": "SimpleRNN", "unit_type": "LSTM", "skip": 1, …}, "state_dict": {"rec.weight_ih_l0": …}}

CoreAudioML's `SimpleRNN` (networks.py; Alec Wright 2019) is a recurrent module `rec` and a linear one `lin`, and adds
the first `skip` features of its input to the output. Its batches have time on the first axis.
"""

from typing import Any

import numpy as np

from rnnspec import Dense, Merge
from rnnspec.convert.arrays.files import Nest, flat
from rnnspec.convert.request import Network, Request, WithWeights
from rnnspec.convert.torch import found
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.shown import quoted


def is_of(nest: Nest) -> bool:
    """Whether a JSON text is one of these."""
    return isinstance(nest, dict) and {"model_data", "state_dict"} <= set(nest)


def network(nest: dict[str, Any], where: str, request: Request) -> Network:
    """The recurrent module, the linear one, and what is added.

    Raises:
        SpecError: an array is missing, left over or of another shape.
        UnsupportedError: another model than `SimpleRNN`.
    """
    data = nest["model_data"]
    if not isinstance(data, dict):
        raise SpecError(f"{where}: model_data: expected names and values, found {quoted(data)}")
    if (model := data.get("model", "SimpleRNN")) != "SimpleRNN":
        raise UnsupportedError(f"{where}: model_data: model: expected SimpleRNN, found {quoted(model)}")
    variables = Variables(flat(nest["state_dict"], where), where)
    blocks, ours, rest = found(variables, request)
    if rest or not blocks[0].recurrent or [*ours] != ["rec", "lin"]:
        raise UnsupportedError(f"{where}: state_dict: expected rec and lin, found {', '.join([*ours, *rest])}")
    rec, lin = blocks[0], blocks[-1]  # a linear module without a bias is two blocks, and the last one is linear
    kind = rec.recurrent.partition(" ")[0]
    if (said := data.get("unit_type", kind)) != kind:
        raise SpecError(f"{where}: model_data: unit_type: {quoted(said)}, and its weights are of {kind}")
    layers = [layer for block in (rec, lin) for layer in block.build(ours[block.place])]
    inputs = rec.inputs or 0
    layers += skip(data.get("skip", 0), layers[-1][0].name, lin.outputs, "x", inputs, where, request)
    request.note("time was the first axis: load it with time_major=True")
    return Network(layers, inputs, variables)


def skip(count: Any, last: str, outputs: int, dry: str, inputs: int, where: str, request: Request) -> list[WithWeights]:
    """The first `count` features of the value `dry` added to those of the layer `last`; one goes to all of them.

    Raises:
        SpecError: there are not as many.
    """
    if type(count) is not int or count < 0:
        raise SpecError(f"{where}: skip: expected how many features of the input are added, found {quoted(count)}")
    if not count:
        return []
    count = min(count, inputs)
    if count not in (1, outputs):
        raise SpecError(f"{where}: skip: {count} features of the input do not add to {outputs} of the output")
    request.note(f"skip: the first {count} of the input's features are added to the output")
    if inputs == outputs == count:
        return [(Merge(name="sum", of=[last, dry], how="add"), {})]
    kernel = np.eye(count, inputs, dtype=np.float32).repeat(outputs // count, 0)
    return [
        (Dense(name="dry", of=dry, units=outputs, bias=False), {"kernel": kernel}),
        (Merge(name="sum", of=[last, "dry"], how="add"), {}),
    ]
