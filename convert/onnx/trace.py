"""The graph run at the sizes that are tried, with numbers in place of the elements of its inputs (`streams`)."""

import numpy as np
import onnx

from rnnspec import limits
from rnnspec.convert.onnx import evaluate, pointwise
from rnnspec.convert.onnx.evaluate import ARITHMETIC, STRUCTURAL
from rnnspec.convert.onnx.frozen import OTHER, Frozen
from rnnspec.convert.onnx.graph import RECURRENT, Graph, Node
from rnnspec.convert.onnx.runs import RecurrentNodes
from rnnspec.convert.onnx.sizes import Roles, Sizes, is_ids
from rnnspec.convert.onnx.streams import Foreign, Given, Kind, Source, Streams, Traced
from rnnspec.convert.request import Request
from rnnspec.errors import SpecError, UnsupportedError


class Trace:
    """The `values` that nodes give, by name; `reached`: how many of the nodes were run; `request`: for notes."""

    def __init__(self, graph: Graph, role: Roles, sizes: Sizes) -> None:
        self.graph, self.role, self.sizes = graph, role, sizes
        self.request = Request()
        constants = sum(array.size for array in graph.constants.values())
        self.left = max(limits.TRACED, limits.TRACED_RATIO * constants)  # elements that may still be computed
        self.streams = Streams(graph.where, self.left)
        self.values = {name: Traced(array, Kind.WEIGHTS) for name, array in graph.constants.items()}
        self.frozen = Frozen(sizes)
        self.recurrent = RecurrentNodes(role, sizes, self.streams, self.request)
        self.reached = 0

    def run(self, nodes: list[Node]) -> None:
        """Run the nodes.

        Raises:
            Misfit, Unclear: the graph does not run, or is no chain, at these sizes.
            SpecError, UnsupportedError: it is damaged; it is not a chain of layers of ours.
        """
        self._inputs()
        for self.reached, node in enumerate(nodes):
            inputs = [self.values.get(name) for name in node.inputs]
            results = self._results(node, inputs)
            self.frozen.follow(node, inputs, results, self.graph.opset)
            self.values.update(zip(node.outputs, results, strict=False))
        self.reached = len(nodes)
        without = [node for node, ragged in self.recurrent.ragged.items() if not ragged]
        if 0 < len(without) < len(self.recurrent.ragged):
            raise UnsupportedError(f"{without[0]}: has no sequence_lens, other nodes have; our layers share them")

    def _inputs(self) -> None:
        role, sizes = self.role, self.sizes
        declared = self.graph.inputs[role.x].shape or ()
        features = 1 if role.ids else int(declared[-1] or 0)
        x = self.streams.add(Source(name=role.x, numbers=self.streams.new(sizes.batch, sizes.time, features)))
        array = x.numbers.swapaxes(0, 1) if sizes.axes[0] == "time" else x.numbers
        array = array.reshape(*array.shape[: len(sizes.axes) - 1], -1, *([] if role.ids else [features]))
        self.values[role.x] = Traced(array, Kind.ELEMENTS)
        self.frozen.enter(role.x, (*sizes.axes, *([] if role.ids else [OTHER])))
        for name in role.lengths:
            lengths = sizes.lengths().astype(self.graph.inputs[name].dtype)
            self.values[name] = Traced(lengths, Kind.SIZES)
        for name in role.states:
            shape = self.graph.inputs[name].shape
            if shape is None:
                raise SpecError(f"{self.graph.where}: input {name!r}: its shape is not declared; export the model anew")
            given = self.streams.add(Given(name, self.streams.new(*sizes.shape(shape))))
            self.values[name] = Traced(given.numbers, Kind.ELEMENTS)
            self.frozen.enter(name, (OTHER,) * len(shape))

    def _results(self, node: Node, inputs: list[Traced | None]) -> list[Traced]:
        """What a node gives, by what it does: it runs a cell, or moves, measures, reckons, or acts on each step."""
        for name, tensor in zip(node.inputs, inputs, strict=True):
            if name in self.graph.inputs and tensor is None:
                raise UnsupportedError(f"{node}: reads the input {name!r}, which is none of the chain's; --part NAME")
        if node.kind in RECURRENT:
            return self.recurrent.run(node, inputs)
        kinds = [None if tensor is None else tensor.kind for tensor in inputs]
        arrays = [None if tensor is None else tensor.array for tensor in inputs]
        first = inputs[0] if inputs else None
        if node.kind == "Identity" and first is not None:
            return [first]
        if node.kind in ("Shape", "Size") and first is not None:
            return [Traced(_measured(node, first.array), Kind.SIZES)]
        if node.kind == "Dropout" and first is not None:
            return [self._dropout(node, inputs, first)]
        if Kind.ELEMENTS not in kinds:
            if node.kind in ARITHMETIC or node.kind in STRUCTURAL:
                return self._evaluated(node, arrays, Kind.SIZES if _of_sizes(node, kinds) else Kind.WEIGHTS)
        elif node.kind == "Cast" and first is not None:
            return [self._cast(node, first)]
        elif node.kind == "Gather" and kinds == [Kind.WEIGHTS, Kind.ELEMENTS]:
            table, ids = arrays
            assert table is not None
            assert ids is not None
            return [Traced(pointwise.embedded(node, table, ids, self.streams), Kind.ELEMENTS)]
        elif node.kind in STRUCTURAL and Kind.ELEMENTS not in kinds[_held(node) :]:
            if set(kinds[: _held(node)]) != {Kind.ELEMENTS}:
                raise UnsupportedError(f"{node}: joins the output of a layer with constants; no layer of ours")
            return self._evaluated(node, arrays, Kind.ELEMENTS)
        elif node.kind in pointwise.KINDS:
            return [Traced(pointwise.compute(node, inputs, self.streams, self.graph.opset), Kind.ELEMENTS)]
        raise Foreign(f"{node}: none of the operators that our layers are read from")

    def _evaluated(self, node: Node, arrays: list[np.ndarray | None], kind: Kind) -> list[Traced]:
        results = evaluate.evaluate(node, arrays, self.graph.opset, self.left)
        self.left -= sum(array.size for array in results)
        return [Traced(array, kind) for array in results]

    def _cast(self, node: Node, first: Traced) -> Traced:
        """The same elements, but not what a layer gives as whole numbers; ids may be."""
        to = onnx.helper.tensor_dtype_to_np_dtype(node.integer("to", onnx.TensorProto.FLOAT))
        owners = self.streams.owners(first.array.ravel().tolist())
        ids = all(isinstance(owner, Source) and is_ids(self.graph, owner.name) for owner in owners)
        if to.kind in "iub" and not ids:
            raise UnsupportedError(f"{node}: to {to.name}, which rounds the output of a layer; no layer of ours")
        return first

    def _dropout(self, node: Node, inputs: list[Traced | None], first: Traced) -> Traced:
        training = inputs[2] if len(inputs) > 2 else None
        if training is not None and training.array.any():
            raise UnsupportedError(f"{node}: is in training mode; export the model in evaluation mode")
        self.request.note("dropout is left out")
        return first


def _measured(node: Node, array: np.ndarray) -> np.ndarray:
    shape = array.shape[node.integer("start") : node.integer("end", array.ndim)]
    return np.array(shape if node.kind == "Shape" else array.size, "int64")


def _held(node: Node) -> int:
    """How many inputs of a node of `STRUCTURAL` hold what it moves."""
    return len(node.inputs) if node.kind == "Concat" else 1


def _of_sizes(node: Node, kinds: list[Kind | None]) -> bool:
    """Whether numbers depend on the sizes that are tried: where those only say how they are laid out, they do not."""
    if node.kind == "ConstantOfShape":
        return False
    return Kind.SIZES in (kinds[: _held(node)] if node.kind in STRUCTURAL else kinds)
