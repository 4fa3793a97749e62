"""The files of TensorFlow checkpoints: what is in them, and what is refused."""

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from rnnspec import SpecError, UnsupportedError
from rnnspec.convert import convert
from rnnspec.convert.formats.crc import crc32c, masked_crc32c
from rnnspec.convert.formats.protobuf import varints
from rnnspec.convert.formats.snappy import decompress
from rnnspec.convert.formats.tensorflow.bundle import read_bundle, slice_key
from rnnspec.convert.formats.tensorflow.checkpoint import read_checkpoint
from tests.files.checkpoints import entry, field, shape_proto, table, v1, varint

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def test_crc32c_as_in_rfc_3720():
    assert crc32c(b"") == 0
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


@pytest.mark.parametrize("size", [1, 2, 3, 5, 255, 4096, 70_001])
def test_crc32c_byte_by_byte(size):
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    assert crc32c(data) == crc ^ 0xFFFFFFFF


def test_snappy():
    packed = bytes([21, 4 << 2]) + b"abcde" + bytes([5 << 2 | 1, 5, 6 << 2 | 2, 3, 0])
    assert decompress(memoryview(packed), "x") == b"abcde" + b"abcdeabcd" + b"bcdbcdb"
    for damaged in (packed[:-1], packed[:-3] + bytes([6 << 2 | 2, 99, 0])):
        with pytest.raises(SpecError, match="x: damaged: a Snappy"):
            decompress(memoryview(damaged), "x")


# A writer of bundles, to have what no golden case has: several shards, compressed blocks, all data types.


def write(prefix: Path, shards: list[bytes], entries: dict[bytes, bytes], **options) -> Path:
    header = field(1, len(shards))
    prefix.with_name(f"{prefix.name}.index").write_bytes(table({b"": header, **entries}, **options))
    for k, data in enumerate(shards):
        prefix.with_name(f"{prefix.name}.data-{k:05}-of-{len(shards):05}").write_bytes(data)
    return prefix


TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?", 17: "<u2", 19: "<f2"}


@pytest.mark.parametrize("compressed", [False, True])
def test_shards_and_types(tmp_path, compressed):
    rng = np.random.default_rng(1)
    arrays = {f"a/{code}": (100 * rng.normal(size=(3, code))).astype(dtype) for code, dtype in TYPES.items()}
    shards, entries = [b"", b"", b""], {}
    for code in TYPES:
        k, data = code % 3, arrays[f"a/{code}"].tobytes()
        entries[f"a/{code}".encode()] = entry(code, (3, code), k, len(shards[k]), data)
        shards[k] += data
    found = read_bundle(write(tmp_path / "m.ckpt", shards, entries, compressed=compressed))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_bfloat16_and_strings(tmp_path):
    numbers = np.array([1.5, -2.0, 0.0078125], np.float32)
    half = (numbers.view(np.uint32) >> 16).astype("<u2").tobytes()
    strings = [b"one", b"", b"three\0"]
    sizes = np.array([3, 0, 6], "<u4").tobytes()
    packed = bytes([3, 0, 6]) + struct.pack("<I", masked_crc32c(sizes)) + b"".join(strings)
    checksum = masked_crc32c(sizes + packed[3:])
    entries = {b"n": entry(14, (3,), 0, 0, half), b"s": entry(7, (3,), 0, len(half), packed, checksum)}
    found = read_bundle(write(tmp_path / "m", [half + packed], entries))
    np.testing.assert_array_equal(found["n"], numbers)
    assert list(found["s"]) == strings
    entries[b"s"] = entry(7, (3,), 0, len(half), packed, checksum ^ 1)
    with pytest.raises(SpecError, match="'s': damaged: the checksum"):
        read_bundle(write(tmp_path / "m", [half + packed], entries))


def partitioned(tmp_path, parts, shape=(300, 2)) -> tuple[np.ndarray, Path]:
    whole = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    data, entries, slices = b"", {}, b""
    for extents in parts:
        rows, columns = (slice(start, None if size < 0 else start + size) for start, size in extents)
        part = whole[rows, columns]
        entries[slice_key(b"v", extents)] = entry(1, part.shape, 0, len(data), part.tobytes())
        data += part.tobytes()
        slices += field(7, b"".join(field(1, field(1, s) + (field(2, n) if n >= 0 else b"")) for s, n in extents))
    entries[b"v"] = field(1, 1) + field(2, shape_proto(shape)) + slices
    return whole, write(tmp_path / "m", [data], entries)


