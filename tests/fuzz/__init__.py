"""Files that are almost right.

    python -m tests.fuzz --minutes 10            all targets
    python -m tests.fuzz --minutes 10 model npz  some

`targets.py` says which files are changed and what reads them, `mutations.py` how. A short run, the same each time, is
among the tests.
"""
