"""The conformance suite: cases with the reference's answers, and a runner for any backend module.

from rnnspec.conformance import cases, run
results = [run(case, variant) for variant in variants(module) for case in cases()]
"""

from rnnspec.conformance.cases import Case
from rnnspec.conformance.runner import Result, Variant, run, variants
from rnnspec.conformance.vectors import cases

__all__ = ["Case", "Result", "Variant", "cases", "run", "variants"]
