"""Which files a checkpoint is in, and all its tensors."""

import re
from glob import escape
from pathlib import Path

import numpy as np

from rnnspec.convert.formats.tensorflow.bundle import read_bundle
from rnnspec.convert.formats.tensorflow.v1 import read_v1
from rnnspec.convert.variables import some
from rnnspec.errors import SpecError
from rnnspec.reading import contents, reading
from rnnspec.shown import shown

_ENDING = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_SHARD = re.compile(r"-\d{5}-of-(\d{5})$")
_LATEST = re.compile(r'^[ \t]*model_checkpoint_path:\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)


def read_checkpoint(source: Path) -> dict[str, np.ndarray]:
    """All tensors of the checkpoint: name → array.

    Args:
        source: its prefix (`model.ckpt-4`), one of its files, or a folder: the checkpoint that its file `checkpoint`
            names as the latest, or the only one in it.

    Raises:
        FileNotFoundError: there is none.
        SpecError: damaged; or the folder names a checkpoint outside of it, or has several.
        UnsupportedError: a data type that NumPy does not have.
    """
    prefix = _prefix(source)
    if prefix.with_name(prefix.name + ".index").exists():
        return read_bundle(prefix)
    if prefix.exists() and not _SHARD.search(prefix.name):
        return read_v1([prefix])
    prefix = prefix.with_name(_SHARD.sub("", prefix.name))
    shards = [_SHARD.search(path.name) for path in prefix.parent.glob(f"{escape(prefix.name)}-?????-of-?????")]
    count = max((int(shard[1]) for shard in shards if shard), default=0)
    return read_v1([prefix.with_name(f"{prefix.name}-{k:05}-of-{count:05}") for k in range(count)] or [prefix])


def beside(source: Path, suffix: str) -> Path:
    """A file of a checkpoint's prefix, `model.ckpt.meta`, whether it is there or not; `source` as of
    `read_checkpoint`."""
    prefix = _prefix(source)
    return prefix.with_name(_SHARD.sub("", prefix.name) + suffix)


def _prefix(source: Path) -> Path:
    return _latest(source) if source.is_dir() else source.with_name(_ENDING.sub("", source.name))


def _latest(folder: Path) -> Path:
    """The prefix of the checkpoint of a folder."""
    state = folder / "checkpoint"
    if not state.exists():
        prefixes = sorted(path.with_suffix("") for path in folder.glob("*.index"))
        if len(prefixes) != 1:
            names = some([prefix.name for prefix in prefixes])
            raise SpecError(f"{folder}: no file `checkpoint` says which one to take; found {names}: give its prefix")
        return prefixes[0]
    found = _LATEST.search(contents(state).decode(errors="replace"))
    if not found:
        raise SpecError(f"{state}: it names no model_checkpoint_path; give the prefix of the checkpoint")
    prefix = folder / re.sub(r"\\(.)", r"\1", found[1])
    with reading(state, ValueError, RuntimeError, what=f"it names {shown(found[1])}"):  # NUL; links in a circle
        inside = prefix.resolve().is_relative_to(folder.resolve())
    if not inside or prefix == folder:
        raise SpecError(f"{state}: it names {shown(found[1])}, outside the folder; give the prefix of the checkpoint")
    return prefix
