"""The `rnnspec` command. Each subcommand is a file; frameworks are imported only by those that need them."""

import sys

import click

from rnnspec.cli.conformance import conformance
from rnnspec.cli.convert import convert
from rnnspec.cli.demo import demo
from rnnspec.cli.diff import diff
from rnnspec.cli.export import export
from rnnspec.cli.info import info
from rnnspec.cli.interrupt import interruptible
from rnnspec.cli.options import import_module
from rnnspec.cli.run import run
from rnnspec.cli.verify import verify
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.shown import one_line


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


def main() -> None:
    """Exit code 0: done; 1: numbers that do not match; 2: bad input, said in one line; 130: Ctrl-C."""
    try:
        with interruptible():
            code = rnnspec.main(standalone_mode=False)
    except click.ClickException as error:
        _fail(error.format_message())
    except (SpecError, UnsupportedError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except click.Abort:
        _fail("interrupted")
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> None:
    click.echo(f"rnnspec: {one_line(message)}", err=True)
    sys.exit(2)
