"""CONFIG-2: the schema is what the types give, and means what they mean."""

import importlib
import json
from importlib.resources import files

from rnnspec import schema
from rnnspec.conformance.check import Check, equal, holds
from rnnspec.conformance.invalid import Invalid
from rnnspec.conformance.vectors import cases, valid


def _stored() -> dict:
    return json.loads(files("rnnspec").joinpath("schema.json").read_text(encoding="utf-8"))


def _generated() -> None:
    found, expected = json.loads(schema.text()), _stored()
    known, own = expected.pop("$defs"), found.pop("$defs")
    equal("the schema of a model", found, expected)
    equal("what it defines", list(own), list(known))
    for name, definition in known.items():
        equal(f"the schema of {name}", own[name], definition)


def _means() -> None:
    validator = importlib.import_module("jsonschema").Draft202012Validator(_stored())
    tried: set[str] = set()
    for right in valid():
        if not right.features <= tried:  # the others have nothing new, and a hundred models take a second
            holds(f"the schema refuses the model of {right.id}", validator.is_valid(right.model.to_builtins()))
        tried |= right.features
    wrong = [case for case in cases() if isinstance(case, Invalid) and "CONFIG-1" in case.clauses]
    for case in wrong:
        holds(f"the schema accepts the model of {case.id}", not validator.is_valid(case.model))
    holds("there is no wrong configuration to try", wrong)


CHECKS = (
    Check("schema-is-generated", ("CONFIG-2",), _generated),
    Check("schema-means-what-the-types-mean", ("CONFIG-1", "CONFIG-2"), _means, needs=("jsonschema",)),
)
