"""Wrong implementations, each one plausible: the suite is as good as what it does to them."""

from collections.abc import Iterator

import numpy as np

from rnnspec.conformance.case import Case
from rnnspec.conformance.invalid import Invalid
from rnnspec.conformance.mutants.gradients import gradient_mutants
from rnnspec.conformance.mutants.mutant import Mutant
from rnnspec.conformance.mutants.weights import weight_mutants
from rnnspec.conformance.mutants.written import written
from rnnspec.conformance.protocol import Protocol
from rnnspec.conformance.runner import Variant, run
from rnnspec.conformance.selfchecks import checks

__all__ = ["Mutant", "killer", "mutants"]


# The clauses whose mutants train: the others run faster without.
TRAINED = ("DROP", "CELLDROP", "ZONEOUT", "GRAD", "UNROLL-13", "UNROLL-15", "ACT-3")


def mutants() -> Iterator[Mutant]:
    """The catalogue; some need packages (`Mutant.missing`)."""
    yield from written()
    yield from weight_mutants()
    yield from gradient_mutants()


def killer(mutant: Mutant, cases: tuple[Case | Invalid | Protocol, ...]) -> str | None:
    """The id of the first case or check of the library that cites the mutant's clause and that it fails; None where it
    survives. To be called in a process of `Workers`.
    """
    noisy = mutant.trains or mutant.clause.startswith(TRAINED)
    trains = noisy or mutant.gradients is not None or "differentiable" in mutant.target or mutant.clause == "CALL-10"
    with mutant.alive() as module, np.errstate(all="ignore"):
        if not trains:
            del module.vjp
        for case in (*cases, *checks()):
            if mutant.clause not in case.clauses:
                continue
            if not trains and isinstance(case, Case) and case.training:
                continue
            for dtype in ("float64", "float32"):
                if run(case, Variant(module, dtype)).outcome == "fail":
                    return case.id
    return None
