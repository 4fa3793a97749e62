"""Run every command that the documents show and put its output in the place of the old one.

    python docs/regenerate.py            the documents and docs/same-numbers.svg

In a document, `<!-- output of: COMMAND -->` is followed by a fenced block, which is replaced.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rnnspec.report.picture import draw, errors, mistakes

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "SECURITY.md", "benchmarks/README.md", "docs/GRAPHS.md", "docs/ARRAYS.md")
BLOCK = re.compile(r"(<!-- output of: (?P<command>.+?) -->\n```text\n).*?(?=```\n)", re.S)
EXAMPLE = re.compile(r"```python\n(?P<code>.*?)```\n+```text\n(?P<output>.*?)```", re.S)


def output(command: str) -> str:
    """What a command prints, with the environment's own scripts first on the path."""
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
    done = subprocess.run(
        command, shell=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True
    )
    return "\n".join(line.rstrip() for line in done.stdout.rstrip().splitlines()) + "\n"


def run_example(code: str) -> str:
    """What the README's example prints."""
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": "example"})
    return printed.getvalue()


def example(text: str) -> re.Match[str]:
    """The README's example and the output shown below it."""
    found = EXAMPLE.search(text)
    if not found:
        raise SystemExit("README.md: no python block followed by a text block")
    return found


def main() -> None:
    for name in DOCUMENTS:
        path = ROOT / name
        text = BLOCK.sub(lambda block: block.group(1) + output(block["command"]), path.read_text(encoding="utf-8"))
        if name == "README.md":
            shown = example(text)
            text = text[: shown.start("output")] + run_example(shown["code"]) + text[shown.end("output") :]
        path.write_text(text, encoding="utf-8")
    picture = draw(errors(ROOT / "docs" / "conformance.json"), mistakes())
    (ROOT / "docs" / "same-numbers.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
