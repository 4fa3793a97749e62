"""Arguments that several subcommands share."""

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

    quiet_tensorflow()
    return {name: backends.get(name) for name in names or backends.installed()}


def quiet_tensorflow() -> None:
    """Keep TensorFlow's start-up notices out of the tables; errors still show."""
    import os

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
