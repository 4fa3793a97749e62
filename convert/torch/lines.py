"""The lines of Python that do in torch what a layer does."""

import keyword
import unicodedata
from dataclasses import dataclass, field
from typing import NamedTuple

from rnnspec.cells import LSTM
from rnnspec.convert.torch.functions import called
from rnnspec.convert.torch.helpers import HELPERS
from rnnspec.convert.torch.modules import Stock
from rnnspec.errors import UnsupportedError
from rnnspec.layers import (
    Activation,
    Attention,
    Convolution,
    Dense,
    Dropout,
    Embedding,
    Merge,
    Norm,
    Pool,
    Recurrent,
    Repeat,
    Scale,
    Summary,
)
from rnnspec.layers.convolution import Window

_TAKEN = {
    "self",
    "torch",
    "nn",
    "F",
    "Path",
    "Model",
    "load",
    "Loop",
    "PackedSequence",
    "pack_padded_sequence",
    "pad_packed_sequence",
    *HELPERS,
}


class Names:
    """Identifiers, each given once."""

    def __init__(self) -> None:
        self._taken = {*_TAKEN, *keyword.kwlist}

    def new(self, name: str) -> str:
        """The name, or one like it: `a-b` is `a_b`, `class` is `class_`."""
        name = unicodedata.normalize("NFKC", name.replace("-", "_").replace(".", "_"))  # as Python reads identifiers
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


class Value(NamedTuple):
    """A variable; and where it is a sequence of which not all steps may count, the variable of its mask."""

    name: str
    sequence: bool
    mask: str | None = None


