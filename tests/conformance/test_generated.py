"""Changes of a backend's source by one token: which there are, what becomes of them, and what a list may say."""

import json
import re
import sys
from pathlib import Path

import pytest

from rnnspec.cli import main
from rnnspec.conformance.generated import faults, run
from rnnspec.conformance.generated.changes import changed, changes
from rnnspec.conformance.generated.order import places
from rnnspec.conformance.generated.trial import Reached
from rnnspec.errors import SpecError

EXAMPLE = '''
"""Words of people stay."""
import os
TABLE = {"mode": 1.5, "forward": min}
def f(x: tuple[int, str] = (), *, n=0, flag=True) -> int:
    """And here."""
    y = x[n:-1]
    if n < 3 and not flag:
        raise ValueError("not a " + "change")
    y = -y
    os.getcwd()
    while y:
        y //= 2
        break
    return y, f(x, n, *y)
'''
CHANGES = [
    "TABLE = {'mode': 1.5, 'forward': min} → TABLE = {'mode_': 1.5, 'forward': min}",
    "TABLE = {'mode': 1.5, 'forward': min} → TABLE = {'mode': 1.5, 'backward': min}",
    "TABLE = {'mode': 1.5, 'forward': min} → TABLE = {'mode': 2.5, 'forward': min}",
    "…mode': 1.5, 'forward': min} → …mode': 1.5, 'forward': max}",
    "f: …uple[int, str]=(), *, n=0, flag=True) -> int: → …uple[int, str]=(), *, n=1, flag=True) -> int:",
    "f: …, str]=(), *, n=0, flag=True) -> int: → …, str]=(), *, n=0, flag=False) -> int:",
    "f: y = x[n:-1] → y = x[n + 1:-1]",
    "f: y = x[n:-1] → y = x[n:1]",
    "f: y = x[n:-1] → y = x[n:-2]",
    "f: if n < 3 and (not flag): → if not (n < 3 and (not flag)):",
    "f: if n < 3 and (not flag): → if n < 3 or not flag:",
    "f: if n < 3 and (not flag): → if n <= 3 and (not flag):",
    "f: if n < 3 and (not flag): → if n < 4 and (not flag):",
    "f: if n < 3 and (not flag): → if n < 2 and (not flag):",
    "f: if n < 3 and (not flag): → if n < 3 and flag:",
    "f: raise ValueError('not a ' + 'change') → pass",
    "f: y = -y → pass",
    "f: y = -y → y = y",
    "f: os.getcwd() → pass",
    "f: while y: → while not y:",
    "f: y //= 2 → pass",
    "f: y //= 2 → y *= 2",
    "f: y //= 2 → y //= 3",
    "f: y //= 2 → y //= 1",
    "f: break → continue",
    "f: return (y, f(x, n, *y)) → return (f(x, n, *y), y)",
    "f: return (y, f(x, n, *y)) → return (y, f(n, x, *y))",
]


def test_the_changes_of_a_module():
    found = changes(EXAMPLE)
    assert [": ".join(filter(None, (change.function, change.words))) for change in found] == CHANGES
    assert [change.number for change in found] == list(range(len(CHANGES)))
    assert found[9].line == found[9].end == 8  # of the head of the `if`, and not of what is in it


def test_whether_zip_is_strict_is_an_assertion_and_stays():
    zipped, other = (changes(f"def f(a, b):\n    return {name}(a, b, strict=True)\n") for name in ("zip", "g"))
    assert [c.words for c in zipped] == ["return zip(a, b, strict=True) → return zip(b, a, strict=True)"]
    assert "return g(a, b, strict=True) → return g(a, b, strict=False)" in [c.words for c in other]


def test_each_change_is_made_alone():
    import ast

    for change in changes(EXAMPLE):
        text = ast.unparse(changed(EXAMPLE, change.number))
        before, after = (set(tree.splitlines()) for tree in (ast.unparse(ast.parse(EXAMPLE)), text))
        assert 0 <= len(after - before) <= 1, change
        assert text != ast.unparse(ast.parse(EXAMPLE)), change


