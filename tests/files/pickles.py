"""What `torch.save` writes, zip and legacy, and what looks like it."""

import io
import struct
import zipfile
from collections.abc import Iterator

import numpy as np

from tests.files.models import ESCAPE

NUMBERS = np.linspace(-1, 1, 300, dtype="<f4").tobytes()
SHAPES = {"weight_ih_l0": (12, 3), "weight_hh_l0": (12, 4), "bias_ih_l0": (12,), "bias_hh_l0": (12,)}
START = b"\x80\x02"


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def whole(value: int) -> bytes:
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def sizes(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(whole, values)) + b"t"


def tensor(shape, offset=0, strides=None, key="0", size=300, kind="torch\nFloatStorage") -> bytes:
    """A call of `_rebuild_tensor_v2`."""
    strides = tuple(int(np.prod(shape[k + 1 :])) for k in range(len(shape))) if strides is None else strides
    storage = b"(" + text("storage") + b"c" + kind.encode() + b"\n" + text(key) + text("cpu") + whole(size) + b"tQ"
    view = storage + whole(offset) + sizes(shape) + sizes(strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + view + b"\x89ccollections\nOrderedDict\n)RtR"


def state_dict(entries: dict[str, bytes]) -> bytes:
    inside = b"".join(text(name) + value for name, value in entries.items())
    return START + b"ccollections\nOrderedDict\n)R(" + inside + b"u."


def gru(**others: bytes) -> dict[str, bytes]:
    """The tensors of an `nn.GRU(3, 4)`, some of them given."""
    found, at = {}, 0
    for name, shape in SHAPES.items():
        found[name] = others.get(name, tensor(shape, at))
        at += int(np.prod(shape))
    return found | others


def nest(depth: int) -> bytes:
    """A tuple of itself twice, so often inside itself."""
    return b")q\x00" + b"h\x00\x86q\x00" * depth


def saved(pickle: bytes, numbers: bytes | None = NUMBERS, **members: bytes) -> bytes:
    """The zip file of `torch.save`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        contents = {"data.pkl": pickle, "byteorder": b"little", **members}
        contents |= {} if numbers is None else {"data/0": numbers}
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(f"m/{name}"), data)
    return file.getvalue()


def legacy(pickle: bytes, keys: bytes = text("0"), numbers: bytes = struct.pack("<q", 300) + NUMBERS) -> bytes:
    """The same before torch 1.6."""
    magic = START + b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b"."
    return magic + START + b"M\xe9\x03." + START + b"}." + pickle + START + b"](" + keys + b"e." + numbers


def files() -> Iterator[tuple]:
    good = state_dict(gru())
    yield "zip.pt", saved(good)
    yield "legacy.pth", legacy(good)
    yield "beside.pt", saved(START + b"}(" + text("state_dict") + good[2:-1] + text("epoch") + b"K\x03u.")
    pairs = START + b"}(" + text("model") + good[2:-1] + text("merges") + b"}" + text("a") + text("b") + b"\x86K\x01su."
    yield "pairs-as-keys.pt", saved(pairs)
    yield "cut.pt", saved(good)[:400], "cut off"
    yield "cut.pth", legacy(good)[:-900], "cut off"
    yield "no-pickle.pt", saved(good).replace(b"data.pkl", b"data.pkx"), "data.pkl is missing"
    yield "program.pt", saved(good, **{"constants.pkl": b"."}), "TorchScript"
    yield "storage-missing.pt", saved(good, None), "data/0 is missing"
    yield "storage-short.pt", saved(good, NUMBERS[:-4]), "cut off"
    yield "plain.pt", START + b"}.", "never loaded"
    for name, pickle, says in (
        ("code", START + b"cos\nsystem\n(" + text("true") + b"tR.", "os.system, code that is never run"),
        ("code-escapes", START + b"c" + ESCAPE.replace("\r", "").encode() + b"\nx\n.", "code that is never run"),
        ("code-long", START + b"c" + b"a" * 20_000 + b"\nb\n.", "code that is never run"),
        ("nest-as-key", START + b"}" + nest(40) + b"K\x01s.", "a nest as key"),
        ("nest-as-value", START + b"}" + text("a") + nest(40) + b"s.", "no state dict"),
        ("deep", START + b"]" * 20_000 + b"a" * 19_999 + b".", "found list"),
        ("itself", START + b"}q\x00" + text("a") + b"h\x00s.", "no state dict"),
        ("other-instruction", START + b"\xffa.", "no pickle of protocol 2 to 5"),
        ("text", START + b"\x8c\x01a.", "expected a state dict, found str"),
        ("empty", b"", "cut off at byte 0"),
        ("endless-text", START + b"X\xff\xff\xff\x7fa.", "cut off"),
        ("endless-name", START + b"ctorch", "a name without an end"),
        ("nothing-remembered", START + b"h\x05.", "nothing is remembered"),
        ("stack-empty", START + b"a.", "the stack holds something else"),
        ("no-mark", START + b"Nt.", "no mark"),
        ("half-pair", START + b"}(" + text("a") + b"u.", "a key without a value"),
        ("attributes", START + b"ccollections\nOrderedDict\n)R}" + text("items") + b"K\x01sb.", "no state dict"),
        ("name-escapes", state_dict({ESCAPE: tensor((12, 3))}), "\\x1b"),
        ("tensor-list", START + b"](" + tensor((12, 3)) + b"e.", "expected a state dict, found list"),
    ):
        yield f"{name}.pt", saved(pickle), says
    two = START + b"}(" + text("weight_ih_l0") + tensor((12, 3)) + text("weight_ih_l0") + tensor((12, 4)) + b"u."
    yield "name-twice.pt", saved(two), "there twice"
    for name, value, says in (
        ("beyond", tensor((12, 3), 290), "leaves its storage"),
        ("strides-beyond", tensor((12, 3), 0, (100, 1)), "leaves its storage"),
        ("storage-larger", tensor((12, 3), 0, size=2**40), "cut off"),
        ("offset-negative", tensor((12, 3), -1), "no storage, offset, shape and strides"),
        ("stride-negative", tensor((12, 3), 90, (-3, 1)), "no storage, offset, shape and strides"),
        ("size-negative", tensor((-12, 3)), "no storage, offset, shape and strides"),
        ("expanded", tensor((2**20, 2**10), 0, (0, 0)), "unpack to"),
        ("shape-2-62", tensor((2**62, 8), 0, (0, 0)), "more than"),
        ("axes-70", tensor((1,) * 70), "70 axes"),
        ("strides-less", tensor((12, 3), 0, (1,)), "more or fewer strides"),
        ("complex", tensor((12, 3), kind="torch\nComplexFloatStorage"), "found ComplexFloatStorage"),
        ("quantised", tensor((12, 3), kind="torch\nQInt8Storage"), "found QInt8Storage"),
        ("storage-escapes", tensor((12, 3), key=ESCAPE), "is missing"),
        ("sparse", b"ctorch._utils\n_rebuild_sparse_tensor\n(NNtR", "_rebuild_sparse_tensor"),
        ("meta", b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(NNtR", "_rebuild_meta_tensor"),
    ):
        yield f"{name}.pt", saved(state_dict(gru(weight_ih_l0=value))), says
    yield "legacy-storage-unknown.pth", legacy(good, text("9")), "none of its own"
    yield "legacy-storage-endless.pth", legacy(good, numbers=struct.pack("<q", 2**62) + NUMBERS[:8]), "cut off"
    yield "legacy-nest-as-key.pth", legacy(START + b"}" + nest(40) + b"K\x01s."), "a nest as key"
