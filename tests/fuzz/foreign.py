"""What frameworks saved, changed, and read by `convert`. These targets need what reads the formats: h5py and onnx."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec

from rnnspec.convert import convert
from tests.files import FOLDER
from tests.fuzz import formats
from tests.fuzz.formats import archive, bytes_, structured
from tests.fuzz.mutations import VALUES
from tests.fuzz.targets import Target

GOLDEN = FOLDER.parent / "golden"


def _seeds(*patterns: str) -> Callable[[], list[bytes]]:
    paths = sorted(path for pattern in patterns for path in GOLDEN.glob(pattern))
    return lambda: [path.read_bytes() for path in paths]


def _of_torch(r: Random, name: str, data: bytes) -> bytes:
    return formats.pickle(r, data) if name.endswith(".pkl") else bytes_(r, data)


def _of_keras(r: Random, name: str, data: bytes) -> bytes:
    return formats.text(r, data) if name.endswith(".json") else formats.hdf5(r, data)


def _legacy(r: Random, data: bytes) -> bytes:
    """The fourth pickle, of five, is what was saved."""
    ends = []
    for _ in range(4):
        start = ends[-1] if ends else 0
        ends.append(start + [place or 0 for _, _, place in formats.pickletools.genops(data[start:])][-1] + 1)
    return data[: ends[2]] + formats.pickle(r, data[ends[2] : ends[3]]) + data[ends[3] :]


def _msgpack(r: Random, data: bytes) -> bytes:
    values = [value for value in VALUES if not isinstance(value, int) or value < 2**64]  # what it can hold
    return msgspec.msgpack.encode(formats.tree(r, msgspec.msgpack.decode(data), values))


def _bundle(path: Path) -> None:
    data = ".data-00000-of-00001"
    shutil.copy(BUNDLE.with_suffix(data), path.with_suffix(data))
    convert(path)


def _saved_model(path: Path) -> None:
    folder = path.with_suffix("")
    shutil.copytree(SAVED_MODEL, folder)
    shutil.copy(path, folder / "saved_model.pb")
    convert(folder)


BUNDLE = GOLDEN / "tf1" / "multi_lstm3" / "model.ckpt.index"
SAVED_MODEL = GOLDEN / "keras3" / "lstm" / "saved_model"

FOREIGN = {
    "torch": Target(_seeds("torch/[!l]*/state_dict.pt"), convert, ".pt", structured(archive(_of_torch))),
    "torch legacy": Target(_seeds("torch/lstm_legacy_pt/state_dict.pt"), convert, ".pt", structured(_legacy)),
    "flax": Target(_seeds("flax/*/params.msgpack"), convert, ".msgpack", structured(_msgpack)),
    "flax npz": Target(_seeds("flax/*/params.npz"), convert, ".npz", structured(archive(lambda r, n, d: bytes_(r, d)))),
    "keras": Target(_seeds("keras*/*/model.keras"), convert, ".keras", structured(archive(_of_keras))),
    "hdf5": Target(_seeds("keras*/*/model.h5"), convert, ".h5", structured(formats.hdf5)),
    "hdf5 weights": Target(_seeds("keras3/*/model.weights.h5"), convert, ".weights.h5", structured(formats.hdf5)),
    "tf1": Target(_seeds("tf012/*/model.ckpt", "tf1/*/model.ckpt"), convert, ".ckpt", structured(formats.table)),
    "tf1 index": Target(lambda: [BUNDLE.read_bytes()], _bundle, ".index", structured(formats.table)),
    "saved model": Target(
        lambda: [(SAVED_MODEL / "saved_model.pb").read_bytes()], _saved_model, ".pb", structured(formats.message)
    ),
    "onnx": Target(_seeds("onnx*/*/model*.onnx"), convert, ".onnx", structured(formats.message)),
}
