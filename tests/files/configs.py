"""What `--config` takes for a state dict of two layers: their places in order."""

from collections.abc import Iterator

from tests.files.models import ESCAPE


def files() -> Iterator[tuple]:
    yield "order.json", b'["rnn", "fc"]'
    yield "names.json", b'{"first": "rnn", "second": "fc"}'
    yield "marked.json", b"\xef\xbb\xbf" + b'["rnn", "fc"]'
    yield "wide.json", '["rnn", "fc"]'.encode("utf-16")
    for name, says, text in (
        ("empty", "not JSON", ""),
        ("nested", "nested more than", "[" * 10_000),
        ("nested-closed", "nested more than", '{"a":' * 5000 + "1" + "}" * 5000),
        ("twice", "is there twice", '{"a": "rnn", "a": "fc"}'),
        ("nan", "NaN is no number", '["rnn", NaN]'),
        ("1e999", "1e999 is more than", "[1e999]"),
        ("digits", "5000 digits", f"[{'1' * 5000}]"),
        ("surrogate", "Unicode", '["\\udc00"]'),
        ("numbers", "expected the places", "[1, 2]"),
        ("string", "expected the places", '"rnn"'),
        ("null", "expected the places", "null"),
        ("others", "expected each of", '["a\\u001b[31m", "b"]'),
        ("long", "expected each of", f'["{"x" * 9000}"]'),
        ("escapes", "not JSON", f'["{ESCAPE}"]'),
    ):
        yield f"{name}.json", text.encode(), says
    yield "latin.json", '["é"]'.encode("latin-1"), "Unicode"
    yield "zeros.json", bytes(64), "not JSON"
