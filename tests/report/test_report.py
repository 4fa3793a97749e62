"""`python -m rnnspec.report`: from reports made by hand to exact cells of both pages."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rnnspec import accuracy
from rnnspec.conformance import Case, Invalid, cases
from rnnspec.report.__main__ import main
from rnnspec.report.columns import read
from rnnspec.report.options import groups, options
from rnnspec.report.plot import lines


def of(feature: str) -> list[str]:
    """The cases that have it."""
    return [case.id for case in cases() if isinstance(case, Case) and feature in case.features]


PEEPHOLE, SRU = of("cell.lstm.peephole=true"), of("cell.sru")
INVALID = [case.id for case in cases() if isinstance(case, Invalid)]
TRAINING = {case.id: {"outcome": "unsupported"} for case in cases() if isinstance(case, Case) and case.training}
FULL = str(len(cases()))
FAILED = {"outcome": "fail", "error": "inf", "headroom": "0"}
REFUSED = {"outcome": "unsupported", "error": "0", "headroom": "inf"}
GROWTH = [2e-8 if step < 50 else 6e-8 if step == 50 else 4e-8 for step in range(1, 201)]


def write(path: Path, changes: dict | None = None, *, variant="torch native float32", version="2.13.0+cpu", **header):
    """A report in which every case passed with error 1e-07 and headroom 9, but for `changes`: fields by id."""
    row = {
        "variant": variant,
        "outcome": "pass",
        "error": "1e-07",
        "headroom": "9",
        "detail": "",
        "clauses": ["LSTM-7"],
    }
    row["paths"] = {"rnn": "native: torch.lstm + torch.gru"}
    found = {"rnnspec": "0.1.0", "python": "3.11.7", "machine": "m", "packages": {variant.split()[0]: version}}
    found["results"] = [{"case": case.id} | row | (changes or {}).get(case.id, {}) for case in cases()]
    path.write_text(json.dumps(found | {"growth": {variant: dict.fromkeys(("rnn", "lstm", "gru"), GROWTH)}} | header))


def made(folder: Path) -> tuple[int, str, str]:
    """The exit status, the Markdown and the HTML of the reports in the folder."""
    (folder / "docs").mkdir(exist_ok=True)
    status = main([str(folder)], folder)
    return status, (folder / "CONFORMANCE.md").read_text("utf-8"), (folder / "docs/conformance.html").read_text("utf-8")


def rows(markdown: str, start: str) -> list[list[str]]:
    """The cells of each row that begins so."""
    found = re.findall(rf"^\| {re.escape(start)} +\|(.*)\|$", markdown, re.M)
    return [[text.strip() for text in row.split("|")] for row in found]


def in_html(page: str, start: str) -> list[list[str]]:
    """The same in HTML, words alone."""
    found = re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', page)
    return [re.findall(r"<td[^>]*>(.*?)</td>", cells) for name, cells in found if re.sub("<.*?>", "", name) == start]


def test_a_cell_has_the_worst_error_and_the_least_headroom_of_the_option(tmp_path):
    first, second, *_ = PEEPHOLE
    write(tmp_path / "a.json", {first: {"error": "7e-07", "headroom": "5"}, second: {"headroom": "2.54"}})
    status, markdown, page = made(tmp_path)
    assert status == 0
    assert rows(markdown, "`cell.lstm.peephole=true`") == [["7.0e-07 2.5×"]]
    assert in_html(page, "cell.lstm.peephole=true") == [["7.0e-07 2.5×"]]
    assert rows(markdown, "`cell.sru`") == in_html(page, "cell.sru") == [["1.0e-07 9.0×"]]
    summary = [FULL, "0", "0", "0", "7.0e-07", "2.5×"]
    assert rows(markdown, "torch 2.13.0 native float32")[0] == summary
    assert in_html(page, "torch 2.13.0 native float32")[0] == summary


def test_refusals_and_failures_are_words(tmp_path):
    changes = dict.fromkeys(PEEPHOLE, REFUSED) | {
        PEEPHOLE[0]: {"outcome": "pass", "error": "3e-07", "headroom": "123.4"}
    }
    changes |= dict.fromkeys(SRU, REFUSED)
    changes |= {"mgu-both": FAILED | {"detail": "y[0]: off"}}
    changes |= {id: {"error": "0", "headroom": "inf"} for id in INVALID}
    changes |= {"nas-both": {"outcome": "expected failure", "detail": "their bug", "link": "https://example.org/7"}}
    write(tmp_path / "a.json", changes)
    status, markdown, page = made(tmp_path)
    assert status == 1
    for option, words in {
        "cell.lstm.peephole=true": "3.0e-07 123× some",
        "cell.sru": "no",
        "cell.mgu": "FAIL",
        "cell.nas": "1.0e-07 9.0× known some",
        "invalid input refused": "ok",
    }.items():
        assert rows(markdown, f"`{option}`") == in_html(page, option) == [[words]]
    assert '<td class="no">no</td>' in page
    assert '<td class="fail">FAIL</td>' in page
    assert "- **FAIL** torch 2.13.0 native float32: mgu-both: `y[0]: off`\n" in markdown
    assert "- torch 2.13.0 native float32: nas-both: `their bug` ([why](https://example.org/7))\n" in markdown
    assert '<code>their bug</code> (<a href="https://example.org/7">why</a>)' in page
    refused = len({*PEEPHOLE[1:], *SRU})
    passed = len(cases()) - refused - 2
    assert rows(markdown, "torch 2.13.0 native float32")[0][:4] == [str(passed), "1", str(refused), "1"]


def test_training_is_an_option_of_its_own(tmp_path):
    write(tmp_path / "a.json", TRAINING)
    status, markdown, _ = made(tmp_path)
    assert status == 0
    assert rows(markdown, "`call.training`") == [["no"]]
    assert rows(markdown, "`cell.zoneout`") == [["1.0e-07 9.0×"]]


def test_versions_are_columns_side_by_side_and_pythons_are_one(tmp_path):
    write(tmp_path / "new.json")
    write(tmp_path / "old.json", {id: {"error": "4e-07", "headroom": "3"} for id in PEEPHOLE}, version="2.4.1")
    write(
        tmp_path / "other.json", {PEEPHOLE[0]: {"error": "5e-07"}, "mgu-both": FAILED}, version="2.4.1", python="3.12.1"
    )
    write(tmp_path / "numpy.json", variant="numpy float32", version="2.4.6")
    status, markdown, page = made(tmp_path)
    assert status == 1
    assert rows(markdown, "option")[0] == ["2.4.6 float32"]
    assert rows(markdown, "option")[1] == ["2.4.1 native float32", "2.13.0 native float32"]
    assert rows(markdown, "`cell.lstm.peephole=true`")[1] == ["5.0e-07 3.0×", "1.0e-07 9.0×"]
    assert rows(markdown, "`cell.mgu`")[1] == ["FAIL", "1.0e-07 9.0×"]
    assert in_html(page, "cell.lstm.peephole=true") == [["1.0e-07 9.0×", "5.0e-07 3.0×", "1.0e-07 9.0×"]]
    assert rows(markdown, "torch 2.4.1")[:2] == [["3.11.7", "", "m"], ["3.12.1", "", "m"]]
    assert rows(markdown, "torch 2.4.1 native float32")[0][0] == str(len(cases()) - 1)
    assert "body:has(#f1:not(:checked)) .options :is(th, td):is(:nth-child(3)) { display: none; }" in page
    assert '<input type="checkbox" id="f1" checked autocomplete="off"> torch 2.4.1</label>' in page


def test_a_case_that_was_not_run_and_a_mutant_that_was_not_caught_fail(tmp_path):
    write(tmp_path / "a.json")
    left = json.loads((tmp_path / "a.json").read_text())
    left["results"] = [row for row in left["results"] if row["case"] not in SRU]
    left["results"].append(
        {"case": "a-check", "variant": "library", "outcome": "pass", "error": "0", "headroom": "inf"}
    )
    (tmp_path / "a.json").write_text(json.dumps(left))
    (tmp_path / "m.json").write_text('{"mutants": [{"mutant": "h for c", "clause": "LSTM-3", "caught_by": null}]}')
    status, markdown, _ = made(tmp_path)
    assert status == 1
    assert f"{len(cases()) - len(SRU)} cases and 1 checks of the library cite 1 of the " in markdown
    assert rows(markdown, "`cell.sru`") == [["–"]]
    assert f"- **FAIL** torch 2.13.0 native float32: {SRU[0]}: `not run, one of {len(SRU)}`\n" in markdown
    assert "- **FAIL** mutant: LSTM-3: `not caught: h for c`\n" in markdown
    assert rows(markdown, "library 0.1.0")[-1] == ["1", "0", "0", "0", "ok", ""]
    (tmp_path / "m.json").unlink()
    write(tmp_path / "a.json")
    assert made(tmp_path)[0] == 0


def test_mutants_by_family_beside_the_score_of_onnx(tmp_path):
    write(tmp_path / "a.json")
    caught = [("LSTM-1", None), ("LSTM-2", "test_lstm_defaults"), ("GRU-1", None), ("LSTM-3", None), ("GRU-2", None)]
    found = [{"mutant": "m", "clause": clause, "caught_by": "x", "onnx_caught_by": by} for clause, by in caught]
    (tmp_path / "m.json").write_text(json.dumps({"mutants": found}))
    status, markdown, page = made(tmp_path)
    assert status == 0
    for name, cells in {
        "LSTM": ["3", "3 (100 %)", "1 (33 %)"],
        "GRU": ["2", "2 (100 %)", "0 (0 %)"],
        "all": ["5", "5 (100 %)", "1 (20 %)"],
    }.items():
        assert rows(markdown, name) == in_html(page, name) == [cells]
    assert "they catch 5 (100 %); ONNX's own node tests, put to the same, catch 1 (20 %)." in markdown
    (tmp_path / "m.json").write_text('{"mutants": [{"mutant": "m", "clause": "LSTM-1", "caught_by": "x"}]}')
    _, markdown, _ = made(tmp_path)
    assert rows(markdown, "LSTM") == [["1", "1 (100 %)"]]
    assert "they catch 1 (100 %). " in markdown


class Tags(HTMLParser):
    """Fails where tags do not balance; keeps what a page would load."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[tuple[str, str, str]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.addresses += [(tag, name, value) for name, value in attrs if name in ("src", "href", "srcset", "data")]
        assert len(dict(attrs)) == len(attrs)
        if tag not in ("meta", "input", "br", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        assert self.open.pop() == tag

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_balances_needs_nothing_else_and_takes_no_markup_from_a_report(tmp_path):
    attack = "<script>alert(1)</script> `|` **b** [x](javascript:y)\n<b>"
    write(tmp_path / "a.json", {"mgu-both": FAILED | {"detail": attack}}, machine="<i>&")
    _, markdown, page = made(tmp_path)
    tags = Tags(page)
    assert {address for address in tags.addresses if address[2] != "../spec/SPEC.md#accuracy"} == {
        ("a", "href", "../spec/SPEC.md")
    }
    assert not re.search(r"@import|url\(|<script|<link|<i>|<b>", page)
    escaped = "&lt;script&gt;alert(1)&lt;/script&gt; &#x27;|&#x27; **b** [x](javascript:y) &lt;b&gt;"
    assert f"<code>{escaped}</code>" in page
    assert "mgu-both: `<script>alert(1)</script> '|' **b** [x](javascript:y) <b>`\n" in markdown
    assert set(re.findall(r'id="(\w+)"', page)) == {*(f"f{k}" for k in range(3)), "gaps"}


def test_the_plot_has_the_worst_error_so_far_in_the_place_of_its_logarithm(tmp_path):
    write(tmp_path / "a.json")
    write(tmp_path / "b.json", variant="torch generic float32")
    run = read([tmp_path])
    found = lines(run.columns)
    assert found["torch native"]["lstm"] == [2e-8] * 49 + [6e-8] * 151
    status, markdown, page = made(tmp_path)
    assert status == 0
    allowed = accuracy.allowed("float32", 32, 200, 0.5)
    assert rows(markdown, "torch generic")[-1] == ["6.0e-08"] * 3
    assert rows(markdown, "**allowed**") == [[f"{allowed:.1e}"] * 3]
    # Four decades, from 1e-08 (y 272) to 1e-04 (y 24), over 178 units of log(step).
    first, last = 272 - 62 * 0.30103, 272 - 62 * 0.77815
    assert page.count(f'd="M40.0 {first:.1f}L') == 6
    assert len(re.findall(rf'L218\.0 {last:.1f}"', page)) == 6
    assert page.count(">torch native</text>") == page.count(">torch generic</text>") == 3
    ys = [float(y) for y in re.findall(r'y="([\d.]+)">torch \w+</text>', page)]
    assert all(abs(a - b) >= 14 for a, b in zip(ys[::2], ys[1::2], strict=True))


def test_the_same_reports_give_the_same_pages_in_any_order_of_files(tmp_path):
    write(tmp_path / "a.json")
    write(tmp_path / "b.json", variant="jax float64", version="0.10.2")
    first = made(tmp_path)
    (tmp_path / "a.json").rename(tmp_path / "c.json")
    assert made(tmp_path) == first


def test_every_option_of_a_case_stands_in_one_group():
    placed = [option for group in groups().values() for option in group]
    assert sorted(placed) == list(options())
    tried = {id for ids in options().values() for id in ids}
    assert tried == {case.id for case in cases()}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "expected some"),
        ({"a.json": "[]"}, "a.json: Expected `object`"),
        ({"a.json": '{"results": [{"case": "a"}]}'}, "a.json: Object missing required field `variant`"),
        ({"a.json": '{"mutants": []}'}, "found none"),
    ],
)
def test_what_is_no_report_is_refused_by_name(tmp_path, files, says):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SystemExit, match=re.escape(says)):
        read([tmp_path])


def test_reports_of_different_suites_are_not_put_together(tmp_path):
    write(tmp_path / "a.json")
    write(tmp_path / "b.json", rnnspec="0.2.0")
    with pytest.raises(SystemExit, match=r"a\.json of 0\.1\.0, .*b\.json of 0\.2\.0"):
        read([tmp_path])