def test_two_of_the_same_words_are_told_apart():
    found = [change.words for change in changes("def f(a):\n    g(a, 1)\n    g(a, 1)\n    g(a, 1 + a)\n")]
    assert len(set(found)) == len(found)
    assert found[:2] == ["g(a, 1) → pass", "g(a, 1) → g(1, a)"]
    assert "g(a, 1) → pass (2)" in found


TOY = '''
"""The reference, and what can go wrong in a few lines."""
import os
import rnnspec.backends.numpy as reference


def load(checkpoint):
    return Net(reference.load(checkpoint))


class Net:
    def __init__(self, net):
        self.net = net
        self.step = net.step

    def __call__(self, x, lengths=None, mask=None, state=None, reset=None):
        if state == "no-such-state":
            return unreached(x, state)
        y, new = self.net(x, lengths, mask, state=state, reset=reset)
        while state == "forever":
            pass
        steps = 2
        if steps < 1:
            os.abort()
        return y, new


def unreached(x, state):
    return x, state
'''
CALL = "Net.__call__: y, new = self.net({}, state=state, res… → y, new = self.net({}, state=state, res…"
OUTCOMES = {
    "Net.__init__: self.net = net → pass": "caught",
    "Net.__init__: self.step = net.step → pass": "caught",
    "Net.__call__: if state == 'no-such-state': → if state != 'no-such-state':": "caught",
    "Net.__call__: … state == 'no-such-state': → … state == 'no-such-state_':": "survived",
    "Net.__call__: return unreached(x, state) → return unreached(state, x)": "unreached",
    CALL.format("x, lengths, mask", "lengths, x, mask"): "caught",
    CALL.replace("res…", "reset=res…").format("x, lengths, mask", "x, mask, lengths"): "caught",
    "Net.__call__: while state == 'forever': → while state != 'forever':": "timeout",
    "Net.__call__: while state == 'forever': → while state == 'forever_':": "survived",
    "Net.__call__: steps = 2 → steps = 3": "survived",
    "Net.__call__: steps = 2 → steps = 1": "survived",
    "Net.__call__: if steps < 1: → if not steps < 1:": "crashed",
    "Net.__call__: if steps < 1: → if steps <= 1:": "survived",
    "Net.__call__: if steps < 1: → if steps < 2:": "survived",
    "Net.__call__: if steps < 1: → if steps < 0:": "survived",
    "Net.__call__: os.abort() → pass": "unreached",
    "Net.__call__: return (y, new) → return (new, y)": "caught",
    "unreached: return (x, state) → return (state, x)": "unreached",
}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    (tmp_path / "toy_backend.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("rnnspec.conformance.generated.outcomes.SLACK", 5.0)
    return tmp_path


def test_what_the_suite_makes_of_each(toy):
    rows = list(run("toy_backend", ["toy_backend"], "rnn-*", 2))
    found = {row.change.removeprefix("toy_backend.py: "): row for row in rows}
    assert {change: row.outcome for change, row in found.items()} == OUTCOMES
    assert found["Net.__init__: self.step = net.step → pass"].by.endswith("-steps")
    assert "SIGABRT" in found["Net.__call__: if steps < 1: → if not steps < 1:"].by
    assert (toy / "toy_backend.py").read_text() == TOY
    assert "toy_backend" not in sys.modules


SMALL = """
import rnnspec.backends.numpy as reference


def load(checkpoint, speed=5):
    if checkpoint is None:
        raise TypeError("checkpoint: expected one")
    return reference.load(checkpoint)
"""
HEAD = "small_backend.py: load: … load(checkpoint, speed=5): → … load(checkpoint, speed={}):"
FASTER, SLOWER = HEAD.format(6), HEAD.format(4)
TURNED = "small_backend.py: load: if checkpoint is None: → if checkpoint is not None:"
RAISE = "small_backend.py: load: raise TypeError('checkpoint: expected one') → pass"


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Writes a list of survivors beside a backend with four changes: reason → changes."""
    (tmp_path / "small_backend.py").write_text(SMALL)
    monkeypatch.syspath_prepend(tmp_path)

    def listed(*entries):
        text = json.dumps([{"reason": reason, "changes": changes} for reason, *changes in entries])
        (tmp_path / "small_backend.survivors.json").write_text(text)

    return listed


def outcomes(jobs=1, **drawn):
    return {row.change: row.outcome for row in run("small_backend", ["small_backend"], "rnn-forward-*", jobs, **drawn)}


def test_a_sample_is_drawn_by_its_seed(small):
    every = {FASTER: "survived", SLOWER: "survived", TURNED: "caught", RAISE: "unreached"}
    assert outcomes(jobs=2) == every
    drawn = [outcomes(sample=2, seed=seed) for seed in (3, 3, 4)]
    assert all(row.items() < every.items() for row in drawn)
    assert drawn[0] == drawn[1] != drawn[2]
    assert [len(row) for row in drawn] == [2, 2, 2]


def test_a_list_of_survivors_is_held_to(small):
    small(("no one is faster", FASTER, SLOWER), ("wrong", TURNED, "small_backend.py: gone: x → y"))
    rows = list(run("small_backend", ["small_backend"], "rnn-forward-*", 1))
    assert {row.change: row.by for row in rows if row.outcome == "known"} == dict.fromkeys(
        (FASTER, SLOWER), "no one is faster"
    )
    caught, gone = sorted(faults(["small_backend"], rows))
    assert re.fullmatch(rf"small_backend: listed as a survivor, and caught by rnn-\S+: {re.escape(TURNED)}", caught)
    assert gone == "small_backend: listed as a survivor, and there is no such change: small_backend.py: gone: x → y"
    small(("once", FASTER), ("twice", FASTER))
    with pytest.raises(SpecError, match=r"survivors.json: expected each change once"):
        outcomes()


def test_cases_that_go_other_ways_through_the_module_come_first():
    def case(k, seconds, *lines):
        inside = frozenset([*(("toys.loop", line) for line in lines), ("toys", k)])
        return Reached(("toys", 0, k), "", seconds, inside, frozenset())

    seen = [case(0, 1.0, 1, 2), case(1, 2.0, 1, 2), case(2, 3.0, 1, 3, 4), case(3, 0.5, 1, 3), case(4, 9.0, 1, 5)]
    place = places(seen, "toys.loop")
    order = sorted(place, key=place.__getitem__)
    # most lines; then the quicker of two that add one; what adds none after all that do; the second of a way at the end
    assert [k for _, _, k in order] == [2, 0, 4, 3, 1]


def test_as_many_cases_as_asked_for_are_tried(small):
    rows = {row.change: row for row in run("small_backend", ["small_backend"], "rnn-forward-*", 1, tries=3)}
    assert {change: row.outcome for change, row in rows.items()} == {
        FASTER: "survived", SLOWER: "survived", TURNED: "caught", RAISE: "unreached"
    }  # fmt: skip
    assert (rows[FASTER].tried, rows[RAISE].tried, rows[RAISE].cases) == (3, 0, 0)
    every = {row.change: row for row in run("small_backend", ["small_backend"], "rnn-forward-*", 1)}
    assert every[FASTER].cases == every[FASTER].tried == rows[FASTER].cases > 3


TABLE = """
import rnnspec.backends.numpy as reference

LOADERS = {
    "lstm": lambda checkpoint: (reference.load(checkpoint), None)[0],
    "others": lambda checkpoint: reference.load(checkpoint),
}


def load(checkpoint):
    if "lstm" in repr(checkpoint.model).lower():
        return LOADERS["lstm"](checkpoint)
    name = "others"
    loader = LOADERS[name]
    return loader(checkpoint)
"""


def test_of_a_table_of_functions_the_cases_that_run_the_line_come_first(tmp_path, monkeypatch):
    (tmp_path / "table_backend.py").write_text(TABLE)
    monkeypatch.syspath_prepend(tmp_path)
    turned = next(change for change in changes(TABLE) if "None)[1]" in change.words)
    assert (turned.line, turned.end, turned.near) == (4, 7, (5, 5))
    rows = {
        row.change.removeprefix("table_backend.py: "): row
        for row in run("table_backend", ["table_backend"], "[lr][ns]*-forward-*", 1, tries=1)
    }
    assert (rows[turned.words].outcome, rows[turned.words].tried) == ("caught", 1)


def test_what_is_listed_is_tried_last(small):
    small(("no one is faster", FASTER))
    rows = list(run("small_backend", ["small_backend"], "rnn-forward-*", 1))
    assert [row.outcome for row in rows] == ["unreached", "survived", "caught", "known"]


def test_a_module_of_a_package_is_held_to_the_list_of_the_package(tmp_path, monkeypatch):
    inner = tmp_path / "toybox" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "__init__.py").write_text("")
    (inner / "loop.py").write_text(SMALL)
    (inner.parent / "backend.py").write_text("from toybox.inner.loop import load\n")
    names = {change: change.replace("small_backend.py", "inner/loop.py") for change in (FASTER, SLOWER, TURNED)}
    (inner.parent / "survivors.json").write_text(json.dumps([{"reason": "so", "changes": list(names.values())}]))
    monkeypatch.syspath_prepend(tmp_path)
    rows = list(run("toybox.backend", ["toybox.inner.loop", "toybox.backend"], "rnn-forward-*", 1))
    assert {row.package for row in rows} == {"toybox"}
    assert {row.change: row.by for row in rows if row.outcome == "known"} == {
        names[FASTER]: "so",
        names[SLOWER]: "so",
    }
    (fault,) = faults(["toybox.inner.loop", "toybox.backend"], rows)
    assert fault.startswith("toybox: listed as a survivor, and caught by rnn-")
    assert fault.endswith(names[TURNED])


@pytest.mark.parametrize("package", ["rnnspec.backends.torch", "rnnspec.export"])
def test_our_lists_name_changes_that_there_are(package):
    assert faults([package], []) == []


@pytest.mark.parametrize(
    ("listed", "code", "says"),
    [
        ((FASTER, SLOWER), 0, ""),
        ((FASTER,), 1, f"SURVIVED small_backend: line 5: {SLOWER}"),
        ((FASTER, SLOWER, TURNED), 1, "listed as a survivor, and caught by rnn-"),
    ],
)
def test_the_command_fails_where_one_survives_without_a_reason(
    small, tmp_path, monkeypatch, capsys, listed, code, says
):
    small(("equal", *listed))
    report = tmp_path / "report.json"
    arguments = ["--mutants", "--backend", "small_backend", "--case", "rnn-forward-*", "--json", str(report)]
    monkeypatch.setattr(sys, "argv", ["rnnspec", "conformance", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    out = capsys.readouterr().out
    assert (end.value.code or 0) == code
    assert says in out
    assert ("SURVIVED" in out) == (SLOWER not in listed)
    assert {row["change"] for row in json.loads(report.read_text())["changes"]} == {FASTER, SLOWER, TURNED, RAISE}


def test_the_command_says_on_how_many_cases_one_survived(small, monkeypatch, capsys):
    arguments = ["--mutants", "--backend", "small_backend", "--case", "rnn-forward-*", "--tries", "2"]
    monkeypatch.setattr(sys, "argv", ["rnnspec", "conformance", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert re.search(rf"{re.escape(FASTER)} \(on 2 of \d+ cases\)", capsys.readouterr().out)


def test_a_neighbour_may_import_what_is_changed(tmp_path, monkeypatch):
    (tmp_path / "toys").mkdir()
    for name, text in (("__init__", ""), ("loop", SMALL), ("neighbour", "from toys.loop import load\n")):
        (tmp_path / "toys" / f"{name}.py").write_text(text)
    (tmp_path / "toys" / "backend.py").write_text("from toys.neighbour import load\n")
    monkeypatch.syspath_prepend(tmp_path)
    rows = list(run("toys.backend", ["toys.loop"], "rnn-forward-*", 1))
    assert [row.outcome for row in rows] == ["unreached", "survived", "survived", "caught"]


def test_a_backend_that_fails_as_it_is_comes_first(toy):
    Path(toy / "wrong_backend.py").write_text(TOY.replace("lengths, mask, state", "state"))
    with pytest.raises(SpecError, match=r"'wrong_backend': rnn-\S+ fails with nothing changed: "):
        list(run("wrong_backend", ["wrong_backend"], "rnn-*ragged", 1))


@pytest.mark.parametrize("name", ["no_such_module", "math", "toy_backend.inner"])
def test_what_has_no_source_is_one_line(toy, name):
    with pytest.raises(SpecError, match=f"^--mutants: '{name}': expected a module or package written in Python"):
        list(run("numpy", [name], "rnn-*", 1))
