"""What is asked of a reader, and what it hands back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rnnspec.checkpoint import Checkpoint, check_weights
from rnnspec.convert.settings import Settings
from rnnspec.convert.variables import Variables, some
from rnnspec.errors import SpecError
from rnnspec.graph import Input
from rnnspec.layers import Layer
from rnnspec.model import Model
from rnnspec.ops import under

WithWeights = tuple[Layer, dict[str, np.ndarray]]


@dataclass
class Request:
    """What the user asked for, and the notes that the reader makes.

    `config`: a file that says what the source does not; `arrays`: one that says what plain arrays are; `ema`: take
    moving averages in place of the variables that they average; `part`: what to take of a model that is not taken
    whole; `ignore`: variables that belong to the rest, by their names, or by what these begin with. A reader does not
    look at an option that it has no use for, and an option that nobody looked at is an error.
    """

    settings: Settings = field(default_factory=Settings)
    config: Path | None = None
    ema: bool = False
    part: str | None = None
    arrays: Path | None = None
    ignore: tuple[str, ...] = ()
    looked_at: set[str] = field(default_factory=set)
    _notes: dict[str, dict[str, None]] = field(default_factory=dict)  # text → what it is about

    def look(self, option: str) -> Any:
        """The option of this name, from here on the reader's business."""
        self.looked_at.add(option)
        return getattr(self, option)

    def left_out(self, names: Iterable[str], separator: str, where: str) -> dict[str, str]:
        """The variables that `ignore` names, itself or what is under it, each with that reason.

        Raises:
            SpecError: there is none of that name.
        """
        names, found = list(names), dict[str, str]()
        for each in self.look("ignore"):
            inside = [name for name in names if name == each or name.startswith(each + separator)]
            if not inside:
                raise SpecError(
                    f"--ignore {each}: {where} has no such variable, and none that begins so; it has {some(names)}"
                )
            found |= dict.fromkeys(inside, "as --ignore says")
        return found

    def note(self, text: str, about: str = "") -> None:
        """Something that the reader assumed or changed, in words for the user.

        `about`: the layer or place that it is about; notes with the same text become one, which names them all.
        """
        self._notes.setdefault(text, {}).update({about: None} if about else {})

    @property
    def notes(self) -> list[str]:
        """All notes, each once, in the order in which they were made."""
        return [f"{some(list(about))}: {text}" if about else text for text, about in self._notes.items()]


@dataclass
class Network:
    """What a reader found: layers with their weights by our names, in the order of the chain.

    `inputs`, `padding` and `outputs` as in `Model`; in a graph, each layer names what it reads (`of`).
    """

    layers: list[WithWeights]
    inputs: int | Mapping[str, Input | int | None] | None
    variables: Variables
    padding: float | None = None
    outputs: Sequence[str] | None = None


def assemble(network: Network, request: Request, format: str, name: str) -> Checkpoint:
    """The checkpoint of what a reader found; raises SpecError where a variable is left over."""
    network.variables.finish()
    model = Model(
        layers=[layer for layer, _ in network.layers],
        inputs=network.inputs,
        padding=network.padding,
        outputs=network.outputs,
    )
    weights = {k: array for layer, arrays in network.layers for k, array in under(layer.name, arrays).items()}
    dtype = np.result_type(np.float32, *weights.values())
    weights = {name: np.ascontiguousarray(array, dtype) for name, array in weights.items()}
    check_weights(model, weights, network.variables.where)
    conversion = {
        "format": format,
        "source": name,
        "notes": request.notes,
        "ignored": dict(sorted(network.variables.ignored.items())),
    }
    return Checkpoint(model, weights, {"conversion": conversion})
