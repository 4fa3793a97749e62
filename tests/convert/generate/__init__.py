"""Random models of each framework, converted and compared with its own numbers.

python -m tests.convert.generate.keras --seed 0 --count 40
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

Result = tuple[str, str]  # exact, refused, WRONG, or none where there is no such model; and why, or by how much


def compared(ours: list[np.ndarray], theirs: list[np.ndarray]) -> Result:
    """Whether these are the same numbers."""
    if [each.shape for each in ours] != [each.shape for each in theirs]:
        return "WRONG", f"shapes {[each.shape for each in ours]}, not {[each.shape for each in theirs]}"
    worst = max(float(np.abs(a - b).max() / max(1, np.abs(b).max())) for a, b in zip(ours, theirs, strict=True))
    return ("exact", "") if worst < 1e-5 else ("WRONG", f"off by {worst:.1e}")


def run(tried: Callable[[int], Any], what: str | None) -> int:
    """Try as many seeds as the command line says; print what was not exact, and how many were what.

    Args:
        tried: seed → `Result`, or way → `Result` where a model goes several.
        what: the description of the command.

    Returns:
        The exit status: 1 where one is wrong.
    """
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=40)
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for seed in range(options.seed, options.seed + options.count):
        found = tried(seed)
        for way, (result, why) in found.items() if isinstance(found, dict) else [("", found)]:
            counts[way][result] += 1
            if result not in ("exact", "none"):
                print(f"{seed}: {way}{': ' if way else ''}{result}: {why}")
    for way, each in counts.items():
        print(f"{way}{': ' if way else ''}{', '.join(f'{count} {result}' for result, count in each.most_common())}")
    return int(any(each["WRONG"] for each in counts.values()))
