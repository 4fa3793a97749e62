"""The `rnnspec` command. Frameworks are imported only by the subcommands that need them."""

import sys

from rnnspec.cli.ascii import speak
from rnnspec.cli.interrupt import interruptible


def main() -> None:
    """Exit code 0: done; 1: numbers that do not match; 2: bad input, said in one line; 130: Ctrl-C."""
    speak(sys.stdout, sys.stderr)
    with interruptible():
        import click

        from rnnspec.cli.command import rnnspec
        from rnnspec.errors import SpecError, UnsupportedError

        try:
            code = rnnspec.main(sys.argv[1:] or ["--help"], "rnnspec", standalone_mode=False)
        except click.ClickException as error:
            _fail(error.format_message())
        except (SpecError, UnsupportedError) as error:
            _fail(str(error))
        except OSError as error:
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        except MemoryError as error:
            _fail(f"out of memory: {error}")
        except click.Abort:
            _fail("interrupted")
        else:
            sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> None:
    import click

    from rnnspec.shown import one_line

    click.echo(f"rnnspec: {one_line(message)}", err=True)
    sys.exit(2)
