"""A recurrent node on numbered elements: which sequence it reads, from which states, and the numbers that it gives."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rnnspec.convert.onnx import recurrent
from rnnspec.convert.onnx.graph import INITIAL_H, SEQUENCE_LENS, B, Node, P, R, W, X
from rnnspec.convert.onnx.sizes import Roles, Sizes
from rnnspec.convert.onnx.streams import Given, Kind, Memory, Misfit, Run, Stream, Streams, Traced, Unclear
from rnnspec.convert.request import Request
from rnnspec.errors import SpecError, UnsupportedError


class Visits(NamedTuple):
    """For each place (time, batch) of X, the row and the step of the stream that is there; whether the steps come in
    reverse; and the `lengths (batch,)` of the stream's rows.
    """

    rows: np.ndarray
    steps: np.ndarray
    flipped: bool
    lengths: np.ndarray


@dataclass
class RecurrentNodes:
    """Runs recurrent nodes on the numbers of `streams`, which has what they give from then on.

    `ragged`: each of them, and whether it has lengths.
    """

    role: Roles
    sizes: Sizes
    streams: Streams
    request: Request
    ragged: dict[Node, bool] = field(default_factory=dict)

    def run(self, node: Node, inputs: list[Traced | None]) -> list[Traced]:
        """One run per direction → Y, Y_h and for an LSTM Y_c.

        Raises:
            SpecError: the node is wrong.
            Misfit, Unclear, UnsupportedError: it does not read a whole sequence, or has no constant weights.
        """
        inputs = [*inputs, *[None] * 8]
        x, weights = inputs[X], [inputs[place] for place in (W, R, B, P)]
        if x is None or x.kind is not Kind.ELEMENTS or x.array.ndim != 3:
            raise UnsupportedError(f"{node}: X is not a sequence (time, batch, features) that comes from the input")
        if None in weights[:2] or any(tensor is not None and tensor.kind is not Kind.WEIGHTS for tensor in weights):
            raise UnsupportedError(
                f"{node}: W, R, B and P are not constants; read_model(constants=…) takes their values"
            )
        batchwise = bool(node.integer("layout"))
        stream, positions = self.streams.read(x.array.swapaxes(0, 1) if batchwise else x.array, str(node))
        w, r, b, p = (None if tensor is None else tensor.array for tensor in weights)
        assert w is not None
        assert r is not None
        parts = recurrent.parts(node, w, r, b, p, self.request)
        if w.shape[2] != stream.features:
            raise SpecError(f"{node}: W is for {w.shape[2]} features, {stream} has {stream.features}")
        visits = self._visits(node, stream, positions, inputs[SEQUENCE_LENS])
        y, y_h, y_c = [], [], []
        for direction, (part, backward) in enumerate(zip(parts, recurrent.directions(node), strict=True)):
            backward ^= visits.flipped
            units = part[0].outputs(stream.features)
            starts = {
                name: self._start(node, place, inputs[place], direction, visits, units)
                for name, place in zip(part[0].states(1), node.state_places(), strict=True)
            }
            run = self.streams.add(Run(
                name=node.label, numbers=self.streams.new(*stream.numbers.shape[:2], units),
                before=stream, final=np.zeros_like(visits.lengths) if backward else visits.lengths - 1,
                part=part, backward=backward, starts=starts,
            ))  # fmt: skip
            y.append(run.numbers[visits.rows, visits.steps])
            y_h.append(run.at_final()[visits.rows[0], 0])
            if node.kind == "LSTM":
                memory = self.streams.add(Memory(run, self.streams.new(*run.at_final()[:, 0].shape)))
                y_c.append(memory.numbers[visits.rows[0]])
        arrays = [np.stack(y, 1), *(np.stack(states) for states in (y_h, y_c) if states)]
        if batchwise:
            arrays = [arrays[0].transpose(2, 0, 1, 3), *(array.swapaxes(0, 1) for array in arrays[1:])]
        return [Traced(array, Kind.ELEMENTS) for array in arrays]

    def _visits(self, node: Node, stream: Stream, positions: np.ndarray, given: Traced | None) -> Visits:
        time, batch = positions.shape
        if not stream.sequence or stream.numbers.shape[:2] != (batch, time):
            raise Unclear(f"{node}: reads {time} steps of {batch} rows, not the whole sequence of {stream}")
        rows, steps = np.divmod(positions, time)
        order = rows[0]
        valid, lengths = np.full(batch, time), np.full(batch, time)
        self.ragged[node] = ragged = given is not None and not self._complete(given, time)
        if given is not None and given.array.shape != (batch,):
            raise Misfit(f"{node}: sequence_lens: expected {batch} numbers, found the shape {given.array.shape}")
        if given is not None and ragged:
            if not self.role.lengths:
                raise UnsupportedError(f"{node}: sequence_lens are constants of the file; export them as an input")
            valid, lengths = given.array.astype(int), self.sizes.lengths()
        t = np.broadcast_to(np.arange(time)[:, None], steps.shape)
        counted = t < valid
        if not np.array_equal(np.sort(order), np.arange(batch)) or (rows != order)[counted].any():
            raise Unclear(f"{node}: X is not (time, batch, features) of {stream}: rows and steps are mixed")
        if not np.array_equal(lengths[order], valid):
            raise UnsupportedError(f"{node}: sequence_lens are not the lengths of its rows, as they were given")
        for flipped, expected in ((False, t), (True, np.where(counted, valid - 1 - t, t))):
            if np.array_equal(steps[counted], expected[counted]):
                return Visits(np.broadcast_to(order, steps.shape), expected, flipped, lengths)
        raise UnsupportedError(f"{node}: X is not the sequence of {stream}, forward or backward; no layer of ours")

    def _complete(self, lengths: Traced, time: int) -> bool:
        """Whether lengths only say that every step counts: nobody gives them, and they are as large as the input."""
        by_size = lengths.kind is Kind.SIZES or "time" in self.sizes.declared
        return not self.role.lengths and by_size and bool((lengths.array == time).all())

    def _start(
        self, node: Node, place: int, tensor: Traced | None, direction: int, visits: Visits, units: int
    ) -> np.ndarray | str | Stream:
        """The initial state of one direction (units,), or who gives it at run time, or the place that does."""
        where = f"{node}: initial_{'h' if place == INITIAL_H else 'c'}"
        if not node.input(place):
            return np.zeros(units, "float32")
        if tensor is None:
            return f"another part, as {node.input(place)!r},"
        array = tensor.array.swapaxes(0, 1) if node.integer("layout") and tensor.array.ndim == 3 else tensor.array
        directions, batch = len(recurrent.directions(node)), visits.rows.shape[1]
        if array.ndim != 3 or array.shape[0] != directions or array.shape[2] != units:
            raise SpecError(
                f"{where}: expected shape ({directions}, batch, {units}), found {array.shape}: a wrong node"
            )
        if array.shape[1] != batch:
            raise Misfit(f"{where}: expected {batch} rows, found {array.shape[1]}")
        values = array[direction][np.argsort(visits.rows[0])]
        if tensor.kind is Kind.ELEMENTS:
            owners = self.streams.owners(values.ravel().tolist())
            if len(owners) != 1 or not isinstance(owners[0], Given):
                return self._elsewhere(where, values, owners)
            if any((np.diff(values, axis=axis) <= 0).any() for axis in (0, 1)):
                raise UnsupportedError(f"{where}: is not {owners[0]} row by row, its units in order")
            return str(owners[0])
        if values.any() and (tensor.kind is Kind.SIZES or (values != values[0]).any()):
            raise UnsupportedError(f"{where}: differs from row to row, and is no input; export it as an input")
        return values[0]

    def _elsewhere(self, where: str, values: np.ndarray, owners: list) -> Stream:
        """The place whose elements (batch, units) an initial state is: none in a chain."""
        raise UnsupportedError(f"{where}: comes from {' and '.join(map(str, owners))}; not a chain; --part NAME")
