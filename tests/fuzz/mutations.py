"""Changes to a file: of its bytes, and of the JSON in it."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Strategy = Callable[[bytes], st.SearchStrategy[bytes]]

# What readers stumble over.
TOKENS = (
    *(b"[" * 3000, b'{"a":' * 3000, b'"', b"\\", b"\\ud800", b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"true"),
    *(b"null", b"{}", b"\x1b[31m", b"\x00" * 8, b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"PK\x03\x04", b"\x80\x04."),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2, 2**31, 2**62, 10**400, 0.5, -0.0, 1e308, "", "tanh", "lstm", "\x1b[31m", "x" * 5000),
    *([], {}, [[]], ["lstm"], {"type": "lstm"}, {"type": ["elu"]}, [0] * 70, {"name": "d"}),
)


@st.composite
def changed_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with one place changed."""
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + draw(st.sampled_from((1, 8, 200, len(data) + 1))))))
    kind = draw(st.sampled_from(("flip", "cut", "insert", "copy", "swap", "number")))
    if kind == "flip":
        flips = draw(st.integers(1, 255))
        return data[:start] + bytes(byte ^ flips for byte in data[start:end]) + data[end:]
    if kind == "cut":
        return data[:start] + data[end:]
    if kind == "insert":
        return data[:start] + draw(st.sampled_from(TOKENS)) + data[end:]
    if kind == "copy":
        return data[:end] + data[start:end] + data[end:]
    if kind == "swap":
        middle = (start + end) // 2
        return data[:start] + data[middle:end] + data[start:middle] + data[end:]
    width = draw(st.sampled_from((1, 2, 4, 8)))
    number = draw(st.sampled_from((0, 1, 2 ** (8 * width - 1) - 1, 2 ** (8 * width) - 1, 1 << (4 * width))))
    return data[:start] + number.to_bytes(width, draw(st.sampled_from(("little", "big")))) + data[start + width :]


@st.composite
def changed_json(draw: st.DrawFn, text: str) -> str:
    """The JSON with one value changed, taken away, or put into the place of another."""
    tree = [json.loads(text)]
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            places.append((node, key))
            if isinstance(value, (dict, list)):
                walk(value)

    walk(tree)
    copies = [json.dumps(node[key]) for node, key in places]
    node, key = places[draw(st.integers(0, len(places) - 1))]
    kind = draw(st.sampled_from(("value", "leave", "other", "wrap", "rename", "twice")))
    if kind == "value":
        node[key] = draw(st.sampled_from(VALUES))
    elif kind == "leave":
        del node[key]
    elif kind == "other":
        node[key] = json.loads(copies[draw(st.integers(0, len(places) - 1))])
    elif kind == "wrap":
        for _ in range(draw(st.sampled_from((1, 3, 150, 400)))):
            node[key] = draw(st.sampled_from(([node[key]], {"type": "residual", "cell": node[key]}, {"a": node[key]})))
    elif kind == "rename" and isinstance(node, dict):
        node[draw(st.sampled_from(("type", "name", "\x1b[31m", "x" * 5000, "version", "")))] = node.pop(key)
    elif isinstance(node, list):
        node.append(node[key])
    return json.dumps(tree[0]) if tree else ""


@st.composite
def changed_model(draw: st.DrawFn, data: bytes) -> bytes:
    """A model file with something changed in the JSON of its header, or in the JSON inside of that."""
    size = int.from_bytes(data[:8], "little")
    text = data[8 : 8 + size].decode()
    if draw(st.booleans()):
        header = json.loads(text)
        header["__metadata__"]["rnnspec"] = draw(changed_json(header["__metadata__"]["rnnspec"]))
        text = json.dumps(header)
    else:
        text = draw(changed_json(text))
    header_bytes = text.encode()
    return len(header_bytes).to_bytes(8, "little") + header_bytes + data[8 + size :]


@st.composite
def changed_archive(draw: st.DrawFn, data: bytes) -> bytes:
    """A zip archive with one of its files changed, and packed again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw(st.sampled_from(sorted(members)))
    members[name] = draw(changed_bytes(members[name]))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))) as archive:
        for key, content in members.items():
            archive.writestr(key, content)
    return file.getvalue()


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...], structured: Strategy | None) -> bytes:
    """One of the files after one to four changes; at first perhaps such as keep its structure."""
    data = draw(st.sampled_from(seeds))
    if structured and draw(st.booleans()):
        data = draw(structured(data))
        if draw(st.booleans()):
            return data
    for _ in range(draw(st.integers(1, 3))):
        data = draw(changed_bytes(data))
    return data