def test_partitioned(tmp_path):
    whole, prefix = partitioned(tmp_path, [[(0, 70), (0, -1)], [(70, 200), (0, -1)], [(270, 30), (0, 2)]])
    np.testing.assert_array_equal(read_bundle(prefix)["v"], whole)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([[(0, 70), (0, -1)]], "the slices do not cover"),
        ([[(0, 150), (0, -1)], [(100, 150), (0, -1)]], "slices overlap"),
    ],
)
def test_partitioned_badly(tmp_path, parts, message):
    with pytest.raises(SpecError, match=message):
        read_bundle(partitioned(tmp_path, parts)[1])


BAD_ENTRIES = {
    "shape": (entry(1, (1 << 40, 1 << 40), 0, 0, b"1234"), "has more than"),
    "negative": (entry(1, (-3,), 0, 0, b"1234"), "is impossible"),
    "size": (entry(1, (3,), 0, 0, b"1234"), r"shape \(3,\) does not take 4 bytes"),
    "shard": (entry(1, (1,), 4, 0, b"1234"), "in shard 4 of 1"),
    "offset": (entry(1, (1,), 0, 2, b"1234"), r"its bytes end at 6, but .*data-00000-of-00001 has 4"),
    "checksum": (entry(1, (1,), 0, 0, b"1235"), "the checksum of its bytes does not match"),
    "type": (entry(21, (1,), 0, 0, b"1234"), "data type 21 has no counterpart"),
    "message": (b"\x0b", "no field of a message has wire type 3"),
    "cut off": (b"\x12\x7f", "is cut off"),
    "bytes": (field(1, b"12"), "holds bytes, not a number"),
    "number": (field(1, 1) + field(2, 7), "holds a number, not bytes"),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_bad_entries_in_one_line(tmp_path, name):
    value, message = BAD_ENTRIES[name]
    with pytest.raises((SpecError, UnsupportedError), match=message) as error:
        read_bundle(write(tmp_path / "m", [b"1234"], {b"v": value}))
    assert "\n" not in str(error.value)
    assert "m.index: 'v'" in str(error.value)


def test_tensors_take_each_byte_once(tmp_path):
    """Many that are the same bytes would be far more than the files hold."""
    data = b"12345678"
    entries = {b"a": entry(1, (2,), 0, 0, data), b"b": entry(1, (1,), 0, 4, data[4:])}
    with pytest.raises(SpecError, match=r"tensors lie over each other in m\.data-00000-of-00001"):
        read_bundle(write(tmp_path / "m", [data], entries))


@pytest.mark.parametrize(
    "found", [b"", b"\x80", b"\xff" * 10 + b"\x01", b"\x01" + b"\x80" * 11 + b"\x01", b"\x01\x80"], ids=len
)
def test_packed_numbers_that_are_cut_off(found):
    assert varints(memoryview(varint(300) + varint(-1) + varint(0)), "x").tolist() == [300, -1, 0]
    if found:
        with pytest.raises(SpecError, match="x: damaged: a number is cut off"):
            varints(memoryview(found), "x")
    else:
        assert varints(memoryview(found), "x").size == 0


def test_a_latest_checkpoint_that_is_no_path(tmp_path):
    for name, says in ((b"a\0b", "it names"), (b"", "outside the folder"), (b".", "outside the folder")):
        (tmp_path / "checkpoint").write_bytes(b'model_checkpoint_path: "' + name + b'"')
        with pytest.raises(SpecError, match=says):
            read_checkpoint(tmp_path)
    (tmp_path / "checkpoint").write_bytes(b"\n" * 100_000)  # which a pattern tried from each line took minutes for
    with pytest.raises(SpecError, match="names no model_checkpoint_path"):
        read_checkpoint(tmp_path)


def copied(case: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / case, tmp_path / "copy"))


