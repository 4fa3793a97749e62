"""What a graph says of what is between the layers: which steps the next layer reads, what follows a dense layer, and
which axis is time.

    rnn/TensorArrayStack/TensorArrayGatherV3    every step, time first
    rnn/transpose_1                             the batch first
    strided_slice                               [:, -1]: return_sequences=false
    MatMul_1                                    the kernel of the head
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rnnspec.activations import Activation
from rnnspec.conventions.tensorflow import NAMED
from rnnspec.convert.request import WithWeights
from rnnspec.convert.tf1.graph import Graph, Ref
from rnnspec.convert.tf1.ways import Way, Ways
from rnnspec.layers import Dense, Layer, Recurrent


class Wiring:
    """Facts of the graph.

    Args:
        graph, owners: as of `Ways`.
    """

    def __init__(self, graph: Graph, owners: Mapping[str, str]) -> None:
        self.ways = Ways(graph, owners)

    def facts(self, layers: Sequence[WithWeights]) -> tuple[dict[str, Any], dict[str, str]]:
        """Settings that the graph gives; layer → what is behind it and has no equal, or is not read."""
        found: dict[str, Any] = {}
        unknown: dict[str, str] = {}
        last = max(k for k, (layer, _) in enumerate(layers) if isinstance(layer, Recurrent))
        for k, (layer, _) in enumerate(layers):
            if isinstance(layer, Recurrent):
                found |= self._entry(layer)
                turned = any(each for _, each in map(self.ways.order, self.ways.reads(layer)))
                if turned and layer.direction != "bidirectional":
                    unknown[layer.name] = f"before {layer.name} the graph has its steps in reverse"
            if k + 1 == len(layers):
                if isinstance(layer, Dense):
                    found[f"{layer.name}.activation"] = self._after(layer.name)
                elif isinstance(layer, Recurrent) and self._gathered(layer.name):
                    found[f"{layer.name}.return_sequences"] = True
                break
            following = layers[k + 1][0]
            ways = {self.ways.back(ref, layer.name) for ref in self.ways.reads(following)}
            if isinstance(following, Recurrent) and following.direction == "bidirectional":
                ways = {way._replace(turned=False) for way in ways}  # of which one reads in reverse
            way = ways.pop() if len(ways) == 1 else Way(unknown="several values that are read, or none")
            facts, left = self._between(layer, way, k == last)
            found |= facts
            if left:
                unknown[layer.name] = f"between {layer.name} and {following.name} the graph has {left}"
        return found, unknown

    def ends(self, layers: Sequence[WithWeights]) -> Iterator[str]:
        """What the graph does before the first layer and behind the last one, where these are no layers."""
        first, last = layers[0][0], layers[-1][0]
        for way in {self.ways.back(ref, first.name) for ref in self.ways.reads(first)}:
            if (way.layer, way.steps, way.activation, way.unknown) != ("", "", "linear", ""):
                what = way.unknown or f"{way.activation} {way.steps} {way.layer}".strip()
                yield f"it begins at {first.name}; before that the graph has {what}"
        found = self.ways.following(last.name) if isinstance(last, Dense) else set()
        more = sorted(op for op in found if not op.endswith("WithLogits"))
        if more and (len(found) > 1 or more[0] not in NAMED):
            yield f"it ends at {last.name}; behind that the graph has {', '.join(more)}"

    def _between(self, layer: Layer, way: Way, last: bool) -> tuple[dict[str, Any], str]:
        """Settings of a layer, by the way in which the next one reads it; or what has no equal on it."""
        name = layer.name
        if way.unknown or way.layer != name:
            return {}, way.unknown or f"{way.layer or 'something else'}, whose output is read"
        if isinstance(layer, Dense) and not way.steps:
            return {f"{name}.activation": way.activation}, ""
        if not isinstance(layer, Recurrent):
            return {}, "" if way.activation == "linear" and not way.steps else f"{way.activation} of {way.steps} steps"
        if way.activation != "linear" or way.turned or (not last and way.steps != "all"):
            return {}, f"{way.activation} of {way.steps} steps{', in reverse' if way.turned else ''}"
        if way.padded and way.steps in ("last", "mean", "max"):
            return {}, f"{way.steps} of all steps, which are 0 past the length of a row"
        if way.steps in ("all", "final") or (way.steps == "last" and layer.direction != "bidirectional"):
            return {f"{name}.return_sequences": way.steps == "all"}, ""
        return {f"{name}.summary": way.steps}, ""

    def _entry(self, layer: Recurrent) -> dict[str, Any]:
        """Which way a layer goes over time, and which axis of the model's input that is."""
        found = {self.ways.order(ref) for ref in self.ways.reads(layer)}
        facts: dict[str, Any] = {}
        if layer.direction != "bidirectional" and {turned for _, turned in found} == {False}:
            facts[f"{layer.name}.direction"] = "forward"
        if len(swaps := {swapped for swapped, _ in found}) == 1 and (swapped := swaps.pop()) is not None:
            facts["time_major"] = not swapped
        return facts

    def _gathered(self, layer: str) -> bool:
        """Whether what a layer gives at every step is gathered."""
        return any(
            self.ways.back(Ref(name, 0), layer).layer.split(".")[0] == layer
            for name, node in self.ways.graph.nodes.items()
            if node.op.startswith("TensorArrayGather") and len(node.inputs) > 2
        )

    def _after(self, layer: str) -> Activation:
        """What follows the last layer: an activation where nothing else reads what it gives."""
        found = self.ways.following(layer)
        return NAMED.get(found.pop(), "linear") if len(found) == 1 else "linear"
