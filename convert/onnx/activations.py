"""Activations of ONNX → ours: those inside recurrent nodes, and nodes of their own (`rnnspec.conventions.onnx`)."""

import math

import numpy as np
from onnx import AttributeProto

from rnnspec.activations import Activation
from rnnspec.conventions import onnx as theirs
from rnnspec.convert.onnx.graph import Node, decimal
from rnnspec.errors import SpecError, UnsupportedError

_IN_CELLS = {name.lower(): name for name in theirs.IN_CELLS}  # ONNX Runtime takes them in any case
NODES = tuple(theirs.ACTIVATIONS)


def in_cell(node: Node, defaults: tuple[str, ...], directions: int) -> list[list[Activation]]:
    """The activations of a recurrent node, for each direction.

    Raises:
        SpecError: too few or too many of them, or of their numbers.
        UnsupportedError: ONNX has no such activation.
    """
    names = node.get("activations", AttributeProto.STRINGS, list(defaults) * directions)
    if len(names) != len(defaults) * directions:
        raise SpecError(f"{node}: activations: expected {len(defaults) * directions}, found {len(names)}")
    for name in names:
        if name.lower() not in _IN_CELLS:
            raise UnsupportedError(f"{node}: activations: {name!r} is not one of ONNX's: {', '.join(_IN_CELLS)}")
    kinds = [_IN_CELLS[name.lower()] for name in names]
    known = [theirs.IN_CELLS[kind] for kind in kinds]
    alphas = _numbers(node, "activation_alpha", names, [each.alpha for each in known])
    betas = _numbers(node, "activation_beta", names, [each.beta for each in known])
    found = [theirs.from_cell(*each) for each in zip(kinds, alphas, betas, strict=True)]
    return [found[k : k + len(defaults)] for k in range(0, len(found), len(defaults))]


def _numbers(node: Node, key: str, names: list[str], defaults: list[float | None]) -> list[float | None]:
    """For each function its alpha, or beta: the list has one for each that takes one, or for all functions."""
    given = [decimal(number) for number in node.get(key, AttributeProto.FLOATS, [])]
    takers = [k for k, default in enumerate(defaults) if default is not None]
    if given and len(given) not in (len(takers), len(names)):
        raise SpecError(f"{node}: {key}: expected {len(takers)} numbers for {', '.join(names)}, found {len(given)}")
    each = (
        given if len(given) == len(takers) else [given[k] for k in takers] if given else [defaults[k] for k in takers]
    )
    for place, number in zip(takers, each, strict=True):
        if number is not None and math.isnan(number):
            raise SpecError(f"{node}: {names[place]} needs {key}: its default is not agreed upon; give it in the file")
    found = dict(zip(takers, each, strict=True))
    return [found.get(k) for k in range(len(names))]


def of_node(node: Node, shape: tuple[int, ...], numbers: list[np.ndarray | None], opset: int) -> Activation:
    """The activation that a node of `NODES` is, for elements of a shape; `numbers`: its other inputs.

    Raises:
        UnsupportedError: we have no such activation.
    """
    given = {name: node.number(name, default) for name, default in theirs.ACTIVATIONS[node.kind][1].items()}
    if node.kind in theirs.OVER_FEATURES:
        axis = node.integer("axis", theirs.softmax_axis(opset))
        axis += len(shape) * (axis < 0)
        together = axis != len(shape) - 1 if opset >= 13 else int(np.prod(shape[axis:-1])) != 1
        if together:
            raise UnsupportedError(f"{node}: over axis {axis} of {len(shape)}, and not over the features alone")
    if node.kind == "Clip" and numbers:
        bounds = [math.nan if value is None or value.size != 1 else float(value.item()) for value in numbers[:2]]
        given = dict(zip(given, bounds, strict=False))
    tanh = node.kind == "Gelu" and node.get("approximate", AttributeProto.STRING, "none") == "tanh"
    found = theirs.of_node(node.kind, given, tanh)
    if found is None:
        raise UnsupportedError(f"{node}: with these parameters it is none of our activations")
    return found
