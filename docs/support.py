"""docs/SUPPORT.md: which option runs where, and how close, from the run of the suite in docs/conformance.json.

rnnspec conformance --json docs/conformance.json && python docs/support.py
"""

import json
import re
from collections import defaultdict
from pathlib import Path

FOLDER = Path(__file__).parent
# What follows the option in a case's id: the way in which it was called.
_CALL = re.compile(
    r"-(both|cell-steps|steps|chunks|holes|restarts|lengths|mask|last|(forward|backward|bidirectional)(-.*)?)$"
)


def option(case: str) -> str:
    """The option that a case tries."""
    while (shorter := _CALL.sub("", case)) != case:
        case = shorter
    return case


def main() -> None:
    results = json.loads((FOLDER / "conformance.json").read_text(encoding="utf-8"))
    variants = list(dict.fromkeys(row["variant"] for row in results))
    cells: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for row in results:
        cells[option(row["case"])][row["variant"]].append(row)
    lines = [
        "# What runs where",
        "",
        "Printed by `python docs/support.py` from a run of the conformance suite. Each number is the largest",
        "error of the option's cases against the reference in float64, outputs and final states; `no` is a refusal by",
        "`UnsupportedError`, and `some` means that some of its cases are refused.",
        "",
        "| option | " + " | ".join(variants) + " |",
        "|---|" + "---:|" * len(variants),
    ]
    lines += [
        f"| {name} | " + " | ".join(_cell(cells[name][variant]) for variant in variants) + " |"
        for name in sorted(cells)
    ]
    (FOLDER / "SUPPORT.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(rows: list) -> str:
    outcomes = {row["outcome"] for row in rows}
    worst = max((float(row["error"]) for row in rows if row["outcome"] == "pass"), default=0)
    if "fail" in outcomes:
        return "FAILS"
    if outcomes == {"unsupported"}:
        return "no"
    return f"{worst:.0e}" + (" some" if "unsupported" in outcomes else "")


if __name__ == "__main__":
    main()
