"""The `rnnspec` command: a group whose subcommands are a file each."""

import click

from rnnspec.cli.conformance import conformance
from rnnspec.cli.convert import convert
from rnnspec.cli.demo import demo
from rnnspec.cli.diff import diff
from rnnspec.cli.export import export
from rnnspec.cli.info import info
from rnnspec.cli.options import import_module
from rnnspec.cli.run import run
from rnnspec.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rnnspec")
@click.option("--import", "modules", multiple=True, metavar="MODULE|FILE.py",
              help="First import cells of your own, so that files that name them can be read.")  # fmt: skip
def rnnspec(modules: tuple[str, ...]) -> None:
    """One recurrent model, one file, every runtime, the same numbers."""
    for module in modules:
        import_module(module)


for command in (info, convert, run, diff, verify, export, conformance, demo):
    rnnspec.add_command(command)
