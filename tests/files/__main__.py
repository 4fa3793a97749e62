"""Write the files again."""

import json
import shutil

from tests.files import FOLDER, FOREIGN, KINDS, files

shutil.rmtree(FOLDER, ignore_errors=True)
words: dict[str, str] = {}
for kind in KINDS | FOREIGN:
    for file in files(kind):
        path = FOLDER / ("invalid" if file.says else "valid") / kind / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        if file.says:
            words[f"{kind}/{file.name}"] = file.says
(FOLDER / "words.json").write_text(json.dumps(words, indent=1, sort_keys=True) + "\n", encoding="utf-8")
