"""What no weights tell about the layers of a chain: what is assumed, said in a note, and what the user sets instead."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from rnnspec.activations import NAMES, Activation, Function
from rnnspec.cells import Residual
from rnnspec.config import decode
from rnnspec.convert.names import unique
from rnnspec.convert.request import Request, WithWeights
from rnnspec.errors import SpecError
from rnnspec.layers import Dense, Recurrent, Summary


def assumed(
    layers: Sequence[WithWeights],
    request: Request,
    own: Mapping[str, Container[str]] | None = None,
    between: bool = False,
) -> list[WithWeights]:
    """The layers with what the user sets, and notes on what neither the file nor the user says.

    Settings of recurrent layers, by their names or for all of them: `direction` and `reverse_output` where there is one
    direction, `residual` (what goes in is added to what comes out, step by step), and of the last one what of its
    output goes on: `return_sequences=false`, the last output of each direction, joined, or `summary=last`, the last
    step, `first`, `mean`, `max` or `sum` of all steps. `own`: name → those that the reader asks about itself.
    `between`: whether the source says what is between the layers. Of the source: `time_major`, which changes no number,
    and is said.

    Raises:
        SpecError: there is no such value.
    """
    done = list(layers)
    recurrent = {}
    for k, (layer, weights) in enumerate(layers):
        if isinstance(layer, Recurrent):
            recurrent[k] = _recurrent(layer, request, (own or {}).get(layer.name, ()))
            done[k] = recurrent[k], weights
    last = max(recurrent)
    after = [layer.name for layer, _ in layers[last + 1 :]]
    done[last] = _last(recurrent[last], after, request), layers[last][1]
    if summary := _summary(recurrent[last], request, [layer.name for layer, _ in layers]):
        done.insert(last + 1, (summary, {}))
    for layer, _ in layers:
        known = "activation" in (own or {}).get(layer.name, ())
        if isinstance(layer, Dense) and not known and not request.settings.given("", f"{layer.name}.activation"):
            request.note("no activation is in the file; --set NAME.activation=… if there was one", layer.name)
    if flag(request, "", "time_major", False):
        request.note("time was the first axis: load it with time_major=True")
    elif not request.settings.given("", "time_major"):
        request.note("time is the second axis, it is assumed; load it with time_major=True otherwise")
    if len(layers) > 1 and not between:
        request.note("what is between the layers is not in the file: no dropout, no masks, no pooling are assumed")
    return done


def flag(request: Request, place: str, name: str, default: bool) -> bool:
    """True or false, as the user sets it. Raises SpecError: something else."""
    value = request.settings.get(place, name, default)
    if not isinstance(value, bool):
        raise SpecError(f"--set {name} at {place}: expected true or false, found {value!r}")
    return value


def choice(request: Request, place: str, name: str, default: str, *others: str) -> str:
    """One of some words, as the user sets it. Raises SpecError: another one."""
    value = request.settings.get(place, name, default)
    if value not in (default, *others):
        raise SpecError(f"--set {name} at {place}: expected {', '.join((default, *others))}, found {value!r}")
    return value


def merge(request: Request, place: str) -> Any:
    """How the outputs of two directions are joined."""
    if not request.settings.given(place, "merge"):
        request.note("both directions' outputs are joined by concat; --set NAME.merge=… if otherwise", place)
    return choice(request, place, "merge", "concat", "sum", "mul", "ave", "none")


def dense_activation(request: Request, name: str) -> Activation:
    """What follows a dense layer: `--set NAME.activation`, by the layer's own name only."""
    return activation(request.settings.get("", f"{name}.activation", "linear"), f"--set {name}.activation")


def activation(value: Any, where: str) -> Activation:
    """An activation as the user gives it: its name, or an object with a type. Raises SpecError for anything else."""
    if isinstance(value, dict):
        return decode(Function, value, where)  # type: ignore[type-abstract]
    if not isinstance(value, str) or value not in NAMES:
        raise SpecError(f"{where}: expected one of {', '.join(NAMES)}, or an object with a type, found {value!r}")
    return value


def _recurrent(layer: Recurrent, request: Request, own: Container[str]) -> Recurrent:
    """One layer with its settings."""
    if layer.direction == "bidirectional":
        return layer
    name, changed, said = layer.name, dict[str, Any](), dict[str, str]()
    if "direction" not in own:
        said["direction=backward"] = "forward in time"
        if (direction := choice(request, name, "direction", "forward", "backward")) != "forward":
            changed["direction"] = direction
        if flag(request, name, "reverse_output", False):
            changed["reverse_output"] = True
    if "residual" not in own:
        said["residual=true"] = "without a residual connection"
        if flag(request, name, "residual", False):
            changed["cell"] = Residual(cell=layer.cell)
    said = {key: text for key, text in said.items() if not request.settings.given(name, key.split("=")[0])}
    if said:
        settings = ", ".join(f"NAME.{key}" for key in said)
        request.note(f"{' and '.join(said.values())}, it is assumed; --set {settings} otherwise", name)
    return replace(layer, **changed) if changed else layer


def _last(layer: Recurrent, after: list[str], request: Request) -> Recurrent:
    """The last recurrent layer, whose last step alone may be what goes on."""
    sequences = flag(request, layer.name, "return_sequences", True)
    both = layer.direction == "bidirectional"
    if not sequences and both:
        request.note(f"{layer.name}: each direction's last output, which backward is that of the first step")
    if not any(request.settings.given(layer.name, key) for key in ("return_sequences", "summary")):
        goes = f"goes on to {after[0]}" if after else "is an output"
        last = "each direction's last output, joined" if both else "the last alone"
        other = f", {layer.name}.summary=last for the last step of both, mean or max for those" if both else ""
        request.note(f"every step {goes}, it is assumed; --set {layer.name}.return_sequences=false for {last}{other}")
    return replace(layer, return_sequences=sequences)


def _summary(layer: Recurrent, request: Request, taken: list[str]) -> Summary | None:
    """What is made of all steps of the last recurrent layer, if anything."""
    if not request.settings.given(layer.name, "summary"):
        return None
    how: Any = choice(request, layer.name, "summary", "last", "first", "mean", "max", "sum")
    if not flag(request, layer.name, "return_sequences", True):
        raise SpecError(f"--set {layer.name}.summary: with return_sequences=false there is one step; leave one out")
    return Summary(name=unique(f"{layer.name}_{how}", taken), how=how)
