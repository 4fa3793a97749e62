"""JSON from strangers. Python's own reader takes more than JSON, keeps the last of two equal keys, and falls over deep
nests; this one says no.
"""

import json
import math
import os
import re
from itertools import accumulate
from typing import Any

from rnnspec import limits
from rnnspec.errors import SpecError
from rnnspec.reading import regular
from rnnspec.shown import quoted, shown

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def parse(text: str | bytes, where: str, *, nonfinite: bool = False) -> Any:
    """One JSON text → dicts, lists and scalars.

    `nonfinite` accepts the words NaN and Infinity, which are no JSON, as Python's `json` writes them.

    Raises:
        SpecError: larger or nested deeper than the limits, not Unicode, a key twice in one object, a number that no
            float holds, or not JSON; the message begins with `where`.
    """
    try:
        data = text.encode() if isinstance(text, str) else text
        if len(data) > limits.JSON_BYTES:
            raise ValueError(f"{len(data):,} bytes, more than {limits.JSON_BYTES:,}")
        text = data.decode(json.detect_encoding(data))
        if _too_deep(text.encode()):
            raise ValueError(f"nested more than {limits.JSON_DEPTH} deep")
        hooks: dict[str, Any] = {"object_pairs_hook": _object}
        if not nonfinite:
            hooks |= {"parse_float": _float, "parse_constant": _constant}
        found = json.loads(text, **hooks)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()  # half a pair of surrogates is no character
    except UnicodeError:
        raise SpecError(f"{where}: not JSON (bytes or escapes that are no Unicode); save it as UTF-8") from None
    except ValueError as error:
        raise SpecError(f"{where}: not JSON ({error})") from None
    return found


def load(path: str | os.PathLike, *, nonfinite: bool = False) -> Any:
    """`parse` of a file.

    Raises:
        FileNotFoundError: there is no such file.
        SpecError: as `parse`; the message begins with the path.
    """
    path = regular(path)
    if path.stat().st_size > limits.JSON_BYTES:
        raise SpecError(f"{path}: {path.stat().st_size:,} bytes, more than {limits.JSON_BYTES:,} of JSON")
    return parse(path.read_bytes(), str(path), nonfinite=nonfinite)


def _too_deep(text: bytes) -> bool:
    """Whether brackets stand deeper inside brackets than the limit, those in strings left out."""
    if text.count(b"[") + text.count(b"{") <= limits.JSON_DEPTH:
        return False
    brackets = _STRING.sub(b"", text).translate(None, _NOT_BRACKETS)
    return any(depth > limits.JSON_DEPTH for depth in accumulate(1 if b in b"[{" else -1 for b in brackets))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {quoted(key)} is there twice in one object")
        found[key] = value
    return found


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{shown(text)} is more than a float holds")
    return value


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