@pytest.mark.parametrize(
    "source", [".", "model.ckpt-4", "model.ckpt-4.index", "model.ckpt-4.meta", "model.ckpt-4.data-00000-of-00001"]
)
def test_every_way_to_name_a_checkpoint(source):
    assert convert(GOLDEN / "tf1/char_rnn" / source).model.results["y"].features == 11


def test_a_flipped_byte_is_caught(tmp_path):
    folder = copied("tf1/gru", tmp_path)
    for name, at in (("model.ckpt.data-00000-of-00001", 100), ("model.ckpt.index", 30)):
        path = folder / name
        data = bytearray(path.read_bytes())
        data[at] ^= 4
        path.write_bytes(data)
        with pytest.raises(SpecError, match=r"the checksum of .* does not match"):
            convert(folder / "model.ckpt")
        data[at] ^= 4
        path.write_bytes(data)
    assert convert(folder).model.results["y"].features == 6


def test_every_flipped_byte_of_a_v1_file_is_caught_or_changes_nothing(tmp_path):
    path = copied("tf012/basic_lstm_v1", tmp_path) / "model.ckpt"
    data, expected = path.read_bytes(), read_checkpoint(path)
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x21]) + data[at + 1 :])
        try:
            found = read_checkpoint(path)
        except SpecError:
            continue
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("case", "name", "message"),
    [
        ("tf1/gru", "model.ckpt.data-00000-of-00001", "its bytes end at .*copy the files again"),
        ("tf1/gru", "model.ckpt.index", "no sorted table"),
        ("tf012/basic_lstm_v1", "model.ckpt", "no sorted table"),
    ],
)
def test_truncated(tmp_path, case, name, message):
    folder = copied(case, tmp_path)
    data = (folder / name).read_bytes()
    for size in (len(data) - 1, len(data) // 2, 0):
        (folder / name).write_bytes(data[:size])
        with pytest.raises(SpecError, match=message):
            convert(folder / "model.ckpt", "tf1")


def test_a_missing_shard_is_named(tmp_path):
    folder = copied("tf1/gru", tmp_path)
    (folder / "model.ckpt.data-00000-of-00001").unlink()
    with pytest.raises(FileNotFoundError, match="data-00000-of-00001"):
        convert(folder)


def test_the_latest_checkpoint_is_inside_the_folder(tmp_path):
    folder = copied("tf1/gru", tmp_path)
    for other in ("/etc/model.ckpt", "../copy/../other/model.ckpt"):
        (folder / "checkpoint").write_text(f'model_checkpoint_path: "{other}"\n')
        with pytest.raises(SpecError, match="outside the folder"):
            convert(folder)
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{folder / "model.ckpt"}"\n')
    assert convert(folder).model.results["y"].features == 6
    (folder / "checkpoint").write_text("nothing")
    with pytest.raises(SpecError, match="names no model_checkpoint_path"):
        convert(folder)
    (folder / "checkpoint").unlink()
    assert convert(folder).model.results["y"].features == 6
    shutil.copy(folder / "model.ckpt.index", folder / "other.ckpt.index")
    with pytest.raises(SpecError, match=r"found model.ckpt, other.ckpt: give its prefix"):
        convert(folder, "tf1")


def test_v1_in_shards(tmp_path):
    whole = np.random.default_rng(4).normal(size=(5, 3)).astype(np.float32)
    for k, (start, size) in enumerate([(0, 2), (2, 3)]):
        part = [("v", (5, 3), [(start, size), (0, 3)], whole[start : start + size].tobytes())]
        (tmp_path / f"m.ckpt-0000{k}-of-00002").write_bytes(v1(part))
    for source in ("m.ckpt", "m.ckpt-00001-of-00002"):
        np.testing.assert_array_equal(read_checkpoint(tmp_path / source)["v"], whole)
    (tmp_path / "m.ckpt-00001-of-00002").unlink()
    with pytest.raises(FileNotFoundError, match="00001-of-00002"):
        read_checkpoint(tmp_path / "m.ckpt")


def test_v1_of_another_size(tmp_path):
    (tmp_path / "m.ckpt").write_bytes(v1([("v", (2, 2), [(0, 2), (0, 2)], bytes(12))]))
    with pytest.raises(SpecError, match="'v': damaged: 3 numbers for a slice of shape"):
        read_checkpoint(tmp_path / "m.ckpt")
