"""The two ways in which rnnspec says no."""


class SpecError(ValueError):
    """A file, an architecture or an input breaks the specification.

    The message is one line: it names the file or field, what was expected, what was found, and the fix.
    """


class UnsupportedError(NotImplementedError):
    """The request is valid, but this backend or exporter cannot keep its meaning, so it refuses (CONF-2)."""
