"""The changes that no case can tell from the original, in a file beside the module: `survivors.json` in a package,
`<module>.survivors.json` beside a single file.

    [{"reason": "why nobody can see it, or what it would take", "changes": ["kernels.py: unroll: before → after"]}]
"""

from pathlib import Path

import msgspec

from rnnspec.errors import SpecError

LIST = "survivors.json"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes as `rnnspec conformance --mutants` prints them, and one reason."""

    reason: str
    changes: tuple[str, ...]


def survivors(module: Path) -> dict[str, str]:
    """Change → reason, for the package or module in this file.

    Raises:
        SpecError: the file is not such JSON, or has a change twice.
    """
    path = module.with_name(LIST if module.stem == "__init__" else f"{module.stem}.{LIST}")
    if not path.exists():
        return {}
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=tuple[Entry, ...])
    except msgspec.MsgspecError as error:
        raise SpecError(f"{path}: {error}") from None
    found: dict[str, str] = {}
    for entry in entries:
        for change in entry.changes:
            if change in found:
                raise SpecError(f"{path}: expected each change once, found {change!r} again")
            found[change] = entry.reason
    return found
