"""What ends or hangs a process costs the item that it had, and nothing else."""

import json
import operator
import os
import signal
import subprocess
import sys
import time
from fnmatch import fnmatchcase
from functools import partial

import pytest

from rnnspec import backends
from rnnspec.conformance.record import results
from rnnspec.conformance.runner import run
from rnnspec.conformance.vectors import cases
from rnnspec.conformance.workers import Lost, Workers
from rnnspec.errors import SpecError

HANGING = 5.0  # seconds; a process that starts on a busy machine takes two
ABORTED = f"crashed: the process ended with signal {int(signal.SIGABRT)} (SIGABRT)"


def test_every_other_item_has_its_answer():
    ends = [partial(os._exit, 3), os.abort, partial(time.sleep, 1e6), sys.exit]
    with Workers(2, HANGING) as workers:
        asked = [partial(pow, k, 2) for k in range(6)]
        found = workers.map(
            operator.call, [*asked[:2], ends[0], asked[2], *ends[1:2] * 2, asked[3], *ends[2:], *asked[4:]]
        )
        assert [found.pop(k) for k in (10, 9, 6, 3, 1, 0)] == [25, 16, 9, 4, 1, 0]
        exits = [Lost(f"crashed: the process ended with exit code {code}") for code in (3, 0)]
        assert found == [exits[0], Lost(ABORTED), Lost(ABORTED), Lost(f"timeout: no answer in {HANGING:g} s"), exits[1]]
        assert workers.map(abs, [-3]) == [3]  # and there is more to come


def test_processes_stay_unless_there_is_one_for_each_item():
    with Workers(1) as workers:
        assert len(set(workers.map(operator.call, [os.getpid] * 4))) == 1
    with Workers(2, once=True) as workers:
        assert len(set(workers.map(operator.call, [os.getpid] * 4))) == 4
    with Workers(0) as workers:
        assert workers.map(operator.call, [os.getpid]) == [os.getpid()]


@pytest.mark.parametrize("jobs", [0, 2])
def test_what_is_raised_is_raised(jobs):
    with Workers(jobs) as workers, pytest.raises(SpecError, match="unknown; expected numpy"):
        workers.map(backends.get, ["numpy", "no_such_backend"])


ENDING = """
import os
import rnnspec.backends.numpy as backend

PATHS = ("one", "two")

def load(checkpoint, path="one"):
    net = backend.load(checkpoint)
    class Ending:
        def step(self, x_t, state=None):
            os.abort() if path == "two" else None
            return net.step(x_t, state)
        def __call__(self, x, lengths=None, mask=None, state=None, reset=None):
            if reset is not None:
                os.abort() if path == "two" else os._exit(5)
            return net(x, lengths, mask, state, reset)
    return Ending()
"""


ENDS = {"one float32": "crashed: the process ended with exit code 5", "two float32": ABORTED}


@pytest.fixture
def ending(tmp_path, monkeypatch):
    """A backend that ends its process in some calls."""
    (tmp_path / "ending_backend.py").write_text(ENDING)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_backend_that_ends_its_process_fails_the_case(ending):
    with Workers(2) as workers:
        found = results(["ending_backend"], "lstm-p*", workers)
    chosen = {case.id: case for case in cases() if fnmatchcase(case.id, "lstm-p*")}
    assert [(row.variant, row.case) for row in found] == [
        (f"ending_backend {words}", case) for words in ("float32", *ENDS) for case in sorted(chosen)
    ]
    lost = {(row.variant.partition(" ")[2], row.case): row.detail for row in found if row.outcome == "fail"}
    resets = {id for id, case in chosen.items() if "reset" in case.inputs}
    steps = {id for id, case in chosen.items() if getattr(case, "split", "") == "steps"}
    assert resets
    assert {key for key in lost if key[0] == "two float32"} == {("two float32", id) for id in resets | steps}
    assert {key for key in lost if key[0] != "two float32"} == {
        (k, id) for k in ("float32", "one float32") for id in resets
    }
    assert all(how == ENDS.get(words, ENDS["one float32"]) for (words, _), how in lost.items())


def test_an_expected_failure_may_end_the_process(ending):
    entry = {"variant": "one *", "case": "lstm-*-restarts", "reason": "it exits", "link": "https://example.org/5"}
    (ending / "ending_backend.conformance.json").write_text(json.dumps({"expected_failures": [entry]}))
    with Workers(1) as workers:
        found = results(["ending_backend"], "lstm-norm-torch-restarts", workers)
    assert [(row.outcome, row.detail, row.link) for row in found] == [
        ("fail", ENDS["one float32"], ""),
        ("expected failure", "it exits", "https://example.org/5"),
        ("fail", ABORTED, ""),
    ]


def test_a_backend_that_cannot_be_imported_is_one_line(ending):
    (ending / "exiting_backend.py").write_text("import os\nos._exit(4)\n")
    with Workers(1) as workers, pytest.raises(SpecError, match=r"'exiting_backend': importing it: crashed: .* code 4$"):
        results(["exiting_backend"], "lstm-*", workers)


@pytest.mark.parametrize(
    "arguments",
    [("--backend", "ending_backend", "--case", "lstm-*restarts"), ("--mutants",), ("--mutants", "--backend", "numpy")],
)
def test_an_interrupt_ends_all_processes(ending, arguments):
    """Ctrl-C goes to the whole group: one line, and nobody is left who holds standard output open."""
    command = [sys.executable, "-c", "import rnnspec.cli; print('ready', flush=True); rnnspec.cli.main()"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([*command, "conformance", *arguments], cwd=ending, start_new_session=True, **pipes)
    assert process.stdout.readline() == "ready\n"
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "rnnspec: interrupted\n")


def test_the_runner_says_the_same_without_processes():
    case = next(case for case in cases() if case.id == "lstm-forward-full")
    with Workers(0) as workers:
        (row,) = (row for row in results(["numpy"], case.id, workers) if row.variant == "numpy float32")
    from rnnspec.backends import numpy
    from rnnspec.conformance.runner import variants

    assert row == run(case, variants(numpy)[0])
