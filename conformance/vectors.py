"""Cases on disk: `vectors/<id>.json` says what is tried, the files beside it hold the arrays.

`<id>.safetensors` has `weights/…`, `inputs/…`, `expected/…`, `cotangents/…`, `gradients/…` and in training `masks/…`
(what was drawn, by place: (steps, batch, features), one step where it is the same for all); `<id>.model` is a model
file that must be refused. `vector.schema.json` describes the JSON. Cases are only ever added: `vectors.sha256` grows.
"""

from functools import cache
from pathlib import Path
from typing import Any

from rnnspec import strict_json, tensors
from rnnspec.conformance.case import Arrays, Case
from rnnspec.conformance.invalid import Invalid
from rnnspec.model import Model
from rnnspec.reading import reading

FOLDER = Path(__file__).with_name("vectors")
DIGESTS = Path(__file__).with_name("vectors.sha256")  # one line a file, in the order in which they came
VALID = ("weights", "inputs", "expected", "cotangents", "gradients", "masks")
INVALID = ("weights", "inputs")


@cache
def cases() -> tuple[Case | Invalid, ...]:
    """All cases, in the order of their ids.

    Raises:
        SpecError: a file of theirs is damaged.
    """
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.json")))


def valid() -> tuple[Case, ...]:
    """The cases that have an answer."""
    return tuple(case for case in cases() if isinstance(case, Case))


def _read(path: Path) -> Case | Invalid:
    with reading(path, KeyError, TypeError, what="a damaged vector"):
        return _case(strict_json.load(path), path)


def _case(header: dict[str, Any], path: Path) -> Case | Invalid:
    arrays: dict[str, Arrays] = {}
    if (file := path.with_suffix(".safetensors")).exists():
        for key, array in tensors.scan(file).read().items():
            group, _, name = key.partition("/")
            arrays.setdefault(group, {})[name] = array
    fields: dict[str, Any] = {"id": header["id"], "clauses": tuple(header["clauses"])}
    fields |= {group: arrays.get(group, {}) for group in (VALID if header["valid"] else INVALID)}
    if header["valid"]:
        call = {key: header[key] for key in ("comment", "split", "training", "time_major", "condition")}
        call |= {"seed": header["seed"]} if header["training"] else {}
        return Case(**fields, **call, model=Model.from_builtins(header["model"], str(path)))
    bad = path.with_suffix(".model")
    refusal = {key: header[key] for key in ("model", "step", "error")} | {"says": tuple(header["says"])}
    return Invalid(**fields, **refusal, file=bad.read_bytes() if bad.exists() else None)
