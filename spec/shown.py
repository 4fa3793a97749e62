"""Names and values from files, as they may be printed: a terminal obeys control characters, and a line has an end."""

from typing import Any

from rnnspec import limits


def printable(text: str) -> str:
    """The text with all that does not print (control characters, line breaks, lone surrogates…) as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(text: str, most: int = limits.SHOWN) -> str:
    """A name as it is: printable, and cut in its middle to `most` characters."""
    return _cut(printable(text), most)


def quoted(value: Any, most: int = limits.SHOWN) -> str:
    """A value as Python writes it, strings in quotes: printable, and cut as `shown`."""
    return shown(repr(value), most)


def one_line(text: str, most: int = limits.MESSAGE) -> str:
    """A message: its lines joined, printable, its middle cut: the place is at its beginning, the fix at its end."""
    return _cut(printable(" ".join(line.strip() for line in text.splitlines())), most)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    kept = most // 2
    return f"{text[:kept]} … ({len(text) - 2 * kept:,} characters) … {text[-kept:]}"
