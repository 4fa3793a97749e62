"""Configurations: frozen structs that are their own JSON, decoded strictly."""

import difflib
import types
import typing
from functools import cache
from importlib.metadata import entry_points
from typing import Annotated, Any, Self, TypeVar

import msgspec

from rnnspec.errors import SpecError

Size = Annotated[int, msgspec.Meta(ge=1)]


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node of the architecture. Every field is checked against its type when the object is made.

    Raises:
        SpecError: a field has the wrong type or an impossible value.
    """

    def __post_init__(self) -> None:
        for name, kind in _fields(type(self)).items():
            value, where = getattr(self, name), f"{type(self).__name__}.{name}"
            if _is_sequence_of_configs(kind):
                if not isinstance(value, (list, tuple)):
                    raise SpecError(f"{where}: expected a list, found {value!r}")
                msgspec.structs.force_setattr(self, name, tuple(value))
                for i, item in enumerate(value):
                    _is_a(typing.get_args(kind)[0], item, f"{where}[{i}]")
            elif isinstance(value, Config) or _is_config(kind):
                _is_a(_config(kind), value, where)
            else:
                msgspec.structs.force_setattr(self, name, _plain(kind, value, where))  # 1 is 1.0 in a floating field

    def to_builtins(self) -> dict[str, Any]:
        """The configuration as plain dicts, lists and scalars, defaults written out."""
        return msgspec.json.decode(msgspec.json.encode(self))

    @classmethod
    def from_builtins(cls, data: Any, where: str = "architecture") -> Self:
        """Read plain data strictly: unknown and missing keys are errors that name their place (CONFIG-1)."""
        return decode(cls, data, where)


C = TypeVar("C", bound=Config)


def known(base: type[C]) -> dict[str, type[C]]:
    """Type tag → class, for every concrete kind below `base`, a user's own included."""
    found: dict[str, type[C]] = {}
    for cls in base.__subclasses__():
        if cls.__struct_config__.tag is not None:
            found[str(cls.__struct_config__.tag)] = cls
        found |= known(cls)
    return found


def specified(base: type[C]) -> dict[str, type[C]]:
    """Those of `known` that this package defines: the kinds of the specification, whatever else has been imported."""
    return {tag: cls for tag, cls in known(base).items() if cls.__module__.partition(".")[0] == "rnnspec"}


def decode(kind: type[C], data: Any, where: str) -> C:
    """Plain data → the configuration of class `kind`, or of the kind below it that `type` names."""
    if not isinstance(data, dict):
        raise SpecError(f"{where}: expected an object, got {type(data).__name__}")
    data = dict(data)
    cls = kind
    if kind.__struct_config__.tag is None and (kinds := known(kind)):
        tag = data.pop("type", None)
        if tag not in kinds and _load_entry_point(kind, tag):
            kinds = known(kind)
        if tag not in kinds:
            raise SpecError(f"{where}.type: unknown {kind.__name__.lower()} {tag!r}{_suggest(tag, kinds)}")
        cls = kinds[tag]
    elif kind.__struct_config__.tag is not None:
        data.pop("type", None)
    fields = _fields(cls)
    for key in data:
        if key not in fields:
            raise SpecError(f"{where}: unknown key {key!r}{_suggest(key, fields)}")
    for field in msgspec.structs.fields(cls):
        if field.required and field.name not in data:
            raise SpecError(f"{where}: missing key {field.name!r}; add it")
    return cls(**{key: _value(fields[key], value, f"{where}.{key}") for key, value in data.items()})


def _load_entry_point(base: type[Config], tag: Any) -> bool:
    """Import the kind called `tag` from an installed package that offers it, as `rnnspec.cells` or `rnnspec.layers`."""
    found = entry_points(group=f"rnnspec.{base.__name__.lower()}s", name=str(tag))
    return [entry.load() for entry in found] != []


def _value(kind: Any, value: Any, where: str) -> Any:
    if _is_sequence_of_configs(kind):
        if not isinstance(value, (list, tuple)):
            raise SpecError(f"{where}: expected a list, got {type(value).__name__}")
        return tuple(decode(typing.get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if _is_config(kind) or (isinstance(value, dict) and _config(kind) is not None):
        return decode(typing.cast(type[Config], _config(kind)), value, where)
    return _plain(kind, value, where)


def _is_config(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Config)


def _config(kind: Any) -> type[Config] | None:
    """The configuration that a field of this type may hold, alone or in a union with plain values."""
    return kind if _is_config(kind) else next(filter(_is_config, typing.get_args(kind)), None)


def _is_a(kind: type[Config] | None, value: Any, where: str) -> None:
    if kind is None:
        raise SpecError(f"{where}: expected a plain value, found {value!r}")
    if not isinstance(value, kind):
        raise SpecError(f"{where}: expected a {kind.__name__.lower()}, found {value!r}")


def _plain(kind: Any, value: Any, where: str) -> Any:
    base = _config(kind)
    members = tuple(member for member in typing.get_args(kind) if member is not base) if base else ()
    plain = typing.Union[members] if members else kind  # noqa: UP007 (the members are known at run time only)
    try:
        return msgspec.convert(value, plain)
    except msgspec.ValidationError as error:
        if base and isinstance(value, str) and value in known(base):
            cls = known(base)[value]
            needs = ", ".join(field.name for field in msgspec.structs.fields(cls) if field.required)
            raise SpecError(f"{where}: {value!r} needs {needs}; give {cls.__name__}({needs}): {_hint(cls)}") from None
        if typing.get_origin(plain) is typing.Literal:
            raise SpecError(f"{where}: expected one of {typing.get_args(plain)}, found {value!r}") from None
        reason = str(error)
        raise SpecError(f"{where}: {reason[0].lower()}{reason[1:]}, found {value!r}") from None


def _hint(cls: type[Config]) -> str:
    return (cls.__doc__ or "").splitlines()[0].rstrip(".")


def _is_sequence_of_configs(kind: Any) -> bool:
    arguments = typing.get_args(kind)
    return typing.get_origin(kind) is tuple and isinstance(arguments[0], type) and issubclass(arguments[0], Config)


@cache
def _fields(cls: type[Config]) -> types.MappingProxyType[str, Any]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return types.MappingProxyType({name: hints[name] for name in cls.__struct_fields__})


def _suggest(word: Any, known_words: Any) -> str:
    close = difflib.get_close_matches(str(word), list(known_words), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known_words))}"
