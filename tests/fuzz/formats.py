"""Changes to files of other frameworks that keep their structure, so that they reach behind its checks.

They draw from `random.Random`: what they do to a file is far longer than Hypothesis would shrink.
"""

import io
import json
import pickletools
import struct
import zipfile
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from hypothesis import strategies as st

from rnnspec.convert.formats.crc import masked_crc32c
from tests.files.checkpoints import field, varint
from tests.fuzz.mutations import VALUES, Strategy

NUMBERS = (0, 1, -1, 2, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**48, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
WORDS = (b"", b"x", b"\x1b[31m", b"\0", b"\xff\xfe", b"a" * 3000, b"../../etc/passwd", b"rnn/lstm_cell/kernel")

Change = Callable[[Random, bytes], bytes]


def structured(change: Change) -> Strategy:
    """A change as a strategy."""
    return lambda data: st.integers(0, 2**32).map(lambda seed: change(Random(seed), data))


def bytes_(r: Random, data: bytes) -> bytes:
    """One to three places changed."""
    for _ in range(r.choice((1, 1, 2, 3))):
        at, width = r.randrange(len(data) + 1), r.choice((1, 1, 2, 4, 8))
        kind = r.randrange(5)
        if kind < 2:
            number = (r.choice(NUMBERS) if kind else r.randrange(256)) % (1 << 8 * width)
            data = data[:at] + number.to_bytes(width, r.choice(("little", "big"))) + data[at + width :]
        elif kind == 2:
            data = data[:at] + data[at + r.choice((1, 4, 64)) :]
        elif kind == 3:
            data = data[:at] + data[at : at + r.choice((1, 8, 200))] * 2 + data[at:]
        else:
            data = data[:at]
    return data


def tree(r: Random, data: Any, values: Sequence[Any] = VALUES) -> Any:
    """Dicts and lists with one place changed, in place."""
    places = [(data, key) for key in (data if isinstance(data, dict) else range(len(data)))]
    for node, key in places:
        if isinstance(node[key], dict | list):
            places += [(node[key], k) for k in (node[key] if isinstance(node[key], dict) else range(len(node[key])))]
    if not places:
        return data
    node, key = r.choice(places)
    kind = r.randrange(4)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, dict):
        node[r.choice(("name", "units", "\x1b[31m", "x" * 3000, ""))] = node.pop(key)
    else:
        node[key] = r.choice(values)
    return data


def text(r: Random, data: bytes) -> bytes:
    """JSON with one place changed."""
    return json.dumps(tree(r, json.loads(data))).encode()


def message(r: Random, data: bytes, depth: int = 0) -> bytes:
    """A message of protocol buffers with one field changed, somewhere inside."""
    fields = _fields(data)
    if not fields:
        return r.choice((bytes_(r, data), r.choice(WORDS)))
    k = r.randrange(len(fields))
    number, kind, value = fields[k]
    inner = [place for place, (_, kind, _) in enumerate(fields) if kind == 2]
    if inner and depth < 12 and r.random() < 0.8:
        k = r.choice(inner)
        fields[k] = (fields[k][0], 2, message(r, fields[k][2], depth + 1))
        return _joined(fields)
    what = r.randrange(7)
    if what == 0:
        del fields[k]
    elif what == 1:
        fields.insert(k, fields[k])
    elif what == 2:
        fields[k] = (number, 0, varint(r.choice(NUMBERS)))
    elif what == 3:
        fields[k] = (number, 2, r.choice((*WORDS, data)))
    elif what == 4:
        fields[k] = (r.choice((number + 1, 1, 2, 3, 4, 5)), kind, value)
    elif what == 5:
        r.shuffle(fields)
    else:
        return data + b"\x0a\xff\xff\xff\xff\x7f"
    return _joined(fields)


def _fields(data: bytes) -> list[tuple[int, int, bytes]]:
    """(number, wire type, the bytes of its value); none where it is no message."""
    found, at = [], 0
    sizes = {1: 8, 5: 4}
    while at < len(data):
        key, at = _number(data, at)
        start = at
        if key & 7 == 2:
            size, start = _number(data, at)
            at = start + size
        elif key & 7 == 0:
            _, at = _number(data, at)
        else:
            at += sizes.get(key & 7, len(data) + 1)
        if not 0 < key >> 3 < 3000 or at > len(data):
            return []
        found.append((key >> 3, key & 7, data[start:at]))
    return found


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for at in range(at, min(at + 10, len(data))):  # noqa: B020
        value |= (data[at] & 127) << shift
        shift += 7
        if data[at] < 128:
            return value, at + 1
    return 0, len(data) + 1


def _joined(fields: list[tuple[int, int, bytes]]) -> bytes:
    return b"".join(
        field(number, value) if kind == 2 else varint(number << 3 | kind) + value for number, kind, value in fields
    )


