"""README's Python blocks as one script, for type checkers: `python tests/readme.py FOLDER` writes FOLDER/readme.py."""

import re
import sys
from pathlib import Path

text = Path(__file__).parent.parent.joinpath("README.md").read_text(encoding="utf-8")
blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
assert blocks, "README.md has no Python block"
Path(sys.argv[1]).joinpath("readme.py").write_text("\n".join(blocks), encoding="utf-8")
