"""What Keras shows of a network, and the shapes that it gives: our layers stand where Keras looks for its own."""

from typing import Any

import keras

from rnnspec.graph import Node
from rnnspec.layers import Place, Recurrent
from rnnspec.model import Model

Shape = tuple[int | None, ...]


class View(keras.layers.Layer):
    """One layer of a network: its name, its variables, what it gives. The network runs it.

    `trainable = False` freezes its variables.
    """

    def __init__(self, node: Node, variables: list[Any], shape: Shape) -> None:
        object.__setattr__(self, "_held", (variables, shape))  # which Keras does not track: they are the network's
        super().__init__(name=node.name, trainable=any(variable.trainable for variable in variables))
        self._build_shapes_dict = {"input_shape": None}  # what Keras's summary asks of
        self.built = True

    @property
    def weights(self) -> list[Any]:
        """Those of the network that are of this layer."""
        return list(self._held[0])

    variables = weights

    @property
    def trainable(self) -> bool:
        """Whether any of its variables is."""
        return any(variable.trainable for variable in self._held[0])

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for variable in self._held[0]:
            variable.trainable = bool(value)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """What it gives, whatever is given."""
        return self._held[1]


def views(model: Model, weights: dict[str, Any], time_major: bool) -> list[View]:
    """The layers, each under the name of its kind: LSTM, Dropout, Dense."""
    found = []
    for node in model.graph.nodes:
        part: Any = node.layer.cell if isinstance(node.layer, Recurrent) else node.layer
        variables = [value for name, value in weights.items() if name.partition(".")[0] == node.name]
        kind = type(type(part).__name__, (View,), {})
        found.append(kind(node, variables, _shape(node.gives, None, {}, time_major)))
    return found


def output_shape(model: Model, shapes: dict[str, Shape], time_major: bool, return_state: bool) -> Any:
    """The shapes of what a call gives: outputs in their form, and states by name.

    Args:
        shapes: of the inputs, and of what else is given, by name.
    """
    sequences = {name: shape for name, shape in shapes.items() if name in model.sequences}
    rows = next(shape[time_major and name in sequences] for name, shape in shapes.items() if name in model.given)
    steps = {name: shape[not time_major] for name, shape in sequences.items()}
    each = {name: _shape(place, rows, steps, time_major) for name, place in model.results.items()}
    y = tuple(each.values()) if model.separate else each["y"] if model.outputs is None else each
    return (y, {name: (rows, size) for name, size in model.states().items()}) if return_state else y


def _shape(place: Place, rows: int | None, steps: dict[str, int | None], time_major: bool) -> Shape:
    if place.time is None:
        return rows, place.features
    time = steps.get(place.time)
    return (time, rows, place.features) if time_major else (rows, time, place.features)


class Same(list):
    """A list in which a variable is itself alone: Keras, where it writes HDF5, compares the numbers of all with all."""

    def __contains__(self, variable: object) -> bool:
        return any(each is variable for each in self)
