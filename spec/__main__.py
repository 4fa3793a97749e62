"""`python -m rnnspec`: the command."""

from rnnspec.cli import main

main()
