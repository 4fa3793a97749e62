"""Python for `--import`: it is executed, as it was asked for, and what it raises is said."""

from collections.abc import Iterator


def files() -> Iterator[tuple]:
    yield "nothing.py", b"x = 1\n"
    yield "syntax.py", b"x = 1\ndef (:\n", "syntax.py:2: SyntaxError"
    yield "indentation.py", b"if True:\nx = 1\n", "indentation.py:2: IndentationError"
    yield "nested.py", b"(" * 1000, "SyntaxError"
    yield "zeros.py", bytes(20), "SyntaxError"
    yield "latin.py", "x = 'é'\n".encode("latin-1"), "SyntaxError"
    yield "raises.py", b"def f():\n    raise KeyError('\\x1b[31m')\nf()\n", "raises.py:2: KeyError"
    yield "ends.py", b"import sys\nsys.exit('\\n\\n')\n", "ends.py:2: SystemExit"
    yield "lacks.py", b"import rnnspec_no_such_module\n", "lacks.py:1: ModuleNotFoundError"
    yield "recurses.py", b"def f():\n    return f()\nf()\n", "RecursionError"
    lines = b"from rnnspec import Cell\nclass Mine(Cell, tag='mine', frozen=True):\n    size: 'Nowhere'\n"
    yield "cell.py", lines + b"Mine(size=1)\n", "cell.py"
