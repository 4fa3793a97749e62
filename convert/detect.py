"""Which format a source is in, by what is in it."""

import re
from glob import escape
from pathlib import Path

from rnnspec import limits
from rnnspec.archives import open_zip
from rnnspec.errors import SpecError
from rnnspec.reading import reading, regular

_ORBAX = ("_CHECKPOINT_METADATA", "_METADATA", "manifest.ocdbt")
_TREE = re.compile(rb'[./"](kernel|embedding)([./]value)?"')  # names in safetensors
_STATE_DICT = re.compile(rb'(weight(_[ih]h\w*)?|recurrent_kernel)"')  # torch's, or ours
FORMATS = ("tf1", "keras", "torch", "onnx", "flax", "arrays")


def format_of(source: Path) -> str:
    """The format of a file, a folder, or the prefix of a TensorFlow checkpoint.

    Raises:
        FileNotFoundError: there is nothing there.
        SpecError: it is in none of the formats; the message says what would do.
    """
    if source.is_dir():
        if (source / "saved_model.pb").exists():
            return "keras"
        if any((folder / name).exists() for folder in (source, source / "default") for name in _ORBAX):
            return "flax"
        if (source / "checkpoint").exists() or list(source.glob("*.index")):
            return "tf1"
        raise SpecError(f"{source}: a folder without saved_model.pb or a TensorFlow checkpoint")
    if source.suffix in (".index", ".meta") or ".data-" in source.name:
        return "tf1"
    if source.with_name(source.name + ".index").exists():
        return "tf1"
    if not source.exists() and any(source.parent.glob(f"{escape(source.name)}-?????-of-?????")):
        return "tf1"  # V1, in shards
    with reading(source), regular(source).open("rb") as file:
        head = file.read(16)
        file.seek(max(0, source.stat().st_size - 8))
        tail = file.read(8)
    if source.name == "saved_model.pb":
        raise SpecError(f"{source}: its folder is what is converted; give that")
    if source.suffix == ".pb":
        return "tf1"  # a frozen graph
    if head.startswith(b"\x89HDF"):
        return "keras"
    if head.startswith(b"PK"):
        return _zip(source)
    if head[:1] in (b"{", b"[") and source.suffix == ".json":
        return "arrays"
    if head[8:9] == b"{":
        with reading(source), source.open("rb") as file:
            header = file.read(min(limits.JSON_BYTES, 8 + int.from_bytes(head[:8], "little")))
        if b'"rnnspec"' in header:
            raise SpecError(f"{source}: a model file of ours already; --to writes it for another framework")
        return "flax" if _TREE.search(header) and not _STATE_DICT.search(header) else "torch"
    if tail == bytes.fromhex("57fb808b247547db"):  # the end of every SSTable: a V1 checkpoint
        return "tf1"
    if head.startswith(b"\x80") and head[1:2] in b"\x02\x03\x04\x05" and b"\x8a" in head:
        return "torch"  # before zip archives: pickled numbers that say so, then the state dict
    for suffixes, name in (
        ((".pt", ".pth"), "torch"),
        ((".onnx",), "onnx"),
        ((".msgpack",), "flax"),
        ((".pdparams",), "arrays"),
    ):
        if source.suffix in suffixes:
            return name
    if re.fullmatch(r"checkpoint_\d+", source.name):  # what flax.training.checkpoints calls them
        return "flax"
    raise SpecError(f"{source}: not recognised; give --from {'|'.join(FORMATS)}")


def _zip(source: Path) -> str:
    with open_zip(source) as archive:
        names = archive.namelist()
    if any(name.endswith(("data.pkl", "/archive_format", "serialized_exported_program.json")) for name in names):
        return "torch"  # a state dict, or a program, which is refused there
    if "config.json" in names:
        return "keras"
    if names and all(name.endswith(".npy") for name in names):
        return "flax"
    raise SpecError(f"{source}: a zip archive that is not .keras, .pt or .npz")
