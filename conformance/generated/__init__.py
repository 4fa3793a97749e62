"""Wrong implementations that are made and not written: a backend's source with one token of its tree changed."""

from rnnspec.conformance.generated.outcomes import Row, faults, home, run

__all__ = ["Row", "faults", "home", "run"]
