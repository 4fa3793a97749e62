"""The limits of spec/limits.py as a table, one line each: what SECURITY.md shows.

python docs/limits.py
"""

import re
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "spec" / "limits.py"
ROW = re.compile(r"(?P<name>[A-Z_]+) = (?P<value>[^#]+?)  # (?P<why>.+)")


def table() -> str:
    """Every constant with its value and its comment, under the headings that stand between them."""
    _, _, constants = SOURCE.read_text(encoding="utf-8").partition('\n"""\n')
    lines = []
    for line in filter(None, map(str.strip, constants.splitlines())):
        if line.startswith("#"):
            lines.append(f"\n{line.removeprefix('# ')}")
        elif row := ROW.fullmatch(line):
            lines.append(f"  {row['name']:<16} {row['value'].replace('_', ' '):>12}  {row['why']}")
        else:
            raise ValueError(f"{SOURCE}: a constant with a comment on its line is expected, found {line!r}")
    return "\n".join(lines).strip() + "\n"


if __name__ == "__main__":
    print(table(), end="")
