"""Draw the cases of the catalogue and keep them on disk.

python -m rnnspec.conformance.write           # add what the catalogue has and the disk has not
python -m rnnspec.conformance.write --check   # compute everything again: the same bytes?
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import safetensors.numpy

from rnnspec import accuracy
from rnnspec.conformance import oracle
from rnnspec.conformance.case import Case
from rnnspec.conformance.catalogue import catalogue
from rnnspec.conformance.invalid import Invalid, invalid
from rnnspec.conformance.invalid_graphs import invalid_graphs
from rnnspec.conformance.vectors import DIGESTS, FOLDER, INVALID, VALID
from rnnspec.inputs import ABSENT, Arguments, NumpyArrays
from rnnspec.reference.ops import NumpyOps


def files(case: Case | Invalid) -> dict[str, bytes]:
    """The files of a case, by name."""
    header: dict[str, Any] = {"id": case.id, "comment": case.comment, "valid": isinstance(case, Case)}
    header["clauses"] = list(case.clauses)
    found: dict[str, bytes] = {}
    if isinstance(case, Case):
        header |= {
            "features": sorted(case.features),
            "split": case.split,
            "training": case.training,
            "time_major": case.time_major,
            "seed": case.seed if case.training else None,
            "condition": case.condition,
            "model": case.model.to_builtins(),
        }
    else:
        header |= {"says": list(case.says), "error": case.error, "step": case.step, "model": case.model}
        found |= {f"{case.id}.model": case.file} if case.file is not None else {}
    arrays = {
        f"{group}/{name}": np.ascontiguousarray(array)
        for group in (VALID if isinstance(case, Case) else INVALID)
        for name, array in sorted(getattr(case, group).items())
    }
    found |= {f"{case.id}.safetensors": safetensors.numpy.save(arrays)} if arrays else {}
    return {f"{case.id}.json": (json.dumps(header, indent=1, ensure_ascii=False) + "\n").encode(), **found}


def computed(case: Case) -> Case:
    """The case with what the oracle answers, and the gradients where results have cotangents."""
    training: dict[str, Any] = {"training": case.training, "seed": case.seed}
    spread = oracle.spread(case.checkpoint, case.call, **training)
    (_, steps), terms = case.size, accuracy.terms(case.model)
    case = replace(case, condition=accuracy.condition(spread, terms, steps))
    pulled = case.pulled
    if pulled is None:
        pulled = tuple(case.expected) if case.split == "whole" and not case.time_major else ()
    if not pulled:
        way = "steps" if case.partly else "whole"
        return replace(case, expected=oracle.run(case.checkpoint, case.call, **training, steps=way))
    rng = np.random.default_rng([len(case.id), *case.id.encode()])
    cotangents = {name: rng.standard_normal(value.shape).astype("float32") for name, value in case.expected.items()}
    cotangents = {name: cotangents[name] for name in pulled}
    expected, gradients = oracle.vjp(case.checkpoint, case.call, cotangents, **training)
    masks = drawn(case) if case.training else {}
    return replace(case, expected=expected, cotangents=cotangents, gradients=gradients, masks=masks)


class Recording(NumpyOps):
    """The reference's operations, which keep the masks that they draw."""

    def __init__(self, seed: int) -> None:
        super().__init__(training=True, seed=seed)
        self.seen: dict[str, dict[int, np.ndarray]] = {}

    def _noise(self, batch: int, size: int, rate: float, place: str, t: int, per: str) -> np.ndarray:
        noise = super()._noise(batch, size, rate, place, t, per)
        self.seen.setdefault(f"{self._place}.{place}".strip("."), {})[t if per == "step" else 0] = noise
        return noise


def drawn(case: Case) -> dict[str, np.ndarray]:
    """The masks of the first call in training, by place: 0 and 1 (steps, batch, features)."""
    ops, model = Recording(case.seed), case.model
    x, valid, _, rows = Arguments(model).of_call(NumpyArrays("float64"), **ABSENT | case.call)
    zeros = {name: np.zeros((rows, size)) for name, size in model.states().items()}
    model.apply(ops, model.by_layer(case.weights), x, valid, zeros)
    return {place: np.stack([steps[t] for t in sorted(steps)]).astype("uint8") for place, steps in ops.seen.items()}


def catalogued() -> Iterator[Case | Invalid]:
    """What should be on disk, valid cases without their answers."""
    yield from catalogue()
    yield from invalid()
    yield from invalid_graphs()


def changed(case: Case | Invalid) -> list[str]:
    """The files of a case that would not come out as they are on disk."""
    found = files(computed(case) if isinstance(case, Case) else case)
    return [name for name, data in found.items() if (FOLDER / name).read_bytes() != data]


def main(check: bool) -> int:
    """Write the cases that are new; with `check` compute the others anew. 1 where a file is changed or unknown."""
    FOLDER.mkdir(exist_ok=True)
    known, wrong = set(), []
    for case in catalogued():
        if not (FOLDER / f"{case.id}.json").exists():
            for name, data in files(computed(case) if isinstance(case, Case) else case).items():
                (FOLDER / name).write_bytes(data)
                with DIGESTS.open("a") as digests:
                    digests.write(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
        elif check:
            wrong += changed(case)
        known |= set(FOLDER.glob(f"{case.id}.*"))
    wrong += [path.name for path in sorted(set(FOLDER.iterdir()) - known)]
    for name in wrong:
        print(f"{name}: not what the catalogue gives")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
