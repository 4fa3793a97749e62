"""All that is tried on a backend: the cases on disk, and the protocols."""

from fnmatch import fnmatchcase
from functools import cache

from rnnspec.conformance import vectors
from rnnspec.conformance.case import Case
from rnnspec.conformance.declaration import Declaration
from rnnspec.conformance.invalid import Invalid
from rnnspec.conformance.protocol import Protocol, protocols
from rnnspec.errors import SpecError


@cache
def cases() -> tuple[Case | Invalid | Protocol, ...]:
    """The cases in the order of their ids, then the protocols."""
    return (*vectors.cases(), *protocols())


def check_expected(declared: Declaration) -> None:
    """Raise SpecError if an expected failure names a case that does not exist."""
    for entry in declared.expected_failures:
        if not any(fnmatchcase(case.id, entry.case) for case in cases()):
            raise SpecError(f"{declared.where}: expected_failures: there is no case {entry.case!r}; take the entry out")
