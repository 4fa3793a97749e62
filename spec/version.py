"""The version of the package; the specification has its own (`SPEC_VERSION`)."""

__version__ = "0.1.0"
