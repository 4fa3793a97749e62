"""Files are written whole, and what a writer left that was killed goes with the next."""

import os
import signal
import subprocess
import sys

import pytest

from rnnspec import atomic
from rnnspec.atomic import abandon, write_atomically

_KILLED = """
import os, signal, sys
from rnnspec.atomic import write_atomically
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write_atomically(sys.argv[1], b"half" * 1000)
"""


def _names(folder):
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("name", ["model.safetensors", "m" * 240, "[a]*?.x", "ü" * 120])
def test_what_a_killed_writer_left_goes_with_the_next(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"before")
    killed = subprocess.run([sys.executable, "-c", _KILLED, path], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"before"
    assert len(_names(tmp_path)) == 2
    write_atomically(path, b"after")
    assert path.read_bytes() == b"after"
    assert _names(tmp_path) == [name]


def test_what_another_still_writes_stays(tmp_path):
    path = tmp_path / "model.safetensors"
    handle, temporary, claim = atomic._temporary(path)
    write_atomically(path, b"mine")
    assert os.path.exists(temporary)
    with claim:
        os.close(handle)
        write_atomically(path, b"again")  # it is claimed until the claim ends
        assert os.path.exists(temporary)
    write_atomically(path, b"once more")
    assert _names(tmp_path) == [path.name]
    assert path.read_bytes() == b"once more"


def test_what_is_not_ours_stays(tmp_path):
    path = tmp_path / "model.safetensors"
    others = ["model.safetensors.partial", "model.safetensors.12345678", "model.safetensors.123456789.partial"]
    for name in others:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "model.safetensors.folder__.partial").mkdir()
    write_atomically(path, b"x")
    assert _names(tmp_path) == sorted([path.name, *others, "model.safetensors.folder__.partial"])


def test_a_file_swept_before_it_was_claimed_is_made_again(tmp_path, monkeypatch):
    swept = []

    def made(*arguments, make=atomic.tempfile.mkstemp):
        handle, name = make(*arguments)
        if not swept:
            swept.append(name)
            os.unlink(name)
        return handle, name

    monkeypatch.setattr(atomic.tempfile, "mkstemp", made)
    write_atomically(tmp_path / "x", b"whole")
    assert swept
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert _names(tmp_path) == ["x"]


def test_a_command_that_ends_at_once_leaves_nothing(tmp_path, monkeypatch):
    left = []

    def replace(source, target):
        abandon()
        left.extend(_names(tmp_path))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises((KeyboardInterrupt, FileNotFoundError)):
        write_atomically(tmp_path / "x", b"")
    assert left == []
