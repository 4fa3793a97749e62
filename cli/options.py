"""Arguments that several subcommands share."""

import os
import sys
from pathlib import Path

import click

model_argument = click.argument("model", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


def backend_option(help: str):
    """`--backend NAME`, to be given any number of times."""
    return click.option("--backend", "backends", multiple=True, metavar="NAME", help=help)


def chosen_backends(names: tuple[str, ...]) -> dict:
    """Name → module, for the backends named, or for all that are installed."""
    from rnnspec import backends

    return {name: load_backend(name) for name in names or backends.installed()}


def import_module(module: str) -> None:
    """Import a module by its name, or a file of Python by its path."""
    import importlib
    import importlib.util

    if not module.endswith(".py"):
        if importlib.util.find_spec(module) is None:
            raise click.ClickException(f"--import: there is no module {module!r}; install it, or give a file")
        importlib.import_module(module)
        return
    path = Path(module)
    path.open("rb").close()  # a file that is not there says so itself
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def look_here() -> None:
    """Find modules beside which one stands, as `python -m` does."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def load_backend(name: str):
    """The module of a backend, without the notices that TensorFlow's C++ part prints when it starts."""
    from rnnspec import backends

    if name not in backends.REQUIRES:
        look_here()
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
