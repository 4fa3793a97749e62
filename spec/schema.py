"""The JSON Schema of an architecture, generated from the configuration types."""

import json
import typing
from typing import Any

import msgspec

from rnnspec.activations import Function
from rnnspec.cells import Cell
from rnnspec.config import specified
from rnnspec.layers import Layer
from rnnspec.model import Model


def schema() -> dict[str, Any]:
    """The schema of `Model.to_json()`, of the cells and layers of the specification."""
    kinds = {base: sorted(specified(base).values(), key=lambda cls: cls.__name__) for base in (Cell, Function, Layer)}
    structs = [cls for classes in kinds.values() for cls in classes]
    _, components = msgspec.json.schema_components([Model, *structs], ref_template="#/$defs/{name}")
    for component in components.values():  # the rest of a docstring is for readers of the code
        component["description"] = component["description"].splitlines()[0]
        _sort(component["properties"])
    for base, classes in kinds.items():
        components[base.__name__] = {"oneOf": [{"$ref": f"#/$defs/{cls.__name__}"} for cls in classes]}
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rnnspec architecture",
        **components.pop("Model"),
        "$defs": dict(sorted(components.items())),
    }
    return typing.cast(dict[str, Any], document)


def _sort(part: Any) -> None:
    """Put alternatives in order, which else depends on the version of msgspec."""
    if isinstance(part, dict) and "anyOf" in part:
        part["anyOf"].sort(key=lambda kind: (kind.get("type") == "null", json.dumps(kind, sort_keys=True)))
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _sort(inner)


def text() -> str:
    """`schema.json`, as the repository has it."""
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":  # python -m rnnspec.schema > spec/schema.json
    print(text(), end="")
