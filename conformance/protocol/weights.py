"""The weights of a network are its own, and `checkpoint(net)` gives them back (CALL-3, CALL-9)."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from rnnspec.checkpoint import Checkpoint
from rnnspec.conformance.case import solved
from rnnspec.conformance.check import equal, holds
from rnnspec.conformance.exchange import Exchange
from rnnspec.conformance.protocol.protocol import Protocol
from rnnspec.conformance.variant import Absent


def _loaded_twice(exchange: Exchange) -> None:
    """One checkpoint, whose weights are other numbers when it is loaded again, and one file likewise."""
    case = exchange.case
    other = case.fresh(1)
    weights = {name: array.copy() for name, array in case.weights.items()}
    checkpoint = Checkpoint(case.model, weights)
    first = exchange.variant.load(checkpoint)
    for name, array in weights.items():
        array[...] = other.weights[name]
    exchange.call(first, what="after writing into the weights that were given: ")
    exchange.call(exchange.variant.load(checkpoint), other, "the same checkpoint with other weights, loaded again: ")
    exchange.call(first, what="after loading the checkpoint again: ")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        for k, now in enumerate([case, other]):
            Checkpoint(now.model, now.weights).save(path)
            exchange.call(exchange.variant.load(path), now, f"from a file, version {k + 1}: ")  # type: ignore[arg-type]


def _given_back(exchange: Exchange) -> None:
    """The architecture, the metadata, and the weights in the network's dtype, bit for bit; nothing shared."""
    back = getattr(exchange.variant.module, "checkpoint", None)
    if back is None:
        raise Absent("no `checkpoint`: it gives no weights back")
    case, dtype = exchange.case, exchange.variant.dtype
    rng = np.random.default_rng(1)
    for given in ("float32", "float64"):
        weights = {n: (a + 1e-9 * rng.standard_normal(a.shape)).astype(given) for n, a in case.weights.items()}
        expected = {name: array.astype(dtype) for name, array in weights.items()}
        now = solved(replace(case, weights=expected))
        metadata = {"name": "é", "numbers": [1, 2.5, None]}
        net = exchange.variant.load(Checkpoint(case.model, weights, metadata))
        if case.split == "steps":
            net.step(case.inputs["x"][:, 0], case.call.get("state"))
        else:
            net(**case.call)
        equal("the metadata that were given", metadata, {"name": "é", "numbers": [1, 2.5, None]})
        for array in weights.values():
            array[...] = np.nan
        metadata["numbers"][0] = 7  # type: ignore[index]
        for what in ("after a call", "after writing into what it gave before"):
            found = back(net)
            equal(f"the architecture {what}", found.model, case.model)
            equal(f"the metadata {what}", found.metadata, {"name": "é", "numbers": [1, 2.5, None]})
            equal(f"the names of the weights {what}", sorted(found.weights), sorted(expected))
            for name, array in expected.items():
                equal(f"weight {name!r} of {given} {what}", found.weights[name], array)
            holds(f"the checkpoint {what} cannot be saved", len(found.to_bytes()) > 100)
            again = exchange.variant.load(found)
            for array in found.weights.values():
                if array.flags.writeable:
                    array[...] = 0
            found.metadata["numbers"][0] = 9
            exchange.call(again, now, f"of the checkpoint {what}: ")
        exchange.call(net, now, "after writing into what `checkpoint` gave: ")


_CASES = ("lstm-bidirectional-empty", "characters", "gru_after-norm-joint-both", "lstm-steps")

PROTOCOLS = (
    *(Protocol(f"loaded-twice-{id}", ("CALL-3",), id, _loaded_twice) for id in ("lstm-forward-full", "characters")),
    *(Protocol(f"given-back-{id}", ("CALL-3", "CALL-9"), id, _given_back) for id in _CASES),
)
