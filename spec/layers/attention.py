"""One sequence read through another."""

from typing import Any, ClassVar

import numpy as np

from rnnspec import initializers, scores
from rnnspec.config import Size
from rnnspec.errors import SpecError
from rnnspec.layers.base import Features, Layer, Place
from rnnspec.ops import Array, Ops, States
from rnnspec.valid import Valid


class Attention(Layer, tag="attention", frozen=True, kw_only=True):
    """Each query's mean of the values, weighted by how its key answers it.

        s(t, u) = score(q(t), k(u))                                       ATTENTION-1
        y(t)    = Σᵤ softmaxᵤ(s(t, u)) v(u), over the valid steps u       ATTENTION-2

    `of`: the query and the memory, which is keys and values, or the query, the keys and the values, these two along one
    time. A query is a sequence or a vector. `score`:

        dot       q · k              (Luong et al. 2015)
        scaled    q · k / √features  (Vaswani et al. 2017)
        general   q · W k            (Luong et al. 2015), W `kernel (heads, features of a query, of a key)`
        additive  g · tanh(q + k)    (Bahdanau et al. 2015), g `scale (heads, features)`

    With several `heads` the features of all are split into that many equal parts, each with a softmax of its own, whose
    outputs are joined; √features is of one part (ATTENTION-3). A row without valid keys gives 0 (ATTENTION-4); what
    the memory holds at invalid steps is not read (ATTENTION-5). The output has the time and the valid steps of the
    query, and is computed at its padded steps too (ATTENTION-6). Projections of torch's and Keras's MultiHeadAttention
    are `Dense` layers before and after it.

        Attention(name="look", of=["decoder", "encoder"], score="dot")
    """

    score: scores.Score
    heads: Size = 1
    since: ClassVar[int] = 2
    most: ClassVar[int] = 3
    whole: ClassVar[tuple[int, ...]] = (1, 2)

    def place(self, *reads: Place) -> Place:
        if len(reads) == 1:
            raise SpecError(f"layer {self.name!r}: of: expected a query and a memory, found one place")
        query, *memory = reads
        for place in memory:
            if place.time is None:
                raise SpecError(f"layer {self.name!r}: of: expected a sequence as memory, found {place}")
        if memory[0].time != memory[-1].time:
            found = f"{memory[0]} and {memory[1]}"
            raise SpecError(f"layer {self.name!r}: of: keys and values are not of one time: {found}")
        return Place(self.outputs(tuple(place.features for place in reads)), query.time)

    def outputs(self, inputs: Features) -> int:
        for features in inputs:
            if super().outputs(features) % self.heads:
                raise SpecError(f"layer {self.name!r}: heads={self.heads} does not divide the features {list(inputs)}")
        if self.score != "general" and inputs[0] != inputs[1]:
            fix = "put a Dense before one of them, or take score='general'"
            found = f"queries of {inputs[0]} and keys of {inputs[1]} features"
            raise SpecError(f"layer {self.name!r}: score={self.score!r}: {found}; {fix}")
        return inputs[-1]

    def valid(self, ops: Ops, valid: Any) -> Valid:
        return valid[0]

    def parameters(self, inputs: Features) -> dict[str, tuple[int, ...]]:
        queries, keys = inputs[0] // self.heads, inputs[1] // self.heads
        if self.score == "general":
            return {"kernel": (self.heads, queries, keys)}
        return {"scale": (self.heads, queries)} if self.score == "additive" else {}

    def apply(self, ops: Ops, p: dict[str, Array], x: Any, valid: Any, state: States) -> tuple[Array, States]:
        query, keys, values = x[0], ops.masked(x[1], valid[1]), ops.masked(x[-1], valid[-1])
        if self.score in ("dot", "scaled"):
            scale = 1.0 if self.score == "dot" else (query.shape[-1] / self.heads) ** -0.5
            return ops.heads(query, keys, values, valid[1], self.heads, scale), {}
        parts = (ops.split(part, self.heads) for part in (query, keys, values))
        answers = []
        for head, (q, k, v) in enumerate(zip(*parts, strict=True)):
            answers.append(ops.attend(self._scores(ops, p, head, q, k), v, valid[1]))
        return answers[0] if self.heads == 1 else ops.concat(answers), {}

    def _scores(self, ops: Ops, p: dict[str, Array], head: int, q: Array, k: Array) -> Array:
        if self.score == "general":
            k = ops.linear(k, p["kernel"][head : head + 1])
        scale = ops.flat(p["scale"][head : head + 1]) if self.score == "additive" else None
        return scores.answers(ops, self.score, q, k, scale)

    def initialize(
        self,
        name: str,
        shape: tuple[int, ...],
        inputs: Features,
        rng: "np.random.Generator",
        scheme: str = "keras",
    ) -> np.ndarray:
        if name == "scale":
            return initializers.dense("kernel", (1, *shape), shape[-1], rng, scheme)[0]
        return np.stack([initializers.dense("kernel", shape[1:], shape[-1], rng, scheme) for _ in range(shape[0])])
