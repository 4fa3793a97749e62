"""What a terminal without Unicode is told instead."""

import codecs
from io import TextIOWrapper
from typing import TextIO

_INSTEAD = {
    "×": "x",
    "→": "->",
    "←": "<-",
    "…": "...",
    "·": "*",
    "−": "-",
    "–": "-",
    "≤": "<=",
    "≥": ">=",
    "\u2019": "'",
    "“": '"',
    "”": '"',
    "│": "|",
    "─": "-",
    "±": "+-",
    "²": "^2",
}


def speak(*streams: TextIO) -> None:
    """Write what the encoding of a stream does not have as what it has: `×` as `x`, the unknown as `?`."""
    codecs.register_error("rnnspec", _replaced)
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="rnnspec")


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_INSTEAD.get(character, "?") for character in text), error.end
