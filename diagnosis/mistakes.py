"""The usual mistakes: what people get wrong when they carry a recurrent network from one framework to another.

Each is a change to a model, its weights or its call. When a network's numbers are wrong, the change that makes them
right names the mistake (`rnnspec.diagnosis.explain`).
"""

from collections.abc import Iterator

from rnnspec.cells import Cell
from rnnspec.diagnosis.call_mistakes import call_mistakes
from rnnspec.diagnosis.cell_mistakes import cell_mistakes
from rnnspec.diagnosis.change import Mistake, PartMistake
from rnnspec.diagnosis.function_mistakes import function_mistakes
from rnnspec.diagnosis.layer_mistakes import last_layer_mistakes, layer_mistakes, operation_mistakes
from rnnspec.diagnosis.layout_mistakes import layout_mistakes
from rnnspec.diagnosis.trial import Trial, parts
from rnnspec.model import Model


def mistakes(trial: Trial) -> Iterator[Mistake]:
    """All that can be made in this trial, in a fixed order: where numbers lie, then what they mean, then the call."""
    for mistake in part_mistakes(trial.model):
        yield from mistake.mistakes(trial)
    yield from last_layer_mistakes(trial)
    yield from operation_mistakes(trial)
    yield from call_mistakes(trial)


def part_mistakes(model: Model) -> Iterator[PartMistake]:
    """Those in the layers and cells of a model."""
    kinds = {part.gates: None for part in parts(model).values() if isinstance(part, Cell) and len(part.gates) > 1}
    yield from layout_mistakes(kinds)
    yield from cell_mistakes({gate for gates in kinds for gate in gates})
    yield from function_mistakes()
    yield from layer_mistakes()
