"""The suite for pytest: `pytest --pyargs rnnspec.conformance.suite --rnnspec-backend MODULE`."""

import sys

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options that pytest takes."""
    group = parser.getgroup("rnnspec")
    group.addoption(
        "--rnnspec-backend",
        action="append",
        default=[],
        metavar="MODULE",
        help="A backend for rnnspec.conformance.suite: numpy, torch, …, or any importable module; again for more.",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every case on every variant of the backends that were named."""
    if "rnnspec_case" not in metafunc.fixturenames:
        return
    from rnnspec import backends
    from rnnspec.conformance import cases, variants

    names = metafunc.config.getoption("--rnnspec-backend")
    if not names:
        raise pytest.UsageError("rnnspec.conformance.suite needs --rnnspec-backend MODULE")
    here = str(metafunc.config.invocation_params.dir)
    if here not in sys.path:
        sys.path.insert(0, here)  # a module beside which one stands, as with `python -m`
    found = [variant for name in names for variant in variants(backends.get(name))]
    metafunc.parametrize("rnnspec_variant", found, ids=lambda variant: variant.name)
    metafunc.parametrize("rnnspec_case", cases(), ids=lambda case: case.id)
