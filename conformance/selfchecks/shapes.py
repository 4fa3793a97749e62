"""The shapes that the exporter records while it writes nodes are those that ONNX Runtime finds: what is written after a
node goes by them.
"""

import importlib
import zlib
from typing import Any

import numpy as np

from rnnspec.conformance import vectors
from rnnspec.conformance.case import Case
from rnnspec.conformance.check import Check, equal
from rnnspec.conformance.selfchecks.exported import RUNTIME, exporter, results_of

_SOME = 3  # of so many cases, one is tried
Shape = tuple[int | str, ...]


def _recorded() -> None:
    for case in vectors.valid():
        if zlib.crc32(case.id.encode()) % _SOME == 0 and case.inputs["x"].size:  # of no rows, the graph computes one
            _agrees(case)


def _agrees(case: Case) -> None:
    model, recorded = _traced(case)
    outputs = {node.name for node in model.graph.output}
    kind = importlib.import_module("onnx").ValueInfoProto
    model.graph.output.extend(kind(name=name) for name in recorded if name not in outputs)
    step = case.split == "steps"
    x = case.inputs["x"][:, 0] if step else case.inputs["x"].swapaxes(0, 1) if case.time_major else case.inputs["x"]
    batch, time = case.inputs["x"].shape[:2]
    given = {name: np.ones((batch, size), "float32") for name, size in case.model.states().items()} | case.inputs
    found = results_of(model, given | {"x": x})
    sizes: dict[int | str, int] = {"batch": batch, "time": time, "time+1": time + 1, "time*batch": time * batch}
    sizes |= {f"{name}.rows": batch for name in case.model.states()}
    for name, shape in recorded.items():
        equal(f"{case.id}: {name}", found[name].shape, tuple(sizes.get(size, size) for size in shape))


def _traced(case: Case) -> tuple[Any, dict[str, Shape]]:
    """The exported model, and what was recorded for the outputs of its nodes, but of those in bodies."""
    values: dict[str, list[Shape]] = {}

    graphs: Any = importlib.import_module("rnnspec.export.graph")

    class Recording(graphs.Graph):
        def node(self, *arguments: Any, **attributes: Any) -> Any:
            made = super().node(*arguments, **attributes)
            each = made if isinstance(made, list) else [made]
            values[each[0].name.removesuffix(".0")] = [value.shape for value in each]
            return made

    given = {name: name in case.inputs for name in ("lengths", "mask", "reset")} | {"time_major": case.time_major}
    graph, metadata = exporter().trace(Recording, case.checkpoint, **{"step": True} if case.split == "steps" else given)
    model = graph.model(metadata)
    nodes = [node for node in model.graph.node if node.name in values]  # the others are Identity
    return model, {n: shape for node in nodes for n, shape in zip(node.output, values[node.name], strict=True)}


CHECKS = (Check("export-recorded-shapes", ("EXPORT-2",), _recorded, RUNTIME),)
