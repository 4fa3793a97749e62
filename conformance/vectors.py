"""Cases on disk: `vectors/<id>.json` says what is tried, the files beside it hold the arrays.

`<id>.safetensors` has `weights/…`, `inputs/…`, `expected/…`, `cotangents/…` and `gradients/…`, as far as there are any;
`<id>.model` is a model file that must be refused. `vector.schema.json` describes the JSON. Cases are only ever added.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from rnnspec.conformance.case import Arrays, Case
from rnnspec.conformance.invalid import Invalid
from rnnspec.model import Model

FOLDER = Path(__file__).with_name("vectors")
VALID = ("weights", "inputs", "expected", "cotangents", "gradients")
INVALID = ("weights", "inputs")


@cache
def cases() -> tuple[Case | Invalid, ...]:
    """All cases, in the order of their ids."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.json")))


def valid() -> tuple[Case, ...]:
    """The cases that have an answer."""
    return tuple(case for case in cases() if isinstance(case, Case))


def _read(path: Path) -> Case | Invalid:
    header = json.loads(path.read_text(encoding="utf-8"))
    arrays: dict[str, Arrays] = {}
    if (file := path.with_suffix(".safetensors")).exists():
        for key, array in safetensors.numpy.load(file.read_bytes()).items():
            group, _, name = key.partition("/")
            arrays.setdefault(group, {})[name] = array
    fields: dict[str, Any] = {key: header[key] for key in ("id", "comment")} | {"clauses": tuple(header["clauses"])}
    fields |= {group: arrays.get(group, {}) for group in (VALID if header["valid"] else INVALID)}
    if header["valid"]:
        call = {key: header[key] for key in ("split", "training", "time_major", "condition")}
        return Case(**fields, **call, model=Model.from_builtins(header["model"], str(path)))
    bad = path.with_suffix(".model")
    refusal = {key: header[key] for key in ("model", "step", "error")} | {"says": tuple(header["says"])}
    return Invalid(**fields, **refusal, file=bad.read_bytes() if bad.exists() else None)
