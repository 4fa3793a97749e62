"""A network that was loaded before a fork refuses to hang in the child."""

import subprocess
import sys

import pytest

_FORK = """
import os, sys, importlib, warnings
import numpy as np
from rnnspec import LSTM, Checkpoint, Model, Recurrent, UnsupportedError
warnings.simplefilter("ignore")  # JAX and Python warn of forks
backend = importlib.import_module("rnnspec.backends." + sys.argv[1])
checkpoint = Checkpoint.initialize(Model(inputs=2, layers=[Recurrent(name="r", cell=LSTM(units=3))]), 0)
x = np.ones((2, 4, 2), "float32")

def refused(*calls):
    for call in calls:
        try:
            call()
        except UnsupportedError as error:
            assert "fork" in str(error) and "spawn" in str(error)
            continue
        return False
    return True

def child(run):
    pid = os.fork()
    if not pid:
        os._exit(0 if run() else 1)
    return os.waitpid(pid, 0)[1] == 0

early = sys.argv[2] == "early"
if early:  # imported, but not in use: a child may begin
    print(child(lambda: np.asarray(backend.load(checkpoint)(x)[0]).shape == (2, 4, 3)))
else:
    net = backend.load(checkpoint)
    net(x)
    print(child(lambda: refused(lambda: net(x), lambda: net.step(x[:, 0]), lambda: backend.load(checkpoint))))
    assert np.asarray(net(x)[0]).shape == (2, 4, 3)
"""


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_forked_child_is_told(backend, when):
    done = subprocess.run(
        [sys.executable, "-c", _FORK, backend, when], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "True\n", done.stderr[-2000:]
