"""ONNX files: our own come back bit for bit; of others, chains and graphs of RNN, GRU and LSTM nodes and what stands
around them.

A foreign graph is run once with numbers in place of values (`streams`), so that a layer is recognised by what it reads
and not by how the nodes between are written. Layers are named after their nodes (`network`). Options: `--part NAME`, an
output or any value of the graph, takes the chain that leads to it; a recurrent node, what is a chain around it
(`sections`).
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

from rnnspec.convert.onnx import files, ours, sections, sizes, whole
from rnnspec.convert.onnx.graph import RECURRENT, Graph, Node
from rnnspec.convert.onnx.network import chain, select
from rnnspec.convert.onnx.quantised import dequantised
from rnnspec.convert.onnx.refusals import refuse
from rnnspec.convert.onnx.streams import Foreign, Misfit, Unclear
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
    if part is not None and part not in graph.values and (found := sections.section(graph, part)):
        network, end = sections.taken(model, graph, found, lambda cut: _network(Graph(cut, where, {}), None, request))
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
    return sections.listed(model, graph, lambda cut: _network(Graph(cut, where, {}), None, Request()), _refusal(graph))


def _refusal(graph: Graph) -> str:
    """Why the whole of it is not converted: what converting it says."""
    try:
        _network(graph, None, Request())
    except (SpecError, UnsupportedError) as error:
        return str(error).removeprefix(f"{graph.where}: ")
    return ""


def _network(graph: Graph, part: str | None, request: Request) -> Network:
    """The chain that leads to the outputs, or to the value `part`; where it is none, the graph. What it is not said to
    be is what stopped the reading that got farthest."""
    outputs = select(graph, part)
    nodes, needed = graph.leading_to(outputs)
    refuse(graph, nodes)
    try:
        network, needed = _as_chain(graph, nodes, needed, part, outputs, request)
    except whole.Stopped as chain:
        try:
            network = whole.network(graph, nodes, outputs, request)
        except whole.Stopped as stopped:
            farther = (stopped.reached, isinstance(chain.error, Foreign)) > (chain.reached, False)
            raise (stopped.error if farther else chain.error) from None
    network.variables = Variables({n: a for n, a in graph.constants.items() if a.dtype.kind == "f"}, graph.where)
    for name in network.variables:
        if name in needed:
            network.variables.take(name)
        else:
            network.variables.ignore(name, f"leads to no output {', '.join(outputs)}")
    return network


def _as_chain(
    graph: Graph, nodes: list[Node], needed: set[str], part: str | None, outputs: list[str], request: Request
) -> tuple[Network, set[str]]:
    """The chain, and the values that it needs. Raises Stopped: it is none."""
    if computed := sizes.computed(graph, nodes):
        if not part:
            raise whole.Stopped(-1, UnsupportedError(
                f"{graph.where}: {min(computed)!r}, an initial state, is another layer's: not a chain; --part NAME "
                f"takes what leads to one of {', '.join(graph.outputs)}"
            ))  # fmt: skip
        nodes, needed = graph.leading_to(outputs, lambda node: _without(node, computed))
    try:
        role = sizes.roles(graph, nodes)
    except (SpecError, UnsupportedError) as error:
        raise whole.Stopped(-1, error) from None
    layers, features = _chain(graph, nodes, role, outputs, request)
    return Network(layers, features, Variables({}, graph.where)), needed


def _without(node: Node, computed: set[str]) -> list[str]:
    """What a node needs, without the initial states that another part gives."""
    return [name for name in node.inputs if node.kind not in RECURRENT or name not in computed]


def _chain(
    graph: Graph, nodes: list[Node], role: sizes.Roles, outputs: list[str], request: Request
) -> tuple[list[WithWeights], int | None]:
    """The chain at the first sizes at which the graph runs; raises Stopped with the error where it got farthest."""
    errors: dict[int, SpecError | UnsupportedError] = {}
    declared = 0  # how many guesses had the sizes that are declared
    try:
        guesses = list(sizes.guesses(graph, role))
    except SpecError as error:
        raise whole.Stopped(-1, error) from None
    for orders in guesses:
        runs = True
        for tried in orders:
            trace = Trace(graph, role, tried)
            try:
                trace.run(nodes)
                found = chain(trace, outputs)
                if (new := sizes.others(tried)) and not _as_well(graph, role, new, nodes, outputs, found):
                    raise Unclear(f"{graph.where}: {whole.DEPENDS}")
            except (SpecError, UnsupportedError) as error:
                if not tried.freed and not isinstance(error, Misfit | Unclear):
                    raise whole.Stopped(trace.reached, error) from None
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
    reached = max(errors)
    raise whole.Stopped(reached, errors[reached])


def _as_well(
    graph: Graph, role: sizes.Roles, new: sizes.Sizes, nodes: list[Node], outputs: list[str],
    found: tuple[list[WithWeights], int | None],
) -> bool:  # fmt: skip
    """Whether the chain is the same at other sizes, or the graph does not run at them."""
    trace = Trace(graph, role, new)
    try:
        trace.run(nodes)
        layers, features = chain(trace, outputs)
    except Misfit:
        return True
    except (SpecError, UnsupportedError):
        return False
    return features == found[1] and whole.equal(layers, found[0])
