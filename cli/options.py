"""Arguments that several subcommands share."""

import os
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


def load_backend(name: str):
    """The module of a backend, without the notices that TensorFlow's C++ part prints when it starts."""
    from rnnspec import backends

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
