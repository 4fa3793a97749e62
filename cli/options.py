"""Arguments that several subcommands share."""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reading import regular
from rnnspec.shown import printable


class _File(click.Path):
    """The path of a file; what no path can be is said here, for reading and for writing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if "\0" in os.fspath(value):
            self.fail(f"{printable(os.fspath(value))}: not a path: there is a NUL in it", param, ctx)
        return super().convert(value, param, ctx)


FILE = _File(path_type=Path)
model_argument = click.argument("model", type=FILE)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


def backend_option(help: str) -> Callable[..., Any]:
    """`--backend NAME`, to be given any number of times."""
    return click.option("--backend", "backends", multiple=True, metavar="NAME", help=help)


def chosen_backends(names: tuple[str, ...]) -> dict:
    """Name → module, for the backends named, or for all that are installed."""
    from rnnspec import backends

    if names:
        return {name: load_backend(name) for name in names}
    found = {}
    for name in backends.installed():
        try:
            found[name] = load_backend(name)
        except UnsupportedError as error:  # installed, and of no use as it is set up: KERAS_BACKEND=torch
            click.echo(f"left out: {error}", err=True)
    return found


def import_module(module: str) -> None:
    """Import a module by its name, or a file of Python by its path. Raises SpecError: there is no such module."""
    import importlib
    import importlib.util

    from rnnspec import backends

    with code_of_others(f"--import {module}"):
        if not module.endswith(".py"):
            if not backends.importable(module):
                raise SpecError(f"--import: there is no module {module!r}; install it, or give a file")
            importlib.import_module(module)
            return
        path = regular(module)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


@contextlib.contextmanager
def code_of_others(what: str) -> Iterator[None]:
    """Code that is none of ours may raise anything while it is imported: one line says what, and where."""
    try:
        yield
    except (SpecError, UnsupportedError, FileNotFoundError):
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, SyntaxError):
            place, reason = f"{error.filename}:{error.lineno}", error.msg
        else:
            place, reason = _place(error), str(error)
        raise click.ClickException(f"{what}: {place}: {type(error).__name__}: {reason}") from None


def _place(error: BaseException) -> str:
    """File and line of the innermost call that is not inside Python's own import."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen ")]
    return f"{frames[-1].filename}:{frames[-1].lineno}"


def look_here() -> None:
    """Find modules beside which one stands, as `python -m` does."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def load_backend(name: str) -> ModuleType:
    """The module of a backend, without the notices that TensorFlow's C++ part prints when it starts."""
    from rnnspec import backends

    if name not in backends.REQUIRES:
        look_here()
    if name not in backends.REQUIRES:
        with code_of_others(f"--backend {name}"):
            return backends.get(name)
    if name != "tensorflow" or backends.missing(name):
        return backends.get(name)
    # They go to the file descriptor, before any setting is read; what Python raises still shows.
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        module = backends.get(name)
        import tensorflow

        tensorflow.config.list_physical_devices()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    return module
