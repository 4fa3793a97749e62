"""Layers in the graph of a SavedModel, followed from an output back to the input."""

from dataclasses import dataclass, field

import msgspec

from rnnspec.activations import Activation
from rnnspec.convert import layers
from rnnspec.convert.names import unique, valid
from rnnspec.convert.request import Request, WithWeights
from rnnspec.convert.saved_model.expressions import activation, integers, match
from rnnspec.convert.saved_model.graph import Operation, Tensor
from rnnspec.convert.saved_model.loops import TIME_FIRST, Loops, Unrolled, flipped

OneDense = tuple[Activation, Tensor, Tensor | None, Tensor]  # φ, kernel, bias, input
_MERGES = {
    "concat": ("ConcatV2", "a", "b", "axis"),
    "sum": ("AddV2", "a", "b"),
    "mul": ("Mul", "a", "b"),
    "ave": ("RealDiv", ("AddV2", "a", "b"), 2.0),
}


@dataclass
class Chain:
    """Layers from an input on.

    `source`: what goes into the first of them; `outputs`: what the last gives; `passed`: what each gives; `loops`, with
    their `masks`, and their `states`, where each starts and ends; `masked`: the masks of `Masking` layers; `summed`:
    layers whose two biases became one; `inputs` and `padding` as in `Model`.
    """

    source: Tensor
    outputs: tuple[Tensor, ...]
    layers: list[WithWeights] = field(default_factory=list)
    passed: set[Tensor] = field(default_factory=set)
    loops: set[Operation] = field(default_factory=set)
    masks: list[Tensor | None] = field(default_factory=list)
    masked: list[Tensor] = field(default_factory=list)
    states: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    summed: list[str] = field(default_factory=list)
    padding: float | None = None

    @property
    def names(self) -> list[str]:
        """The names of the states."""
        return [f"{layer.name}.{state}" for layer, _ in self.layers for state in layer.states(1)]

    @property
    def inputs(self) -> int | None:
        """Features per step, None for ids."""
        return layers.features_of(*self.layers[0])

    def rename(self, request: Request) -> None:
        """Give layers of one name, or one layer that is there twice, names of their own."""
        names: set[str] = set()
        for k, (layer, weights) in enumerate(self.layers):
            name = unique(layer.name, names)
            if name != layer.name:
                request.note(f"there is a layer {layer.name!r} already: the later one is {name!r}")
                self.layers[k] = msgspec.structs.replace(layer, name=name), weights
            names.add(name)


