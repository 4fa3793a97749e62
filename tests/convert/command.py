"""`rnnspec convert` from tests."""

import contextlib
import io
import sys
from pathlib import Path
from unittest import mock

import pytest

from rnnspec.cli import main


def refused(source: Path, *options: str, target: str = "model.safetensors") -> str:
    """The one line with which the command refuses, exit code 2; nothing is written."""
    before = sorted(source.parent.rglob("*"))
    argv = ["rnnspec", "convert", str(source), "-o", str(source.parent / target), *map(str, options)]
    errors = io.StringIO()
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stderr(errors), pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert sorted(source.parent.rglob("*")) == before
    lines = errors.getvalue().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("rnnspec: ")
    return lines[0].removeprefix("rnnspec: ")
