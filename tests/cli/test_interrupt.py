"""Ctrl-C ends a command with one line."""

import os
import signal
import subprocess
import sys

import pytest

from rnnspec import LSTM, Checkpoint, Model, Recurrent

_BACKEND = """
def load(checkpoint):
    open("begun", "w").close()
    while True:
        try:
            while True:
                pass
        except KeyboardInterrupt as interrupt:
            {answer}
"""


@pytest.mark.parametrize("answer", ["pass", "raise RuntimeError('an error of another kind') from interrupt"])
def test_ctrl_c_says_one_line_whatever_a_framework_makes_of_it(tmp_path, answer):
    Checkpoint.initialize(Model(inputs=2, layers=[Recurrent(name="r", cell=LSTM(units=3))]), 0).save(tmp_path / "m")
    (tmp_path / "stubborn.py").write_text(_BACKEND.format(answer=answer))
    command = [sys.executable, "-c", "from rnnspec.cli import main; main()", "verify", "m", "--backend", "stubborn"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "begun").exists():
        assert process.poll() is None, process.communicate()
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "rnnspec: interrupted\n")
    assert process.returncode == 130


def test_the_line_is_seen_while_standard_error_points_elsewhere():
    """As it does while processes start, where another thread than the first may get the signal."""
    code = """
import os, signal, sys
from rnnspec.cli.interrupt import interruptible
with interruptible():
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    signal.raise_signal(signal.SIGINT)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (found.returncode, found.stdout, found.stderr) == (130, "", "rnnspec: interrupted\n")
