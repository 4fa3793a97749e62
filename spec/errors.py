"""The two ways in which rnnspec says no. Either message is one printable line, whatever was put into it."""

from rnnspec.shown import one_line


class SpecError(ValueError):
    """A file, an architecture or an input breaks the specification.

    The message names the file or field, what was expected, what was found, and the fix.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class UnsupportedError(NotImplementedError):
    """The request is valid, but this backend or exporter cannot keep its meaning, so it refuses (CONF-2)."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