@dataclass
class Lines:
    """The lines of `forward`, and its variables by the places of the graph."""

    names: Names = field(default_factory=Names)
    body: list[str] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)

    def add(self, stock: Stock, reads: list[Value], gives_sequence: bool, held: bool) -> None:
        """What the layer does, after which its output stands among the values; `held`: at steps that do not count it
        is that of the last step before that does.

        Raises:
            UnsupportedError: torch has nothing that does it; the message names the layer.
        """
        layer, x = stock.layer, reads[0]
        name, mask, module = self.names.new(layer.name), x.mask, f"self.{stock.name}"
        match layer:
            case Recurrent():
                self._recurrent(layer, stock, name, x, held)
                self.values[layer.name] = Value(name, gives_sequence, mask if gives_sequence else None)
                return
            case Embedding() | Dropout() | Dense():
                line = f"{module}({x.name})"
            case Activation():
                line = called(layer.function, x.name, f"layer {layer.name!r}")
            case Norm():
                turned = layer.kind == "batch" and x.sequence
                line = f"{module}({x.name}.mT).mT" if turned else f"{module}({x.name})"
            case Scale():
                line = f'{x.name} * {module}["gamma"]' + (f' + {module}["beta"]' if layer.beta else "")
            case Window():
                line, mask = self._window(layer, module, x)
            case Merge():
                line = _merged(layer, reads)
            case Repeat():
                line, mask = _repeated(layer, reads)
            case Summary():
                line, mask = f"{_SUMMARIES[layer.how]}({x.name}, {x.mask})", None
            case Attention():
                line = self._attention(layer, module, reads)
            case _:
                raise UnsupportedError(f"layer {layer.name!r}: torch has no {type(layer).__name__}")
        self.body.append(f"{name} = {line}")
        if isinstance(layer, Dense | Convolution) and layer.activation != "linear":
            self.body.append(f"{name} = {called(layer.activation, name, f'layer {layer.name!r}')}")
        self.values[layer.name] = Value(name, gives_sequence, mask if gives_sequence else None)

    def _recurrent(self, layer: Recurrent, stock: Stock, name: str, x: Value, held: bool) -> None:
        backward, both = layer.direction == "backward", layer.direction == "bidirectional"
        start = self._start(layer, stock, x)
        state = ", " + start if start else ""
        run = f"{'backward' if backward else 'run'}(self.{stock.name}, {x.name}, {x.mask}{state})"
        final = {
            leaf: self.names.new(f"{name}_{leaf}") for leaf in (("h", "c") if isinstance(layer.cell, LSTM) else ("h",))
        }
        left = f"({', '.join(final.values())})" if len(final) > 1 else final["h"]
        self.body.append(f"{name}, {left} = {run}")
        for leaf, variable in final.items():
            for prefix in layer.directions:
                place = f"{layer.name}.{prefix}.{leaf}" if prefix else f"{layer.name}.{leaf}"
                self.values[place] = Value(f"{variable}[{-2 if prefix == 'forward' else -1}]", False)
        h = final["h"]
        if not layer.return_sequences:
            parts = [f"{h}[-2]", f"{h}[-1]"] if both else [f"{h}[-1]"]
            parts = [f"visited({part}, {x.mask})" for part in parts] if start else parts
            self.body.append(f"{name} = {_joined(layer, parts)}")
            return
        if both and (held or layer.merge != "concat"):
            parts = [self.names.new(f"{name}_{each}") for each in layer.directions]
            self.body.append(f"{', '.join(parts)} = {name}.chunk(2, -1)")
            if held:
                parts = [f"held({part}, {x.mask}{end})" for part, end in zip(parts, ("", ", True"), strict=True)]
            self.body.append(f"{name} = {_joined(layer, parts)}")
        elif held:
            self.body.append(f"{name} = held({name}, {x.mask}{', True' if backward else ''})")
        if layer.reverse_output:
            self.body.append(f"{name} = {name}.flip(1)")

    def _start(self, layer: Recurrent, stock: Stock, x: Value) -> str:
        """The state that it starts from, where that is not 0, as torch takes it."""
        given = {leaf: self.values[place].name for leaf, place in (layer.start or {}).items()}
        if not given and not layer.learned_state:
            return ""
        cell = layer.cell
        sizes = {"h": getattr(cell, "projection", None) or cell.outputs(1)}
        sizes |= {"c": cell.units} if isinstance(cell, LSTM) else {}
        states = []
        for leaf, size in sizes.items():
            each = []
            for prefix in layer.directions:
                place = f"{prefix}.{leaf}" if prefix else leaf
                learned = f'self.{stock.name}_initial["{place.replace(".", "_")}"].expand(len({x.name}), -1)'
                zero = f"torch.zeros(len({x.name}), {size}, device={x.name}.device)"
                each.append(given.get(place, learned if layer.learned_state else zero))
            states.append(f"torch.stack([{', '.join(each)}])" if len(each) > 1 else f"{each[0]}[None]")
        return f"({', '.join(states)})" if len(states) > 1 else states[0]

    def _window(self, layer: Window, module: str, x: Value) -> tuple[str, str | None]:
        """A convolution or pooling, and which of its windows count."""
        (before, after), (stride, _) = layer.outside, layer.strides
        if isinstance(layer, Pool):
            how = {"max": "largest", "mean": "mean"}[layer.how]
            line = f"{how}({x.name}, {x.mask}, {before}, {after}, {layer.width}, {stride})"
        else:
            seen = f"masked({x.name}, {x.mask}).mT" if x.mask else f"{x.name}.mT"
            seen = f"F.pad({seen}, ({before}, {after}))" if before or after else seen
            line = f"{module}({seen}).mT"
        span = layer.span if layer.padding == "valid" else 1
        if x.mask is None or (span, stride) == (1, 1):
            return line, x.mask
        mask = self.names.new(f"{layer.name}_mask")
        self.body.append(f"{mask} = windows({x.mask}, {span}, {stride})")
        return line, mask

    def _attention(self, layer: Attention, module: str, reads: list[Value]) -> str:
        q, k, v = (self.names.new(f"{layer.name}_{each}") for each in "qkv")
        parts = (f"parted({value.name}, {layer.heads})" for value in (reads[0], reads[1], reads[-1]))
        self.body += [f"{name} = {part}" for name, part in zip((q, k, v), parts, strict=True)]
        scores = f"{q} @ {k}.mT"
        if layer.score == "general":
            scores = f'{q} @ {module}["kernel"] @ {k}.mT'
        elif layer.score == "scaled":
            scores = f"{q} @ {k}.mT / {q}.shape[-1] ** 0.5"
        elif layer.score == "additive":
            scale = f'{module}["scale"][:, None, :, None]'
            scores = f"(torch.tanh({q}[:, :, :, None] + {k}[:, :, None]) @ {scale})[..., 0]"
        line = f"attend({scores}, {v}, {reads[1].mask}).transpose(1, 2).flatten(2)"
        return line if reads[0].sequence else f"{line}[:, 0]"


_SUMMARIES = {"last": "last", "first": "first", "mean": "averaged", "max": "maximum", "sum": "summed"}


def _joined(layer: Recurrent, parts: list[str]) -> str:
    """The outputs of both directions in one."""
    if len(parts) == 1:
        return parts[0]
    if layer.merge == "concat":
        return f"torch.cat([{', '.join(parts)}], -1)"
    joined = f" {'*' if layer.merge == 'mul' else '+'} ".join(parts)
    return f"({joined}) / 2" if layer.merge == "ave" else joined


def _merged(layer: Merge, reads: list[Value]) -> str:
    names = [value.name for value in reads]
    if layer.how == "concat":
        return f"torch.cat([{', '.join(names)}], -1)"
    if layer.how == "maximum":
        line = names[0]
        for name in names[1:]:
            line = f"torch.maximum({line}, {name})"
        return line
    joined = f" {'*' if layer.how == 'multiply' else '+'} ".join(names)
    return f"({joined}) / {len(names)}" if layer.how == "average" else joined


def _repeated(layer: Repeat, reads: list[Value]) -> tuple[str, str | None]:
    steps = str(layer.steps) if layer.steps is not None else f"{reads[1].name}.shape[1]"
    return f"{reads[0].name}[:, None].expand(-1, {steps}, -1)", reads[-1].mask
