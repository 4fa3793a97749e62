"""What ends or hangs a process costs the item that it had, and nothing else."""

import json
import os
import signal
import subprocess
import sys
import time
from fnmatch import fnmatchcase

import pytest

from rnnspec.conformance.record import results
from rnnspec.conformance.runner import run
from rnnspec.conformance.vectors import cases
from rnnspec.conformance.workers import Lost, Workers
from rnnspec.errors import SpecError

HANGING = 10.0  # seconds; a process that starts on a busy machine takes two
ABORTED = f"crashed: the process ended with signal {int(signal.SIGABRT)} (SIGABRT)"


def answer(item):
    if isinstance(item, str):
        {"exit": lambda: os._exit(3), "abort": os.abort, "hang": lambda: time.sleep(1e6), "leave": sys.exit}[item]()
    if item < 0:
        raise SpecError(f"{item}: expected at least 0")
    return item * item, os.getpid()


def test_every_other_item_has_its_answer():
    with Workers(2, HANGING) as workers:
        found = workers.map(answer, [0, "exit", 2, "abort", "abort", 5, "hang", 7, "leave", 9])
        squares = {k: found.pop(k)[0] for k in (9, 7, 5, 2, 0)}
        assert squares == {0: 0, 2: 4, 5: 25, 7: 49, 9: 81}
        exits = [Lost(f"crashed: the process ended with exit code {code}") for code in (3, 0)]
        assert found == [exits[0], Lost(ABORTED), Lost(ABORTED), Lost("timeout: no answer in 10 s"), exits[1]]
        assert workers.map(answer, [3])[0][0] == 9  # and there is more to come


def test_processes_stay_unless_there_is_one_for_each_item():
    with Workers(1) as workers:
        assert len({process for _, process in workers.map(answer, range(4))}) == 1
    with Workers(2, once=True) as workers:
        assert len({process for _, process in workers.map(answer, range(4))}) == 4
    with Workers(0) as workers:
        assert workers.map(answer, range(2)) == [(0, os.getpid()), (1, os.getpid())]


@pytest.mark.parametrize("jobs", [0, 2])
def test_what_is_raised_is_raised(jobs):
    with Workers(jobs) as workers, pytest.raises(SpecError, match=r"^-2: expected at least 0$"):
        workers.map(answer, [1, -2, 3])


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
        (f"ending_backend {path} float32", case) for path in ("one", "two") for case in sorted(chosen)
    ]
    lost = {(row.variant.split()[1], row.case): row.detail for row in found if row.outcome == "fail"}
    resets = {id for id, case in chosen.items() if "reset" in case.inputs}
    steps = {id for id, case in chosen.items() if getattr(case, "split", "") == "steps"}
    assert resets
    how = {"one": "crashed: the process ended with exit code 5", "two": ABORTED}
    assert lost == {("one", id): how["one"] for id in resets} | {("two", id): how["two"] for id in resets | steps}


def test_an_expected_failure_may_end_the_process(ending):
    entry = {"variant": "one *", "case": "lstm-*-restarts", "reason": "it exits", "link": "https://example.org/5"}
    (ending / "ending_backend.conformance.json").write_text(json.dumps({"expected_failures": [entry]}))
    with Workers(1) as workers:
        found = results(["ending_backend"], "lstm-norm-torch-restarts", workers)
    assert [(row.outcome, row.detail, row.link) for row in found] == [
        ("expected failure", "it exits", "https://example.org/5"),
        ("fail", ABORTED, ""),
    ]


def test_a_backend_that_cannot_be_imported_is_one_line(ending):
    (ending / "exiting_backend.py").write_text("import os\nos._exit(4)\n")
    with Workers(1) as workers, pytest.raises(SpecError, match=r"'exiting_backend': importing it: crashed: .* code 4$"):
        results(["exiting_backend"], "lstm-*", workers)


@pytest.mark.parametrize("arguments", [("--backend", "ending_backend", "--case", "lstm-*restarts"), ("--mutants",)])
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