def table(r: Random, data: bytes) -> bytes:
    """A sorted table with one value changed, its checksums right."""
    entries = _entries(data)
    k = r.randrange(len(entries))
    key, value = entries[k]
    kind = r.randrange(6)
    if kind == 0:
        del entries[k]
    elif kind == 1:
        entries[k] = (bytes_(r, key), value)
    elif kind == 2:
        entries.append((r.choice((*WORDS, key)), value))
    else:
        entries[k] = (key, message(r, value))
    block = b"".join(varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries)
    return sealed(bytes_(r, block) if r.random() < 0.1 else block)


def sealed(block: bytes) -> bytes:
    """A table of one block."""
    out = b""
    handles = []
    for content in (block, b""):
        content = content or varint(0) + varint(1) + varint(len(handles[0])) + b"\xff" + handles[0]
        content += struct.pack("<II", 0, 1) + b"\0"
        handles.append(varint(len(out)) + varint(len(content) - 1))
        out += content + struct.pack("<I", masked_crc32c(content))
    return out + (handles[0] + handles[1]).ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def _entries(data: bytes) -> list[tuple[bytes, bytes]]:
    """What is in a table that is not packed."""
    at = len(data) - 48
    _, at = _number(data, at)
    _, at = _number(data, at)
    index, at = _number(data, at)
    found = []
    for _, handle in _block(data, index, _number(data, at)[0]):
        start, at = _number(handle, 0)
        found += _block(data, start, _number(handle, at)[0])
    return found


def _block(data: bytes, start: int, size: int) -> list[tuple[bytes, bytes]]:
    block, at, key, found = data[start : start + size], 0, b"", []
    while at < size - 4 * (1 + int.from_bytes(block[-4:], "little")):
        shared, at = _number(block, at)
        fresh, at = _number(block, at)
        length, at = _number(block, at)
        key = key[:shared] + block[at : at + fresh]
        found.append((key, block[at + fresh : at + fresh + length]))
        at += fresh + length
    return found


def archive(change: Callable[[Random, str, bytes], bytes]) -> Change:
    """A zip archive with one member changed, and packed again."""

    def changed(r: Random, data: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as source:
            members = {name: source.read(name) for name in source.namelist()}
        name = r.choice(sorted(members))
        members[name] = change(r, name, members[name])
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", r.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as target:
            for key, content in members.items():
                target.writestr(key, content)
        return file.getvalue()

    return changed


OPCODES = (
    *(b"K\0", b"K\xff", b"J\xff\xff\xff\x7f", b"\x8a\x08" + b"\xff" * 8, b"N", b"\x88", b"G\x7f\xf8" + bytes(6)),
    *(b"X\1\0\0\0a", b"]", b"}", b")", b"(", b"t", b"\x85", b"\x86", b"q\1", b"h\1", b"h\5", b"R", b"Q", b"b", b"s"),
    *(b"u", b".", b"0", b"\x81", b"ctorch\nFloatTensor\n", b"ctorch._utils\n_rebuild_sparse_tensor\n"),
    *(
        b"ctorch\nQInt8Storage\n",
        b"ccollections\nOrderedDict\n",
        b"ctorch.nn.parameter\nParameter\n",
        b"ctorch\nSize\n",
    ),
    *(b"ctorch._tensor\n_rebuild_from_type_v2\n", b"cos\nsystem\n", b"ctorch\nComplexFloatStorage\n"),
)


def pickle(r: Random, data: bytes) -> bytes:
    """A pickle with one instruction changed."""
    starts = [place or 0 for _, _, place in pickletools.genops(data)]
    parts = [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    k, other = r.randrange(len(parts)), r.randrange(len(parts))
    kind = r.randrange(5)
    if kind == 0:
        del parts[k]
    elif kind == 1:
        parts[k] = r.choice(OPCODES)
    elif kind == 2:
        parts[k], parts[other] = parts[other], parts[k]
    elif kind == 3:
        parts.insert(k, parts[other])
    else:
        parts[k] = bytes_(r, parts[k])
    return b"".join(parts)


def hdf5(r: Random, data: bytes) -> bytes:
    """An HDF5 file with numbers changed where its structures begin."""
    signatures = (b"\x89HDF", b"OHDR", b"TREE", b"HEAP", b"SNOD", b"GCOL", b"FRHP")
    starts = [k for k in range(len(data)) if data[k : k + 4] in signatures]
    changed = bytearray(data)
    for _ in range(r.choice((1, 1, 2, 4))):
        at, width = r.choice(starts) + r.randrange(r.choice((16, 64, 256))), r.choice((1, 2, 4, 8))
        number = r.choice((*NUMBERS, r.choice(starts))) % (1 << 8 * width)
        changed[at : at + width] = number.to_bytes(width, "little")
    return bytes(changed)
