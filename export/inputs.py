"""What a graph is given: the inputs of the model, and which of their steps count (EXPORT-1, EXPORT-7)."""

from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.export import empty
from rnnspec.export.graph import CONSTANTS, Graph
from rnnspec.export.values import Value
from rnnspec.inputs import STEPS
from rnnspec.model import Model
from rnnspec.valid import Valid

Given = tuple[dict[str, Value], dict[str, Valid]]  # the inputs, and which steps count in those of `counted`


def counted(model: Model, step: bool) -> list[str]:
    """The inputs that say which of their steps count: sequences with a time of their own, given whole."""
    stepped = model.stepped if step else frozenset()
    return [name for name, x in model.given.items() if x.sequence and not x.like and name not in stepped]


def called(model: Model, name: str, key: str) -> str:
    """What an input's `lengths`, `mask` or `reset` is called in the graph."""
    return f"{name}.{key}" if model.by_name else key


def axes(model: Model, name: str, step: bool, time_major: bool) -> tuple[str, ...]:
    """The symbolic axes of an input, without its features."""
    given = model.given[name]
    if not given.sequence or (step and name in model.stepped):
        return ("batch",)
    time = f"{given.like or name}.time" if model.by_name else "time"
    return (time, "batch") if time_major else ("batch", time)


def write(graph: Graph, model: Model, step: bool, lengths: bool, mask: bool, reset: bool, time_major: bool) -> Given:
    """The inputs of the graph, as it has them.

    Raises:
        SpecError: a mask or resets, and only single steps are given.
        UnsupportedError: resets, and no sequence can begin anew; an input and an output of one name.
    """
    own = counted(model, step)
    obstacles = {name: model.graph.unbroken(name) for name in own}
    for key, asked in (("mask", mask and not own), ("reset", reset and (step or not own))):
        if asked:
            why = "a single step has none" if step else "no input is a sequence"
            raise SpecError(f"{key}: {why}; leave out {key}{' or step' if step else ''}")
    if reset and None not in obstacles.values():
        raise UnsupportedError(f"reset: no sequence can begin anew here: {obstacles[own[0]]}; leave out reset")
    graph.reserved = _names(model)
    x, valid = {}, {}
    for name, given in model.given.items():
        features, dtype = ([], "int64") if given.features is None else ([given.features], "float32")
        x[name] = graph.input(name, dtype, (*axes(model, name, step, time_major), *features))
        if name not in own:
            continue
        steps = axes(model, name, step, False)
        again = reset and obstacles[name] is None
        valid[name] = Valid(
            graph.input(called(model, name, "lengths"), "int32", ("batch",)) if lengths and not mask else None,
            graph.input(called(model, name, "mask"), "bool", steps) if mask else None,
            graph.input(called(model, name, "reset"), "bool", steps) if again else None,
        )
    return x, valid


def _names(model: Model) -> set[str]:
    """The names of inputs and outputs, which nothing else in the graph may have."""
    names = [*model.given, *model.results, *CONSTANTS]
    names += [called(model, name, key) for name in model.given for key in STEPS]
    if twice := [name for name in names if names.count(name) > 1]:
        what = "input" if twice[0] in model.given else "output"
        raise UnsupportedError(f"{what} {twice[0]!r}: something else in the exported graph is called so; rename it")
    return set(names)


def fill(graph: Graph, model: Model, given: Given, step: bool, time_major: bool) -> tuple[Given, empty.Call]:
    """The inputs as layers see them, time first, of a row and a step at least; and the sizes of the call, its rows and
    the steps of one of the inputs."""
    x, valid = given
    x = {name: value if time_major else _turned(graph, model, name, value, step) for name, value in x.items()}
    calls = {name: empty.call(graph, x[name]) for name in valid}
    first = next(iter(calls.values())) if calls else empty.call(graph, next(iter(x.values())))
    filled, counts = {}, {}
    for name, value in x.items():
        like = model.given[name].like or name
        count = valid.get(name, Valid())
        filled[name], found = empty.filled(graph, calls.get(like, first), value, count, model.given[name].padding)
        if name in valid:
            counts[name] = found
            call = calls[name]
            empty.along(graph, call.time, call.steps, call.some if count.all else None)
    return (filled, counts), first


def _turned(graph: Graph, model: Model, name: str, value: Value, step: bool) -> Value:
    """Time first, where the input has one."""
    whole = len(axes(model, name, step, False)) == 2
    return graph.transpose(value, 1, 0, *range(2, len(value.shape))) if whole else value
