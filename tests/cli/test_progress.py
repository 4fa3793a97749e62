"""Long commands say on a terminal how far they are, and nothing elsewhere."""

import os
import pty
import re
import subprocess
import sys

COMMAND = [sys.executable, "-m", "rnnspec", "conformance", "--backend", "numpy", "--case", "lstm-*", "-j", "0"]
ASCII = os.environ | {"PYTHONIOENCODING": "ascii", "TERM": "xterm", "COLUMNS": "80"}


def test_nothing_where_stderr_is_no_terminal():
    done = subprocess.run(COMMAND, capture_output=True, check=True, env=ASCII | {"FORCE_COLOR": "1"})
    assert done.stderr == b""


def test_a_bar_on_a_terminal_which_goes_again():
    ours, theirs = pty.openpty()
    done = subprocess.run(COMMAND, stdout=subprocess.PIPE, stderr=theirs, check=True, env=ASCII)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert b"conformance" in shown
    assert b"conformance" not in done.stdout
    ended, of = re.findall(rb"(\d+)/(\d+)", shown)[-1]
    assert int(ended) == int(of) > 1
    assert shown.rstrip().endswith(b"\x1b[2K")  # the line is empty again


def _read(end: int) -> bytes:
    try:
        return os.read(end, 65536)
    except OSError:  # what Linux says when the other end is closed
        return b""
