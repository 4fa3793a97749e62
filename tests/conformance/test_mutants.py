"""The catalogue of mutants: each changes what it says, in a process of its own, and is caught there.

All of them are tried by `rnnspec conformance --mutants`.
"""

import ast
import inspect
import textwrap

import pytest

from rnnspec.conformance import record
from rnnspec.conformance.mutants import mutants
from rnnspec.conformance.mutants.change import changed, exchange
from rnnspec.conformance.workers import Workers

MUTANTS = [mutant for mutant in mutants() if not mutant.missing]


def test_there_are_enough_mutants_and_no_two_are_the_same():
    found = list(mutants())
    assert len({mutant.id for mutant in found}) == len(found) >= 759
    changes = [(mutant.target, mutant.before, mutant.after) for mutant in found if mutant.target]
    assert len(set(changes)) > 0.95 * len(changes)  # a few break two clauses


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.target], ids=lambda mutant: mutant.id)
def test_the_source_has_what_the_mutant_changes(mutant):
    owner, name = mutant.place()
    right = owner[name] if isinstance(owner, dict) else inspect.getattr_static(owner, name)
    assert changed(right, owner, mutant.before, mutant.after) is not right


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.target][::20], ids=lambda mutant: mutant.id)
def test_a_mutant_does_not_touch_the_library_that_is_in_use(mutant):
    with pytest.raises(AssertionError, match="a mutant lives in a process of `Workers`"), mutant.alive():
        pass


@pytest.fixture(scope="module")
def workers():
    with Workers(1) as found:
        yield found


@pytest.mark.parametrize("k", range(0, len(MUTANTS), 50), ids=lambda k: MUTANTS[k].id)
def test_the_suite_catches_the_mutant(k, workers):
    """By a case that cites the clause which it breaks."""
    (found,) = workers.map(record.killed, [k])
    assert found["caught_by"] is not None


FUNCTION = """
def f(self, x, y=None):
    z = x + self.one(x)
    if z is not None:
        z = z * 2
    self.say(f"{z}")
    out[0] = z
    return out, z
"""


@pytest.mark.parametrize(
    ("before", "after", "was", "becomes"),
    [
        ("x + self.one(x)", "x", "z = x + self.one(x)", "z = x"),
        ("self.one(x)", "_ * _", "self.one(x)", "self.one(x) * self.one(x)"),
        ("z * 2", "(lambda z: z)(\n    _\n)", "z * 2", "(lambda z: z)(z * 2)"),
        ("out[0]", "out[1]", "out[0] =", "out[1] ="),
        ("z is not None", "False", "z is not None", "False"),
        ("z = z * 2", "pass", "z = z * 2", "pass"),
        ("z = z * 2", "_; z += 1", "z = z * 2", "z = z * 2; z += 1"),
        ("z #6/6", "None", "out, z", "out, None"),
        ("def f(self, x, y=None): ...", "def f(self, y, x=None): ...", "x, y=None", "y, x=None"),
    ],
)
def test_a_piece_is_exchanged(before, after, was, becomes):
    assert FUNCTION.count(was) == 1
    tree = ast.parse(FUNCTION)
    exchange(tree.body[0], before, after)
    assert ast.dump(tree) == ast.dump(ast.parse(FUNCTION.replace(was, becomes)))


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("z + 2", "once in the function, found 0 times"),
        ("z", "once in the function, found 6 times"),
        ("z #1/2", "expected 2 in the function, found 6"),
    ],
)
def test_a_piece_that_is_not_there_or_not_alone_is_an_error(before, says):
    with pytest.raises(ValueError, match=says):
        exchange(ast.parse(FUNCTION).body[0], before, "None")


def test_the_layout_of_the_source_does_not_matter():
    wide = textwrap.dedent(FUNCTION).replace(
        "x + self.one(x)", "(\n        x\n        + self.one(  # so\n            x)\n    )"
    )
    trees = [ast.parse(text) for text in (FUNCTION, wide)]
    for tree in trees:
        exchange(tree.body[0], "x + self.one(x)", "0")
    assert ast.dump(trees[0]) == ast.dump(trees[1])


class Base:
    def value(self):
        return 1


class Derived(Base):
    def value(self):
        return super().value() + 1


def test_a_changed_method_finds_the_class_above():
    method = changed(Derived.value, Derived, "super().value() + 1", "_ * 10")
    assert method(Derived()) == 20
    assert Derived().value() == 2
