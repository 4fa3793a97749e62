"""Streams of a graph that a chain has not, and how a place that reads is put together."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from rnnspec.conventions.gates import Arrays
from rnnspec.convert.onnx.streams import Both, Run, Stream
from rnnspec.layers import Layer


@dataclass(eq=False, kw_only=True)
class Made(Stream):
    """What a layer of this kind gives that reads several places, or has no place in a chain of version 1."""

    reads: tuple[Stream, ...]
    layer: type[Layer]
    options: dict[str, Any] = field(default_factory=dict)
    weights: Arrays = field(default_factory=dict)


@dataclass(eq=False, kw_only=True)
class Final(Stream):
    """The final h or c of a run."""

    run: Run
    state: str


@dataclass(eq=False, kw_only=True)
class Flat(Stream):
    """All features of all steps of `before` as one vector: its place k is feature `which[k]` of step `when[k]`."""

    when: np.ndarray
    which: np.ndarray


@dataclass(eq=False)
class Zero:
    """What pads a sequence."""

    numbers: np.ndarray

    def __str__(self) -> str:
        return "zeros that pad a sequence"


class Piece(NamedTuple):
    """A stream, and for each place that reads it, in order, the position row · time + step."""

    stream: Stream
    at: np.ndarray


def reads(stream: Stream) -> tuple[Stream, ...]:
    """The streams that are read for this one, given states apart."""
    if isinstance(stream, Made):
        return stream.reads
    if isinstance(stream, Both):
        return stream.forward, stream.other
    starts = [start for start in stream.starts.values() if isinstance(start, Stream)] if isinstance(stream, Run) else []
    return (*([stream.before] if stream.before is not None else []), *starts)
