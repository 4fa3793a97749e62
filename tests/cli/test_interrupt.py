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
