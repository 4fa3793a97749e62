"""Keras's recurrent layers → ours."""

import json
from dataclasses import dataclass
from typing import Any

from rnnspec.convert.keras.cells import Cells
from rnnspec.convert.keras.outputs import Taken, directions
from rnnspec.convert.keras.saved import Saved
from rnnspec.convert.layers import bidirectional, recurrent
from rnnspec.convert.request import Request, WithWeights
from rnnspec.errors import SpecError, UnsupportedError


@dataclass(frozen=True)
class Options:
    """What a recurrent layer, or both layers of a `Bidirectional`, are made with.

    `zero`: whether the outputs at masked steps are zeros, and not those before.
    """

    layers: tuple[Saved, ...]
    sequences: bool
    zero: bool
    time_major: bool
    stateful: bool


class Recurrences:
    """Reads recurrent layers, whose variables must have been located (`locate`)."""

    def __init__(self, cells: Cells) -> None:
        self.cells, self.request, self.version = cells, cells.request, cells.version

    def options(self, saved: Saved, name: str, training: bool) -> Options:
        """What the layer is made with; `name` is ours, `training` says whether it is called so.

        Raises:
            SpecError: no Keras makes such a layer.
            UnsupportedError: ours has no such layer.
        """
        both = saved.kind == "Bidirectional"
        layers = tuple(saved.inner.values()) if both else (saved,)
        options = [_options(layer) for layer in layers]
        sequences, zero = options[0]["return_sequences"], options[0]["zero_output_for_mask"]
        stateful = saved.get("stateful", bool, False) or layers[0].get("stateful", bool, False)
        if stateful:
            self.request.note(f"{name}: is stateful: here the states of a call are passed on to the next by hand")
        if both:
            if options[0]["go_backwards"] == options[1]["go_backwards"]:
                raise SpecError(f"{saved.where}: both layers run the same way (go_backwards); no Keras makes that")
            if any(options[0][key] != options[1][key] for key in ("return_sequences", "time_major")):
                raise SpecError(f"{saved.where}: its two layers differ in return_sequences; no Keras makes that")
            if self.version.zero_in_bidirectional:
                zero = sequences
            elif zero != options[1]["zero_output_for_mask"]:
                raise UnsupportedError(f"{saved.where}: its two layers differ in zero_output_for_mask; no equal here")
        for part, _ in saved.walk():
            check_training(part, training, *(part.get(rate, (int, float), 0.0) for rate in _RATES))
        return Options(layers, sequences, zero, options[0]["time_major"], stateful)

    def read(self, saved: Saved, name: str, features: int | None, options: Options, goes_on: Taken) -> WithWeights:
        """Our layer, with `goes_on` as its output, from `features`, if they are known.

        Raises:
            SpecError: a variable is missing or of another shape.
            UnsupportedError: ours has no such layer.
        """
        made = {
            "name": name,
            "last": goes_on.last or not options.sequences,
            "padded_output": "zero" if options.zero else "hold",
        }
        if goes_on.merge is not None:
            return self._both(saved, options, features, goes_on.merge, made)
        return self._one(saved, options, features, goes_on, made)

    def check_zeros(self, saved: Saved, options: Options, goes_on: Taken) -> None:
        """Raise UnsupportedError where zero_output_for_mask, with a mask, does what ours does not."""
        used = options.layers if goes_on.merge is not None else options.layers[goes_on.direction or 0 :][:1]
        if not options.sequences and not goes_on.last:
            raise UnsupportedError(
                f"{saved.where}: zero_output_for_mask without return_sequences gives 0 where the last step is masked: "
                "no equal here; return the sequence, or leave zero_output_for_mask out"
            )
        if (
            options.sequences
            and not goes_on.last
            and any(each.get("unroll", bool, False) and _backward(each) for each in used)
        ):
            raise UnsupportedError(
                f"{saved.where}: unrolled backwards with zero_output_for_mask, Keras gives 0 at other steps than those "
                "that are masked: no equal here; leave unroll out"
            )

    def _one(
        self, saved: Saved, options: Options, features: int | None, goes_on: Taken, made: dict[str, Any]
    ) -> WithWeights:
        """One direction, by itself or of a `Bidirectional`, which reverses what its second layer returns."""
        layer = options.layers[goes_on.direction or 0]
        part = self.cells.read(layer.inner["cell"], features, made["name"])
        backward = _backward(layer)
        made["direction"] = "backward" if backward else "forward"
        made["reverse_output"] = not made["last"] and backward != (goes_on.direction == 1)
        if goes_on.direction is not None:
            self.request.note(f"{made['name']}: of {saved.kind} one direction alone is used, {made['direction']}")
            for cell, _ in options.layers[1 - goes_on.direction].walk():
                for variable in cell.variables.values():
                    self.cells.variables.ignore(variable, "of a direction that is not used")
        return recurrent(part, **made)

    def _both(
        self, saved: Saved, options: Options, features: int | None, merge: str, made: dict[str, Any]
    ) -> WithWeights:
        """`Bidirectional`; where its first layer runs backward, so does what comes out (`go_backwards`)."""
        places = directions(saved)
        parts = {
            place: self.cells.read(layer.inner["cell"], features, f"{made['name']}.{place}")
            for place, layer in zip(places, options.layers, strict=True)
        }
        if places[0] == "backward":
            if merge in ("concat", "none"):
                raise UnsupportedError(
                    f"{saved.where}: go_backwards with merge_mode {merge!r} puts backward first: no equal"
                )
            made["reverse_output"] = not made["last"]
            self.request.note(f"{made['name']}: its forward layer goes backwards, and is `backward` here")
        return bidirectional(parts["forward"], parts["backward"], merge=merge, **made)


_RATES = ("dropout", "recurrent_dropout")


def check_training(saved: Saved, training: bool, *rates: float) -> None:
    """Raise UnsupportedError where dropout is at work at inference too."""
    if training and any(rates):
        raise UnsupportedError(f"{saved.where}: is called with training=True: it drops at inference too; no equal")


def note_half(saved: Saved, request: Request) -> None:
    """Say where Keras computes in half precision."""
    policies = [part.config.get("dtype") for part, _ in saved.walk()]
    if found := next((policy for policy in policies if "float16" in json.dumps(policy)), None):
        config = found.get("config") if isinstance(found, dict) else None
        name = config.get("name", found) if isinstance(config, dict) else found
        request.note(f"{saved.name}: Keras computes it in {name}; here it is float32")


def _backward(layer: Saved) -> bool:
    return layer.get("go_backwards", bool, False)


def _options(layer: Saved) -> dict[str, bool]:
    names = ("return_sequences", "go_backwards", "zero_output_for_mask", "time_major")
    return {name: layer.get(name, bool, False) for name in names}
