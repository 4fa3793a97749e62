"""Many reports of the conformance suite in one: CONFORMANCE.md and docs/conformance.html.

    rnnspec conformance --json reports/all.json; rnnspec conformance --mutants --json reports/mutants.json
    python -m rnnspec.report reports

Takes reports and folders of reports, and writes below the folder where it is run. The same reports give the same pages.
Exits 1 where a case failed or was not run, or a mutant was not caught.
"""

import sys
from pathlib import Path

from rnnspec.report.columns import read
from rnnspec.report.markdown import markdown
from rnnspec.report.page import page


def main(reports: list[str], root: Path) -> int:
    """Write both pages below `root`."""
    run = read([Path(report) for report in reports])
    (root / "CONFORMANCE.md").write_text(markdown(run), encoding="utf-8")
    (root / "docs" / "conformance.html").write_text(page(run), encoding="utf-8")
    for where, what, why in run.failures:
        print(f"FAIL {where}: {what}: {why}")
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path()))
