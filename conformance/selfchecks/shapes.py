"""The shapes that the exporter records while it writes nodes are those that ONNX Runtime finds: what is written after a
node goes by them.
"""

import importlib
import re
import zlib
from types import SimpleNamespace
from typing import Any

import numpy as np

from rnnspec.conformance import vectors
from rnnspec.conformance.case import Case
from rnnspec.conformance.check import Check, equal
from rnnspec.conformance.selfchecks.exported import RUNTIME, exporter, results_of, types_of
from rnnspec.inputs import STEPS

_SOME = 3  # of so many cases, one is tried
Shape = tuple[int | str, ...]


def _recorded() -> None:
    for case in vectors.valid():
        arrays = [case.inputs[name] for name in case.model.given] + list(case.expected.values())
        some = all(array.size for array in arrays)  # of no rows, steps or windows, the graph computes one
        if zlib.crc32(case.id.encode()) % _SOME == 0 and some:
            _agrees(case)


def _agrees(case: Case) -> None:
    model, recorded = _traced(case)
    outputs = {node.name for node in model.graph.output}
    kind = importlib.import_module("onnx").ValueInfoProto
    model.graph.output.extend(kind(name=name) for name in recorded if name not in outputs)
    given, sizes = _given(case)
    inputs = types_of(model.graph.input)
    for name, (dtype, *axes) in inputs.items():  # a mask beside lengths of another input, and states
        given.setdefault(name, np.ones([_size(axis, sizes) for axis in axes], dtype))
    found = results_of(model, {name: given[name] for name in inputs})
    for name, shape in recorded.items():
        equal(f"{case.id}: {name}", found[name].shape, tuple(_size(axis, sizes) for axis in shape))


def _given(case: Case) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What the case gives, as the graph takes it, and what axes are named by: the rows, and steps of each input."""
    model, given = case.model, dict(case.inputs)
    sizes: dict[str, Any] = {"batch": len(case.inputs[next(iter(model.given))])}
    for name, x in model.given.items():
        if not x.sequence:
            continue
        time = given[name].shape[1]
        sizes |= {name: SimpleNamespace(time=time)} if model.by_name else {"time": time}
        if case.split == "steps" and name in model.stepped:
            given[name] = given[name][:, 0]
        elif case.time_major:
            given[name] = given[name].swapaxes(0, 1)
    return given, sizes


def _size(axis: int | str, sizes: dict[str, Any]) -> int:
    """The size of an axis, which is named by how it is computed, such as `(x.time+1)//2`. Of states all rows are given;
    of windows there is one at least."""
    if isinstance(axis, int):
        return axis
    formula = re.sub(r"[\w.]+\.rows", "batch", axis)
    return int(max(1, eval(formula, {"__builtins__": {"max": max}}, sizes)))


def _traced(case: Case) -> tuple[Any, dict[str, Shape]]:
    """The exported model, and what was recorded for the outputs of its nodes, but of those in bodies."""
    values: dict[str, list[Shape]] = {}

    graphs: Any = importlib.import_module("rnnspec.export.graph")

    class Recording(graphs.Graph):
        def node(self, *arguments: Any, **attributes: Any) -> Any:
            made = super().node(*arguments, **attributes)
            each = made if isinstance(made, list) else [made]
            values[self.place + each[0].name.removesuffix(".0")] = [value.shape for value in each]
            return made

    given = {key: any(name.rpartition(".")[2] == key for name in case.inputs) for key in STEPS}
    options = given | {"time_major": case.time_major}
    if case.split == "steps":
        options = {"step": True, "lengths": given["lengths"], "mask": given["mask"]}
    graph, metadata = exporter().trace(Recording, case.checkpoint, **options)
    model = graph.model(metadata)
    nodes = [node for node in model.graph.node if node.name in values]  # the others are Identity
    return model, {n: shape for node in nodes for n, shape in zip(node.output, values[node.name], strict=True)}


CHECKS = (Check("export-recorded-shapes", ("EXPORT-2",), _recorded, RUNTIME),)
