"""What stands at the places of a graph, and how the elements that a layer reads are put together from them.

The last axis of what is read may hold features of several streams, one after the other: a `Merge` joins them. A vector
beside a sequence is repeated along it; one step of a sequence, the same of every row, is its `Summary`; some of the
features alone are the product with a matrix of zeros and ones.

    Concat(Y of an LSTM, x, axis=2)    Merge(how="concat", of=["lstm", "x"])
    Y[:, -1]                           Summary(how="last"), or the final h, which is the same there
    Y_c of an LSTM                     lstm.c
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from rnnspec import limits
from rnnspec.conventions.gates import Arrays
from rnnspec.convert.onnx.made import Final, Flat, Made, Piece, Zero
from rnnspec.convert.onnx.streams import Dense, Memory, Run, Source, Stream, Streams, Unclear
from rnnspec.errors import UnsupportedError
from rnnspec.layers import Layer, Merge, Repeat, Summary


@dataclass
class Places(Streams):
    """Numbers of a graph of so many `rows`. `ragged`: whether they have lengths; `free`: whether their steps are."""

    rows: int = 0
    ragged: bool = False
    free: bool = True
    _known: dict[tuple, Stream] = field(default_factory=dict)

    def read(self, array: np.ndarray, reader: str) -> tuple[Stream, np.ndarray]:
        if not array.ndim or not array.size:
            raise Unclear(f"{reader}: reads nothing")
        piece = self._joined(self._pieces(array.reshape(-1, array.shape[-1]), reader), reader)
        piece = self._repeated(piece, array.shape[:-1])
        return piece.stream, piece.at.reshape(array.shape[:-1])

    @cached_property
    def zero(self) -> int:
        """The number that stands for zeros."""
        return int(self.add(Zero(self.new(1, 1))).numbers.item())

    def zeros_before(self, array: np.ndarray) -> int:
        """How many zeros stand first along the last axis."""
        if "zero" not in self.__dict__:
            return 0
        return int((array == self.zero).all((0, 1)).cumprod().sum())

    def parted(self, array: np.ndarray) -> tuple[Stream, np.ndarray] | None:
        """Of elements of one stream whose features are parted, as those of heads: the stream of those features that are
        there, and for each element its place among the stream's numbers; None of any others.
        """
        owners = self.owners(array.ravel().tolist()) if array.ndim > 2 else []
        if len(owners) != 1 or not isinstance(owners[0], Stream) or array.shape[-1] >= owners[0].features:
            return None
        at, feature = np.divmod(array - owners[0].numbers.flat[0], owners[0].features)
        which = np.unique(feature)
        if len(which) == array.shape[-1]:
            return None
        whole = len(which) == owners[0].features
        stream = owners[0] if whole else self._once((owners[0], *which.tolist()), lambda: self._some(owners[0], which))
        return stream, at * len(which) + np.searchsorted(which, feature)

    def sequence(self, array: np.ndarray, reader: str) -> Stream:
        """The stream that an array (batch, time, features) is, all of it in order.

        Raises:
            Unclear: it is anything else.
            UnsupportedError: rows have lengths, of which `reader`, which mixes steps, knows nothing.
        """
        stream, at = self.read(array, reader)
        rows, steps = stream.numbers.shape[:2]
        if not stream.sequence or not np.array_equal(at, np.arange(rows * steps).reshape(rows, steps)):
            raise Unclear(f"{reader}: does not read (batch, time, features), or their transpose, of {stream}")
        if self.ragged:
            raise UnsupportedError(
                f"{reader}: mixes steps, those beyond the lengths of rows as well: no layer of ours does; "
                "--part NAME takes what stands before or behind"
            )
        return stream

    def make(
        self, name: str, layer: type[Layer], reads: Sequence[Stream], steps: int, features: int, *,
        weights: Arrays | None = None, vector: bool = False, **options: Any,
    ) -> Made:  # fmt: skip
        """What a layer gives, with numbers of its own."""
        first = reads[0]
        keeps = first.sequence and not vector and steps == first.numbers.shape[1]
        return self.add(Made(
            name=name, numbers=self.new(first.numbers.shape[0], steps, features), before=first, reads=tuple(reads),
            layer=layer, options=options, weights=weights or {}, sequence=not vector and first.sequence,
            final=first.final if keeps else None,
        ))  # fmt: skip

    def aligned(self, arrays: Sequence[np.ndarray], reader: str) -> tuple[list[Stream], np.ndarray]:
        """The streams that arrays of the same leading axes are, at the same positions, vectors repeated."""
        pieces = [self._joined(self._pieces(a.reshape(-1, a.shape[-1]), reader), reader) for a in arrays]
        pieces = self._along(pieces, reader)
        if all(not piece.stream.sequence for piece in pieces):
            pieces = [self._repeated(piece, arrays[0].shape[:-1]) for piece in pieces]
        return [piece.stream for piece in pieces], pieces[0].at.reshape(arrays[0].shape[:-1])

    def _pieces(self, flat: np.ndarray, reader: str) -> list[Piece]:
        """Of an array (places, features): which features of which streams it holds."""
        owners = np.searchsorted(self._begins, flat, side="right") - 1
        if owners.min(initial=0) < 0 or (owners != owners[0]).any():
            raise Unclear(f"{reader}: reads different layers at different places")
        at, which = np.empty_like(flat), np.empty(flat.shape[1], int)
        for place in np.unique(owners[0]):
            owner = self._owners[place]
            if not isinstance(owner, Stream | Memory):
                raise Unclear(f"{reader}: reads {owner}, as no layer of ours does")
            columns = owners[0] == place
            at[:, columns], features = np.divmod(flat[:, columns] - self._begins[place], owner.numbers.shape[-1])
            if (features != features[0]).any() or at[:, columns].max() >= owner.numbers[..., 0].size:
                raise Unclear(f"{reader}: does not read the same features of {owner} at each place")
            which[columns] = features[0]
        if flat.shape[1] > 1 and len(set(owners[0])) == 1 and (at != at[:, :1]).any():
            return [self._flat(self._owners[owners[0, 0]], at, which, reader)]
        changes = (owners[0, 1:] != owners[0, :-1]) | (at[:, 1:] != at[:, :-1]).any(0)
        starts = [0, *(np.flatnonzero(changes) + 1).tolist(), flat.shape[1]]
        if len(starts) > limits.CHAIN:
            raise UnsupportedError(f"{reader}: reads features of {len(starts) - 1} places, more than {limits.CHAIN}")
        raw: list[tuple[Any, np.ndarray, np.ndarray]] = []
        for a, b in pairwise(starts):
            owner, each = self._owners[owners[0, a]], (at[:, a], which[a:b])
            if raw and self._directions(raw[-1], owner, *each):
                raw[-1] = (
                    self.both(raw[-1][0], owner, "concat", False),
                    each[0],
                    np.r_[raw[-1][2], each[1] + raw[-1][0].features],
                )
            else:
                raw.append((owner, *each))
        return [self._piece(*each, reader) for each in raw]

    def _directions(
        self, before: tuple[Any, np.ndarray, np.ndarray], owner: Any, at: np.ndarray, which: np.ndarray
    ) -> bool:
        """Whether two runs, all features of each at the same places, are the two directions of a layer."""
        run = before[0]
        if not isinstance(run, Run) or not isinstance(owner, Run) or run.backward or not self.paired(run, owner):
            return False
        whole = len(before[2]) == run.features and len(which) == owner.features
        return whole and np.array_equal(before[1], at)

    def _piece(self, owner: Any, at: np.ndarray, which: np.ndarray, reader: str) -> Piece:
        piece = self._picked(owner, at, reader)
        if np.array_equal(which, np.arange(piece.stream.features)):
            return piece
        return Piece(self._once((piece.stream, *which.tolist()), lambda: self._some(piece.stream, which)), at=piece.at)

    def _picked(self, owner: Any, at: np.ndarray, reader: str) -> Piece:
        """All steps in some order, or one of each row as a vector."""
        if isinstance(owner, Memory):
            return Piece(self.final(owner.run, "c"), at)
        rows, time = owner.numbers.shape[:2]
        if not owner.sequence or np.array_equal(np.sort(at), np.arange(rows * time)):
            return Piece(owner, at)
        row, step = np.divmod(at, time)
        final = owner.final is not None and bool((step == owner.final[row]).all())
        if isinstance(owner, Run) and final:
            return Piece(self.final(owner, "h"), row)
        if final and (owner.final == 0).all() and time > 1:
            return Piece(self._step(owner, "first"), row)
        if final or (not self.ragged and (step == time - 1).all()):
            return Piece(self._step(owner, "last"), row)
        if (step == 0).all():
            return Piece(self._step(owner, "first"), row)
        raise Unclear(f"{reader}: reads some of the steps of {owner}, neither all nor the first or last")

    def _step(self, stream: Stream, how: str) -> Stream:
        def step() -> Stream:
            where = -1 if how == "last" else 0
            return Made(
                name=f"{stream.name}_{how}", numbers=stream.numbers[:, where][:, None], before=stream, reads=(stream,),
                layer=Summary, options={"how": how}, sequence=False,
            )  # fmt: skip

        return self._once((stream, how), step)

    def final(self, run: Run, state: str) -> Stream:
        """A final state as a vector."""
        numbers = np.zeros((len(run.numbers), 1, run.features), int)  # which nothing looks up
        return self._once(
            (run, state),
            lambda: Final(name=run.name, numbers=numbers, before=run, run=run, state=state, sequence=False),
        )

    def _some(self, stream: Stream, which: np.ndarray) -> Stream:
        """Some of the features."""
        numbers = stream.numbers[..., which]
        if isinstance(stream, Dense) and stream.kernel is not None and not str(stream.activation).endswith("softmax"):
            bias = None if stream.bias is None else stream.bias[which]
            return replace(stream, numbers=numbers, kernel=stream.kernel[which], bias=bias)
        kernel = np.eye(stream.features, dtype="float32")[which]
        return Dense(
            name=f"{stream.name}_some", numbers=numbers, before=stream, sequence=stream.sequence, final=stream.final,
            kernel=kernel,
        )  # fmt: skip

    def _flat(self, owner: Any, at: np.ndarray, which: np.ndarray, reader: str) -> Piece:
        if not isinstance(owner, Stream) or not owner.sequence:
            raise Unclear(f"{reader}: mixes rows of {owner}")
        time = owner.numbers.shape[1]
        row, when = np.divmod(at, time)
        places = np.sort(when[0] * owner.features + which)
        if (row != row[:, :1]).any() or (when != when[0]).any() or not np.array_equal(
            places, np.arange(time * owner.features)
        ):  # fmt: skip
            raise Unclear(f"{reader}: reads some features of some steps of {owner}")
        numbers = owner.numbers[:, when[0], which][:, None]
        flat = self._once(
            (owner, "flat", *when[0].tolist(), *which.tolist()),
            lambda: Flat(name=owner.name, numbers=numbers, before=owner, sequence=False, when=when[0], which=which),
        )
        return Piece(flat, row[:, 0])

    def _joined(self, pieces: list[Piece], reader: str) -> Piece:
        """The pieces one after the other, as a merge of them."""
        if len(pieces) == 1:
            return pieces[0]
        found = self._along(pieces, reader)
        streams = tuple(piece.stream for piece in found)

        def merge() -> Stream:
            first = streams[0]
            ends = [each.final for each in streams]
            same = all(end is not None and np.array_equal(end, ends[0]) for end in ends if ends[0] is not None)
            return Made(
                name="concat", numbers=np.concatenate([each.numbers for each in streams], -1), before=first,
                reads=streams, layer=Merge, options={"how": "concat"}, sequence=first.sequence,
                final=first.final if same else None,
            )  # fmt: skip

        return Piece(self._once((*streams, "concat"), merge), found[0].at)

    def _along(self, pieces: list[Piece], reader: str) -> list[Piece]:
        """Pieces of one place: the vectors repeated along the sequences, if there are some."""
        sequence = next((piece for piece in pieces if piece.stream.sequence), None)
        if sequence is None:
            if any(not np.array_equal(piece.at, pieces[0].at) for piece in pieces):
                raise Unclear(f"{reader}: joins different rows of {pieces[0].stream} and others")
            return pieces
        rows = sequence.at // sequence.stream.numbers.shape[1]
        found = []
        for piece in pieces:
            if not piece.stream.sequence and np.array_equal(piece.at, rows):
                piece = Piece(self._repeat(piece.stream, sequence.stream), sequence.at)
            same = piece.stream.numbers.shape[1] == sequence.stream.numbers.shape[1]
            if not same or not np.array_equal(piece.at, sequence.at):
                raise Unclear(f"{reader}: joins different steps of {sequence.stream} and {piece.stream}")
            found.append(piece)
        return found

    def _repeat(self, vector: Stream, along: Stream | int) -> Stream:
        steps = along if isinstance(along, int) else along.numbers.shape[1]
        options = {"steps": steps} if isinstance(along, int) else {}
        reads = (vector,) if isinstance(along, int) else (vector, along)
        return self._once((vector, along, "repeat"), lambda: Made(
            name=f"{vector.name}_repeat", numbers=np.repeat(vector.numbers, steps, 1), before=vector, reads=reads,
            layer=Repeat, options=options,
        ))  # fmt: skip

    def _repeated(self, piece: Piece, shape: tuple[int, ...]) -> Piece:
        """A vector at several places a row, which are steps: those of an input where their number is free."""
        rows = len(piece.stream.numbers)
        if piece.stream.sequence or len(shape) != 2 or piece.at.size <= rows:
            return piece
        at, order = piece.at.reshape(shape), np.arange(rows)
        for axis, each in ((0, at), (1, at.T)):
            if each.shape[0] == rows and (each == order[:, None]).all():
                steps = each.shape[1]
                given = [
                    s for s in self._owners if isinstance(s, Source) and s.sequence and s.numbers.shape[1] == steps
                ]
                stream = self._repeat(piece.stream, given[0] if given and self.free else steps)
                new = np.arange(rows * steps).reshape(rows, steps)
                return Piece(stream, (new.T if axis else new).ravel())
        return piece

    def _once(self, key: tuple, make: Any) -> Stream:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]
