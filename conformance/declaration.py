"""What a backend says about itself, in a file beside it: `conformance.json` in a package, `<module>.conformance.json`
beside a single file (CONF-5).

    {"looseness": "exact",
     "unsupported": [{"variant": "native *", "reason": "…", "features": ["call.reset", "cell.*", "!cell.rnn"]}],
     "expected_failures": [{"variant": "*", "case": "lstm-*", "reason": "…", "link": "https://…"}]}
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import ModuleType

import msgspec

from rnnspec import strict_json
from rnnspec.accuracy import LOOSENESS
from rnnspec.errors import SpecError


class Unsupported(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Variants that refuse every case with one of the features; of the patterns that match a feature the last counts,
    and one that begins with `!` takes it out again. Patterns are those of the shell.
    """

    variant: str
    reason: str
    features: tuple[str, ...]

    def concerns(self, feature: str) -> bool:
        """Whether the entry is about this case."""
        matching = [pattern for pattern in self.features if fnmatchcase(feature, pattern.removeprefix("!"))]
        return bool(matching) and not matching[-1].startswith("!")


class ExpectedFailure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case that is known to fail: passing it is an error as well, so that the list stays true."""

    variant: str
    case: str
    reason: str
    link: str


class Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A backend's own words. `looseness`: a class of ACC-4; `strict`: there is a file, `where`, to which it is held."""

    looseness: str = "exact"
    unsupported: tuple[Unsupported, ...] = ()
    expected_failures: tuple[ExpectedFailure, ...] = ()
    strict: bool = False
    where: str = ""

    def refusal(self, variant: str, features: Iterable[str]) -> str:
        """Why the variant refuses a case with these features; empty where it does not."""
        for entry in self.unsupported:
            if fnmatchcase(variant, entry.variant):
                for feature in sorted(features):
                    if entry.concerns(feature):
                        return f"{feature}: {entry.reason}"
        return ""

    def failure(self, variant: str, case: str) -> ExpectedFailure | None:
        """The expected failure of the case, if it is one."""
        for entry in self.expected_failures:
            if fnmatchcase(variant, entry.variant) and fnmatchcase(case, entry.case):
                return entry
        return None


@cache
def declaration(module: ModuleType) -> Declaration:
    """What the backend declares; nothing where there is no file.

    Raises:
        SpecError: the file is not JSON of this form.
    """
    file = getattr(module, "__file__", None)
    if file is None:
        return Declaration()
    path = Path(file)
    path = path.with_name("conformance.json" if path.stem == "__init__" else f"{path.stem}.conformance.json")
    if not path.exists():
        return Declaration()
    try:
        found = msgspec.convert(strict_json.load(path), Declaration)
    except msgspec.ValidationError as error:
        raise SpecError(f"{path}: {error}") from None
    if found.looseness not in LOOSENESS:
        raise SpecError(f"{path}: looseness: expected one of {', '.join(LOOSENESS)}, found {found.looseness!r}")
    return msgspec.structs.replace(found, strict=True, where=str(path))