class Reader(Loops):
    """Layers by the tensors that they give."""

    def chain(self, y: Tensor) -> Chain:
        """All layers before y. Raises UnsupportedError where an operation belongs to none of ours."""
        return self.rest(Chain(y, (y,)))

    def rest(self, chain: Chain) -> Chain:
        """The chain with the layers before its source taken too."""
        while given(chain.source).type != "Argument":
            chain.passed.add(chain.source)
            self.layer(chain)
        chain.source = given(chain.source)
        return chain

    def separate(self, outputs: list[Tensor]) -> Chain | None:
        """The chain that ends with both directions by themselves."""
        if len(outputs) != 2:
            return None
        chain = Chain(outputs[0], tuple(outputs), passed=set(outputs))
        return self.rest(chain) if self.two_ways(chain, outputs[0], outputs[1], "none") else None

    def layer(self, chain: Chain) -> None:
        """The layer that gives the chain's source, which becomes that layer's input."""
        y = chain.source
        done = self.recurrent(chain, y) or self.bidirectional(chain, y) or self.embedding(chain, y)
        if not (done or self.masking(chain, y) or self.dense(chain, y)):
            raise self.refused(y.op)

    # One layer each: whether it was that one

    def dense(self, chain: Chain, y: Tensor) -> bool:
        """Whether y comes from a `Dense` layer, which is taken then."""
        each = self.time_distributed(y)
        found = each or self.one_dense(y)
        if found is None:
            return False
        phi, kernel, bias, x = found
        array, offset = self.weight(kernel), None if bias is None else self.weight(bias)
        assert array is not None
        name = named(self.path(kernel)[: -2 if each else -1], "dense")
        chain.layers.insert(0, layers.dense(array, offset, name, phi))
        chain.source = x
        return True

    def one_dense(self, y: Tensor) -> OneDense | None:
        """φ, kernel, bias and input of φ(x W + b), on two axes or, by `Tensordot`, on the last of more."""
        phi, a = activation(y)
        bias = None
        if a.type in ("AddV2", "BiasAdd") and (offset := self.weight(a.inputs[1])) is not None and offset.ndim == 1:
            a, bias = a.inputs[0], a.inputs[1]
        folds = a.type == "Reshape" and a.op.name.endswith("/Tensordot")
        product = a.inputs[0] if folds else a
        if product.type != "MatMul" or product.op.number("transpose_a") or product.op.number("transpose_b"):
            return None
        x, kernel = product.inputs
        array = self.weight(kernel)
        if array is None or array.ndim != 2:
            return None
        if folds:
            if x.type != "Reshape":
                return None
            x = x.inputs[0]
            if x.type == "Transpose" and (order := integers(x.inputs[1])) == sorted(order or [1]):
                x = x.inputs[0]
        return phi, kernel, bias, x

    def time_distributed(self, y: Tensor) -> OneDense | None:
        """The same dense layer at every step, one by one (keras/src/layers/rnn/time_distributed.py)."""
        found = match(y, ("Transpose", "steps", "order"))
        if not found or integers(found["order"]) != TIME_FIRST or found["steps"].type != "Pack":
            return None
        whole: OneDense | None = None
        for k, step in enumerate(found["steps"].inputs):
            one = self.one_dense(step)
            if not one or one[3].type != "StridedSlice" or integers(one[3].inputs[1]) != [k]:
                return None
            source = match(one[3].inputs[0], ("Transpose", "x", "order"))
            if not source or integers(source["order"]) != TIME_FIRST or one[3].op.number("shrink_axis_mask") != 1:
                return None
            if whole not in (None, (*one[:3], source["x"])):
                return None
            whole = (*one[:3], source["x"])
        return whole

    def embedding(self, chain: Chain, y: Tensor) -> bool:
        """Whether y comes from an `Embedding` layer, which is taken then."""
        if y.type != "GatherV2" or integers(y.inputs[2]) != [0]:
            return False
        table, ids = self.weight(y.inputs[0]), y.inputs[1]
        if table is None or table.ndim != 2:
            return False
        if wrapped := match(ids, ("SelectV2", ("Less", "ids", 0.0), ("AddV2", "ids", "size"), "ids")):
            ids = wrapped["ids"]
        name = named(self.path(y.inputs[0])[:-1], "embedding")
        chain.layers.insert(0, layers.embedding(table, name))
        chain.source = ids
        return True

    def masking(self, chain: Chain, y: Tensor) -> bool:
        """`Masking`: x where a feature differs from the value, else 0."""
        found = match(y, ("SelectV2", "mask", "x", 0.0))
        if not found or found["mask"].type != "Any":
            return False
        chain.masked.append(found["mask"])
        chain.source = found["x"]
        return True

    def recurrent(self, chain: Chain, y: Tensor) -> bool:
        """One direction. A flipped sequence of `go_backwards` is at its own steps again."""
        turned = flipped(y)
        loop, last = self.loop(turned or y)
        if loop is None:
            return False
        unrolled = self.unrolled(loop, y)
        name = named(unrolled.path, "rnn")
        options = {
            "direction": "backward" if unrolled.backward else "forward",
            "reverse_output": unrolled.backward == (turned is None) and not last,
            "padded_output": "hold" if self.holds(name, unrolled) else "zero",
        }
        self.add(chain, layers.recurrent(unrolled.part, name, last=last, **options), unrolled)
        return True

    def holds(self, name: str, unrolled: Unrolled) -> bool:
        """Whether outputs at invalid steps repeat the last one: without a mask the graph does not say."""
        if unrolled.mask is not None:
            return unrolled.hold
        if not self.request.settings.given(name, "zero_output_for_mask"):
            self.request.note(f"{name}: for lengths or a mask, Keras's default is assumed: zero_output_for_mask=false")
        return not self.request.settings.get(name, "zero_output_for_mask", False)

    def bidirectional(self, chain: Chain, y: Tensor) -> bool:
        """`Bidirectional`: one loop forward, one backward and flipped, joined."""
        for merge, pattern in _MERGES.items():
            found = match(y, pattern)
            if not found:
                continue
            features = [1] if self.loop(found["a"])[1] else [2]
            if "axis" not in found or integers(found["axis"]) in ([-1], features):
                return self.two_ways(chain, found["a"], found["b"], merge)
        return False

    def two_ways(self, chain: Chain, forward: Tensor, backward: Tensor, merge: str) -> bool:
        """Whether these are the directions of one layer, which is taken then."""
        turned = flipped(backward)
        (one, last), (other, last_other) = self.loop(forward), self.loop(turned or backward)
        if one is None or other is None or last != last_other or (turned is not None) == last:
            return False
        a, b = self.unrolled(one, forward), self.unrolled(other, backward)
        if (a.x, a.mask, a.backward, a.hold) != (b.x, b.mask, not b.backward, b.hold) or a.backward:
            return False
        hold = "hold" if a.hold and not last else "zero"
        name = named(a.path[:-1], "bidirectional")
        layer = layers.bidirectional(a.part, b.part, name, last=last, merge=merge, padded_output=hold)
        a.states += b.states
        chain.loops.add(other)
        self.add(chain, layer, a)
        return True

    def add(self, chain: Chain, layer: WithWeights, unrolled: Unrolled) -> None:
        chain.layers.insert(0, layer)
        chain.loops.add(unrolled.op)
        chain.masks.append(unrolled.mask)
        chain.states = unrolled.states + chain.states
        chain.source = unrolled.x
        if unrolled.summed:
            chain.summed.insert(0, layer[0].name)


def named(path: list[str], otherwise: str) -> str:
    """A layer's name from the last part of its path."""
    return valid(path[-1] if path else otherwise, digit="_")


def given(tensor: Tensor) -> Tensor:
    """What goes into the model, before it is cast to the dtype in which the model computes."""
    wide = tensor.type == "Cast" and tensor.op.attributes.get("DstT", {}).get(6) in ([1], [2], [3], [9])
    return tensor.inputs[0] if wide and tensor.inputs[0].type == "Argument" else tensor
