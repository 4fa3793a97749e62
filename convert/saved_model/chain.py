"""The chains of layers in a graph, and which of them is the model."""

import re

from rnnspec.convert.request import Request
from rnnspec.convert.saved_model.expressions import integers, match, scalar
from rnnspec.convert.saved_model.graph import Tensor
from rnnspec.convert.saved_model.layers import Chain, Reader, given
from rnnspec.convert.saved_model.loops import LOOPS, zero
from rnnspec.errors import SpecError, UnsupportedError


class Chains:
    """The model's chain, and those whose final states start another one.

    `outputs`: what the model gives, by its names for it.

    Raises:
        UnsupportedError: the outputs are not of one chain.
    """

    def __init__(self, reader: Reader, outputs: dict[str, Tensor]) -> None:
        self.reader, self.outputs = reader, outputs
        self.states = [y for y in outputs.values() if y.type in LOOPS]
        sequences = [y for y in outputs.values() if y.type not in LOOPS]
        self.main = self._main(sequences or [y for y in self.states if y == reader.final(y)][:1])
        self.all = [self.main]
        for chain in self.all:
            for start, _ in chain.states:
                if start.type in LOOPS and not any(start.op in other.loops for other in self.all):
                    self.all.append(reader.chain(reader.final(start)))

    def _main(self, outputs: list[Tensor]) -> Chain:
        """The longest chain, of which other outputs are what its layers hand on."""
        if not outputs:
            raise UnsupportedError(
                f"{self.reader.where}: gives only the cell state of an LSTM; ours gives h, and c beside it"
            )
        if both := self.reader.separate(outputs):
            return both
        chains = [self.reader.chain(y) for y in outputs]
        longest = max(chains, key=lambda chain: len(chain.passed))
        if any(y not in longest.passed for y in outputs):
            raise UnsupportedError(f"{self.reader.where}: its outputs are not those of one chain of layers")
        return longest

    def choose(self, request: Request) -> Chain:
        """The chain with the layer that `--part` names, or the only one.

        Raises:
            SpecError, UnsupportedError: there is none, or more than one.
        """
        part = request.look("part")
        names = [[layer.name for layer, _ in chain.layers] for chain in self.all]
        if part is not None:
            found = [chain for chain, inside in zip(self.all, names, strict=True) if part in inside]
            if not found:
                known = ", ".join(name for inside in names for name in inside)
                raise SpecError(f"--part {part}: no layer has that name; there are {known}")
            chain = found[0]
        elif len(self.all) > 1:
            heads = ", ".join(inside[0] for inside in names)
            raise UnsupportedError(
                f"{self.reader.where}: no chain: the states of one layer start another; give --part, one of {heads}"
            )
        else:
            chain = self.main
        chain.rename(request)
        if part is None:
            self._outputs(chain, request)
        self._starts(chain, request)
        self._padding(chain, request)
        return chain

    def _outputs(self, chain: Chain, request: Request) -> None:
        """Say which of ours is which output, where that is more than one."""
        one = len(chain.outputs) == 1
        ours = {y: "y" if one else f"y[{k}]" for k, y in reversed(list(enumerate(chain.outputs)))}
        ours = {end: name for name, (_, end) in zip(chain.names, chain.states, strict=True)} | ours
        for name, y in self.outputs.items():
            if y not in ours:
                what = "a state" if y.type in LOOPS else "the output"
                raise UnsupportedError(
                    f"{self.reader.where}: its {name!r} is {what} of a layer that ours does not give beside the last "
                    f"layer's; leave it out with --part {chain.layers[-1][0].name}"
                )
        first = next(iter(self.outputs))
        if all(re.fullmatch(r"output_\d+", name) for name in self.outputs) and self.outputs[first] != chain.outputs[0]:
            raise UnsupportedError(
                f"{self.reader.where}: its first output is {ours[self.outputs[first]]}, and ours gives y first; leave "
                f"the others out with --part {chain.layers[-1][0].name}"
            )
        if len(self.outputs) > len(chain.outputs):
            found = ", ".join(f"{ours[y]} ({name})" for name, y in self.outputs.items())
            request.note(f"the outputs of the source are, in its order: {found}")

    def _starts(self, chain: Chain, request: Request) -> None:
        """Where states start: at zero, or where the user says."""
        elsewhere = []
        for name, (start, _) in zip(chain.names, chain.states, strict=True):
            if zero(start):
                continue
            if start in self.reader.variables:
                if self.reader.variables[start][1].any():
                    raise UnsupportedError(
                        f"{self.reader.where}: the state {name} of a stateful layer is not 0; reset it, and export"
                    )
                self.reader.read.add(start)
            elif start.type not in ("Argument", *LOOPS):
                raise UnsupportedError(
                    f"{self.reader.where}: the state {name} starts from what {start.op.name!r} gives"
                )
            elsewhere.append(name)
        if elsewhere:
            request.note(f"starts from states that are given: {', '.join(elsewhere)}; from 0 where they are not")

    def _padding(self, chain: Chain, request: Request) -> None:
        """The value that masks steps, which must be the same for all recurrent layers."""
        masks = set(chain.masks)
        meanings = {None if mask is None else self._masked(mask, chain) for mask in masks}
        if len(meanings) > 1 or any(self._masked(mask, chain) not in meanings for mask in chain.masked):
            raise UnsupportedError(
                f"{self.reader.where}: some layers see the mask and some do not; ours is for all of them"
            )
        found = meanings.pop() if meanings else None
        if isinstance(found, Tensor):
            request.note(f"its mask is the input {found.op.name!r}; give it as `mask`")
        else:
            chain.padding = found

    def _masked(self, mask: Tensor, chain: Chain) -> float | Tensor:
        """The value; or the mask, where it is an input of its own."""
        if mask.type == "Argument":
            return mask
        found = match(mask, ("Any", "different", "axis"))
        different = found["different"] if found and integers(found["axis"]) in ([-1], [2]) else mask
        found = match(different, ("NotEqual", "x", "value"))
        value = scalar(found["value"]) if found else None
        if found is None or given(found["x"]) != chain.source or value is None:
            raise UnsupportedError(f"{self.reader.where}: the mask {mask.op.name!r} is not read off the model's input")
        return value
