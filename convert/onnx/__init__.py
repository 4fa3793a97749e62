"""ONNX files: our own come back bit for bit; of others, chains of RNN, GRU and LSTM nodes and what stands around them.

A foreign graph is run once with numbers in place of values (`streams`), so that a layer is recognised by what it reads
and not by how the nodes between are written. Layers are named after their nodes (`network`). Options: `--part NAME`, an
output or any value of the graph, takes the chain that leads to it; a recurrent node, what is a chain around it
(`parts`).
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rnnspec.checkpoint import Checkpoint
from rnnspec.convert.parts import Parts
from rnnspec.convert.request import Network, Request, WithWeights, assemble
from rnnspec.errors import SpecError, UnsupportedError

if importlib.util.find_spec("onnx") is None:
    raise UnsupportedError("ONNX files need onnx: pip install 'rnnspec[onnx]'")

import onnx

from rnnspec.convert.onnx import files, ours, sizes
from rnnspec.convert.onnx import parts as parts_of
from rnnspec.convert.onnx.graph import RECURRENT, Graph, Node
from rnnspec.convert.onnx.network import chain, select
from rnnspec.convert.onnx.quantised import dequantised
from rnnspec.convert.onnx.refusals import refuse
from rnnspec.convert.onnx.streams import Misfit, Unclear
from rnnspec.convert.onnx.trace import Trace
from rnnspec.convert.variables import Variables


def read(source: Path, request: Request) -> Network | Checkpoint:
    """The model in an ONNX file.

    Raises:
        OSError: the file, or one with its tensors, is not there.
        SpecError: it is not ONNX, damaged, or names files outside its folder.
        UnsupportedError: it is not a chain of layers of ours; a recurrence was unrolled, or left as a loop.
    """
    return _read(files.load(source), str(source), request, {})


def read_model(
    model: onnx.ModelProto, constants: Mapping[str, np.ndarray] | None = None, *, part: str | None = None
) -> Checkpoint:
    """A model in memory, its tensors inside. `constants`: weights for graph inputs that are meant to hold some, as in
    ONNX's own node tests, by name.

    Raises:
        SpecError, UnsupportedError: as `read`.
    """
    request = Request(part=part)
    found = _read(model, "model", request, constants or {})
    return found if isinstance(found, Checkpoint) else assemble(found, request, "onnx", "model")


def _read(
    model: onnx.ModelProto, where: str, request: Request, constants: Mapping[str, np.ndarray]
) -> Network | Checkpoint:
    if written := ours.written(model, where):
        del model
        return ours.read(written, where)
    model = dequantised(model, where, request)
    graph = Graph(model, where, constants)
    part = request.look("part")
    if part is not None and part not in graph.values and (found := parts_of.section(graph, part)):
        network, end = parts_of.taken(model, graph, found, lambda cut: _network(Graph(cut, where, {}), None, request))
        request.note(f"the part reads {found.reads or 'the input'} and gives {end}")
        for name, array in graph.constants.items():
            if array.dtype.kind == "f" and name not in network.variables:
                network.variables.ignore(name, f"not in the part {part}")
        return network
    return _network(graph, part, request)


def parts(source: Path, request: Request) -> Parts:
    """The recurrent parts of a graph, and what stands around them.

    Raises:
        OSError, SpecError, UnsupportedError: as `read`, but not for what has no equal.
    """
    model, where = files.load(source), str(source)
    if ours.written(model, where):
        raise UnsupportedError(f"--parts: {source}: a model of ours, which is taken whole")
    model = dequantised(model, where, request)
    graph = Graph(model, where, {})
    return parts_of.listed(model, graph, lambda cut: _network(Graph(cut, where, {}), None, Request()), _refusal(graph))


def _refusal(graph: Graph) -> str:
    """Why the whole of it is not converted: what converting it says."""
    try:
        _network(graph, None, Request())
    except (SpecError, UnsupportedError) as error:
        return str(error).removeprefix(f"{graph.where}: ")
    return ""


def _network(graph: Graph, part: str | None, request: Request) -> Network:
    """The chain that leads to the outputs, or to the value `part`."""
    where, outputs = graph.where, select(graph, part)
    nodes, needed = graph.leading_to(outputs)
    refuse(graph, nodes)
    if computed := sizes.computed(graph, nodes):
        if not part:
            raise UnsupportedError(
                f"{where}: {min(computed)!r}, an initial state, is another layer's: not a chain; --part NAME takes "
                f"what leads to one of {', '.join(graph.outputs)}"
            )
        nodes, needed = graph.leading_to(outputs, lambda node: _without(node, computed))
    role = sizes.roles(graph, nodes)
    layers, features = _chain(graph, nodes, role, outputs, request)
    variables = Variables({n: a for n, a in graph.constants.items() if a.dtype.kind == "f"}, where)
    for name in variables:
        if name in needed:
            variables.take(name)
        else:
            variables.ignore(name, f"leads to no output {', '.join(outputs)}")
    return Network(layers, features, variables)


def _without(node: Node, computed: set[str]) -> list[str]:
    """What a node needs, without the initial states that another part gives."""
    return [name for name in node.inputs if node.kind not in RECURRENT or name not in computed]


def _chain(
    graph: Graph, nodes: list[Node], role: sizes.Roles, outputs: list[str], request: Request
) -> tuple[list[WithWeights], int | None]:
    """The chain at the first sizes at which the graph runs; else the error where it got farthest."""
    errors: dict[int, SpecError | UnsupportedError] = {}
    declared = 0  # how many guesses had the sizes that are declared
    for orders in sizes.guesses(graph, role):
        runs = True
        for tried in orders:
            trace = Trace(graph, role, tried)
            try:
                trace.run(nodes)
                found = chain(trace, outputs)
            except (SpecError, UnsupportedError) as error:
                if not tried.freed and not isinstance(error, Misfit | Unclear):
                    raise
                errors.setdefault(trace.reached, error.with_traceback(None))  # which would keep all that was computed
                runs &= isinstance(error, Unclear)
                continue
            for note in (*trace.request.notes, sizes.fixed(tried)):
                if note:
                    request.note(note)
            return found
        declared += not orders[0].freed
        if declared == 1 and runs:
            break  # where the first of them would do, others are not tried
    raise errors[max(errors)]
