"""Configurations: frozen structs that are their own JSON, decoded strictly."""

import difflib
import math
import sys
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points
from typing import Annotated, Any, NamedTuple, Self, TypeVar

import msgspec
import numpy as np

from rnnspec import limits
from rnnspec.errors import SpecError
from rnnspec.shown import quoted, shown

Size = Annotated[int, msgspec.Meta(ge=1, le=limits.SIZE)]


class Frozen(dict):
    """A mapping that does not change, and so has a hash: what a field that is a mapping holds."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("a configuration does not change; make another one with msgspec.structs.replace")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple:
        return type(self), (dict(self),)


# What other frameworks call a field, or where they have what is no field here.
_ELSEWHERE = {
    **dict.fromkeys(("hidden_size", "hidden_dim", "num_units", "n_units", "cell_size", "out_features"), "units"),
    **dict.fromkeys(("embedding_dim", "output_dim"), "units"),
    **dict.fromkeys(("num_embeddings", "input_dim", "vocab_size"), "vocabulary"),
    **dict.fromkeys(("input_size", "in_features", "input_shape"), "inputs of Model"),
    **dict.fromkeys(("kernel_size", "pool_size"), "width"),
    "strides": "stride",
    "filters": "units",
    **dict.fromkeys(("p", "dropout"), "rate of Dropout, a layer, or of CellDropout, around a cell"),
    "num_layers": "several Recurrent layers, or Stack(cells=…)",
    "num_heads": "heads",
    "bidirectional": "direction='bidirectional' of Recurrent",
    "batch_first": "time_major of a backend's load",
    "eps": "epsilon",
}


class _Kind(type(msgspec.Struct)):  # type: ignore[misc]
    """The class of configurations: what is made with the wrong arguments says which are the right ones."""

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        names = cls.__match_args__  # of the fields that need no name
        if len(arguments) > len(names):
            first = next(iter(_fields(cls)), "…")
            raise SpecError(
                f"{cls.__name__}({quoted(arguments[0])}): give each value its name: {first}={arguments[0]!r}"
            )
        for name in named:
            if name not in cls.__struct_fields__:
                fix = f"; here it is {_ELSEWHERE[name]}" if name in _ELSEWHERE else _suggest(name, _fields(cls))
                raise SpecError(f"{cls.__name__}: unknown argument {quoted(name)}{fix}")
        given = {*names[: len(arguments)], *named}
        if missing := [name for name, field in _fields(cls).items() if field.required and name not in given]:
            raise SpecError(f"{cls.__name__}: {missing[0]!r} is missing; add {missing[0]}=…")
        return super().__call__(*arguments, **named)


if typing.TYPE_CHECKING:
    _Struct = msgspec.Struct  # whose keyword arguments type checkers know
else:

    class _Struct(msgspec.Struct, metaclass=_Kind):
        pass


_KINDS: list[type["Config"]] = []  # in the order of their definitions; msgspec sets a tag after `__init_subclass__`


class Config(_Struct, frozen=True, forbid_unknown_fields=True, repr_omit_defaults=True):
    """A node of the architecture. Every field is checked against its type when the object is made; a list is kept
    as a tuple.

    Raises:
        SpecError: a field has the wrong type or an impossible value.
    """

    def __init_subclass__(cls) -> None:
        _KINDS.append(cls)

    def __post_init__(self) -> None:
        for name, kind in _fields(type(self)).items():
            value = _checked(kind, getattr(self, name), f"{type(self).__name__}.{name}")
            msgspec.structs.force_setattr(self, name, value)

    def to_builtins(self) -> dict[str, Any]:
        """The configuration as plain dicts, lists and scalars, defaults written out."""
        return msgspec.json.decode(msgspec.json.encode(self))

    @classmethod
    def from_builtins(cls, data: Any, where: str = "architecture") -> Self:
        """Read plain data strictly: unknown and missing keys are errors that name their place (CONFIG-1)."""
        return decode(cls, data, where)


def unsaid(plain: dict[str, Any], *names: str) -> dict[str, Any]:
    """Plain data without these fields where they say nothing: fields that came later, whose absence files rely on."""
    return {name: value for name, value in plain.items() if value is not None or name not in names}


C = TypeVar("C", bound=Config)


def known(base: type[C]) -> dict[str, type[C]]:
    """Type tag → class, for every concrete kind below `base`: it is known once it is defined, a user's own included.

    Raises:
        SpecError: two classes have one tag. A class that is defined again, in the same place, stands for the first.
    """
    found: dict[str, type[C]] = {}
    for cls in _KINDS:
        if not issubclass(cls, base) or cls.__struct_config__.tag is None:
            continue
        tag = str(cls.__struct_config__.tag)
        first = found.setdefault(tag, cls)
        if _place(first) != _place(cls):
            raise SpecError(f"{_place(cls)}: the tag {tag!r} is that of {_place(first)}; give it another")
        found[tag] = cls
    return found


def specified(base: type[C]) -> dict[str, type[C]]:
    """Those of `known` that this package defines: the kinds of the specification, whatever else has been imported."""
    return {tag: cls for tag, cls in known(base).items() if cls.__module__.partition(".")[0] == "rnnspec"}


@contextmanager
def passing() -> Iterator[None]:
    """Kinds that are defined inside are forgotten at the end: a test takes its cells back."""
    before = _KINDS.copy()
    try:
        yield
    finally:
        _KINDS[:] = before


def _place(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def decode(kind: type[C], data: Any, where: str) -> C:
    """Plain data → the configuration of class `kind`, or of the kind below it that `type` names."""
    check_depth(data, where)
    return _decode(kind, data, where)


def check_depth(data: Any, where: str) -> None:
    """Raise SpecError where configurations, lists or objects stand deeper inside each other than the limit."""
    row, depth = [data], 0
    while row := [child for value in row for child in _children(value)]:
        depth += 1
        if depth > limits.CONFIG_DEPTH:
            raise SpecError(f"{where}: nested more than {limits.CONFIG_DEPTH} deep")


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, Config):
        return [getattr(value, name) for name in value.__struct_fields__]
    return value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()


def _decode(kind: type[C], data: Any, where: str) -> C:
    if not isinstance(data, dict):
        raise SpecError(f"{where}: expected an object, got {type(data).__name__}")
    data = dict(data)
    cls = kind
    if kind.__struct_config__.tag is None and (kinds := known(kind)):
        tag = data.pop("type", None)
        if isinstance(tag, str) and tag not in kinds and _load_entry_point(kind, tag):
            kinds = known(kind)
        if not isinstance(tag, str) or tag not in kinds:
            raise SpecError(f"{where}.type: unknown {kind.__name__.lower()} {quoted(tag)}{_suggest(tag, kinds)}")
        cls = kinds[tag]
    elif kind.__struct_config__.tag is not None:
        data.pop("type", None)
    fields = _fields(cls)
    for key in data:
        if key not in fields:
            raise SpecError(f"{where}: unknown key {quoted(key)}{_suggest(key, fields)}")
    for name, field in fields.items():
        if field.required and name not in data:
            raise SpecError(f"{where}: missing key {name!r}; add it")
    values = {key: _value(fields[key], value, f"{where}.{key}") for key, value in data.items()}
    try:
        return cls(**values)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None


def _load_entry_point(base: type[Config], tag: str) -> bool:
    """Import the kind called `tag` from an installed package that offers it, as `rnnspec.cells` or `rnnspec.layers`."""
    found = entry_points(group=f"rnnspec.{base.__name__.lower()}s", name=tag)
    return [entry.load() for entry in found] != []


def _value(kind: "_Field", value: Any, where: str) -> Any:
    """Plain data → what the field holds."""
    if kind.items:
        if not isinstance(value, (list, tuple)):
            raise SpecError(f"{where}: expected a list, got {type(value).__name__}")
        return tuple(_decode(kind.items, item, f"{where}[{i}]") for i, item in enumerate(value))
    if kind.named and isinstance(value, dict):
        return Frozen({name: _value(kind.named, value[name], f"{where}.{shown(name)}") for name in sorted(value)})
    if kind.config and (kind.plain is None or isinstance(value, dict)):
        return _decode(kind.config, value, where)
    return _plain(kind, value, where)


def _checked(kind: "_Field", value: Any, where: str) -> Any:
    """What a user gave → what the field holds."""
    if kind.items:
        if not isinstance(value, (list, tuple)):
            raise SpecError(f"{where}: expected a list, found {quoted(value)}")
        for i, item in enumerate(value):
            _is_a(kind.items, item, f"{where}[{i}]")
        return tuple(value)
    if kind.named and isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise SpecError(f"{where}: expected names, found {quoted(name)}")
        return Frozen({name: _checked(kind.named, value[name], f"{where}.{shown(name)}") for name in sorted(value)})
    if isinstance(value, Config) or kind.plain is None:
        _is_a(kind.config, value, where)
        return value
    return _plain(kind, value, where)  # 1 is 1.0 in a floating field


def _is_a(kind: type[Config] | None, value: Any, where: str) -> None:
    if kind is None:
        raise SpecError(f"{where}: expected a plain value, found {quoted(value)}")
    if not isinstance(value, kind):
        raise SpecError(f"{where}: expected a {kind.__name__.lower()}, found {quoted(value)}")


def _plain(kind: "_Field", value: Any, where: str) -> Any:
    base, plain = kind.config, kind.plain
    if isinstance(value, np.generic):  # as ids.max() + 1 is
        value = value.item()
    if isinstance(value, int) and abs(value) > sys.float_info.max:  # which the oldest msgspec falls over
        raise SpecError(f"{where}: expected a number that a float holds, found {quoted(value)}")
    try:
        found = msgspec.convert(value, plain)
    except msgspec.ValidationError as error:
        if base and isinstance(value, str) and value in known(base):
            cls = known(base)[value]
            needs = ", ".join(name for name, field in _fields(cls).items() if field.required)
            raise SpecError(f"{where}: {value!r} needs {needs}; give {cls.__name__}({needs}): {_hint(cls)}") from None
        if typing.get_origin(plain) is typing.Literal:
            raise SpecError(f"{where}: expected one of {typing.get_args(plain)}, found {quoted(value)}") from None
        reason = str(error)
        raise SpecError(f"{where}: {reason[0].lower()}{reason[1:]}, found {quoted(value)}") from None
    found = tuple(found) if isinstance(found, list) else found
    for number in found if isinstance(found, tuple) else (found,):
        if isinstance(number, float) and not math.isfinite(number):
            raise SpecError(f"{where}: expected a finite number, found {number}")
    return found


def _hint(cls: type[Config]) -> str:
    return (cls.__doc__ or "").splitlines()[0].rstrip(".")


class _Field(NamedTuple):
    """What a field may hold: configurations in a list (`items`), or one (`config`), or plain values (`plain`), or any
    of these by name (`named`)."""

    items: type[Config] | None
    config: type[Config] | None
    plain: Any
    required: bool
    named: "_Field | None" = None


@cache
def _fields(cls: type[Config]) -> types.MappingProxyType[str, _Field]:
    known(cls.__mro__[cls.__mro__.index(Config) - 1])  # once for each class: a tag that is taken is no silent matter
    hints = typing.get_type_hints(cls, include_extras=True)
    required = {field.name: field.required for field in msgspec.structs.fields(cls)}
    return types.MappingProxyType({name: _field(hints[name], required[name]) for name in cls.__struct_fields__})


def _field(kind: Any, required: bool) -> _Field:
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is Sequence and _is_config(arguments[0]):
        return _Field(arguments[0], None, None, required)
    if _is_config(kind):
        return _Field(None, kind, None, required)
    mapping = next((member for member in arguments if typing.get_origin(member) is Mapping), None)
    if mapping is not None:
        rest = tuple(member for member in arguments if member is not mapping)
        named = _field(typing.get_args(mapping)[1], True)
        return _Field(None, None, typing.Union[rest], required, named)  # noqa: UP007 (a tuple of types)
    config = next(filter(_is_config, arguments), None)
    if config is None:
        return _Field(None, None, kind, required)
    members = tuple(member for member in arguments if member is not config)
    return _Field(None, config, typing.Union[members], required)  # noqa: UP007 (members known at run time only)


def _is_config(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Config)


def _suggest(word: Any, known_words: Any) -> str:
    close = difflib.get_close_matches(shown(str(word)), list(known_words), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known_words))}"
