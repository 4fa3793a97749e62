"""Variants of the LSTM in ONNX Runtime, most of them a Scan, against the LSTM node; and their single step."""

from collections.abc import Iterator

import onnx
import onnxruntime
from bench_onnxruntime import _session
from cases import Case
from timing import Comparison, Rival
from variants import incomparable, variants

from rnnspec import LSTM
from rnnspec.export import build

TARGETS = {"ours": 1.8}


def versions() -> dict[str, str]:
    """Package → version."""
    return {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}


def comparisons(quick: bool, threads: int | None) -> Iterator[Comparison]:
    """Forward, and one step of one row; the peer is the plain LSTM, exported in the same way."""
    for name, case in variants(quick):
        plain = Case(LSTM(units=case.cell.units), case.inputs, case.batch, case.time)
        yield _compare("forward", name, case, {"LSTM": plain, "ours": case}, threads, step=False)
        if case.has_step:
            one = {"LSTM": plain.at(1, 1), "ours": case.at(1, 1)}
            yield _compare("one step", name, one["ours"], one, threads, step=True)


def _compare(what: str, name: str, case: Case, cases: dict[str, Case], threads, step: bool) -> Comparison:
    rivals = {}
    for label, each in cases.items():
        session = _session(build(each.checkpoint, lengths=False, step=step), threads)
        feeds = {"x": each.x[:, 0] if step else each.x, **each.state}
        rivals[label] = Rival(lambda session=session, feeds=feeds: session.run(None, feeds), incomparable)
    return Comparison(what, name, case.size, rivals)
