"""What a checkpoint does not say about a cell."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rnnspec.activations import Activation
from rnnspec.conventions.tf1 import ACTIVATION, FORGET_BIAS
from rnnspec.convert import assumed
from rnnspec.convert.request import Request
from rnnspec.convert.tf1.meta import Meta
from rnnspec.convert.tf1.variables import CellVariables
from rnnspec.errors import SpecError


def noted(said: dict[str, list[str]], request: Request) -> None:
    """Note what was assumed; places with the same assumption share a note."""
    for place, each in said.items():
        request.note(f"{'; '.join(each)}: no checkpoint holds these; the defaults are TensorFlow's", place)


@dataclass(frozen=True)
class Ask:
    """The settings at one place of ours, such as `rnn.cells.0`; TensorFlow's default where the user says nothing.

    `said`: place → what was assumed or set there; `meta`: the graph beside the checkpoint, and `known` what that says
    of the cell here, which is no assumption.
    """

    request: Request
    place: str
    said: dict[str, list[str]]
    meta: Meta | None = None
    known: Mapping[str, Any] = field(default_factory=dict)

    def at(self, place: str) -> "Ask":
        """One place deeper."""
        return replace(self, place=f"{self.place}.{place}", known={})

    def of(self, kind: str, v: CellVariables) -> "Ask":
        """The same for a cell of this kind, with what the graph says of it."""
        if self.meta is None:
            return self
        words = ("candidate/kernel", "candidate/input_projection/kernel", "kernel_w", "kernel")
        kernels = next((v.names[word] for word in words if word in v.names), [])
        return replace(self, known=self.meta.cell(kind, kernels, v.names.get("projection", [])))

    def size(self, name: str, why: str) -> int:
        """A number that has no default. Raises SpecError: it is not given, or no size."""
        value = self.request.settings.get(self.place, name)
        if value is None:
            raise SpecError(f"{self.place}: {why}; give --set {name}=…")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise SpecError(f"--set {name} at {self.place}: expected a size from 1, found {value!r}")
        return value

    def residual(self) -> bool:
        """Whether there is a `ResidualWrapper`, which leaves nothing in a checkpoint."""
        default = bool(self._said("residual", False, ""))
        return assumed.flag(self.request, self.place, "residual", default)

    def forget_bias(self, default: float = FORGET_BIAS) -> float:
        """What is added to the forget gate at run time."""
        return self._number("forget_bias", self._said("forget_bias", default, ", added to the forget gate"))

    def activation(self, default: Activation = ACTIVATION, *also: str) -> Any:
        return assumed.activation(self._said("activation", default, "", *also), f"--set activation at {self.place}")

    def epsilon(self, default: float) -> float:
        """Of a layer norm."""
        return self._number("epsilon", self._said("epsilon", default, " in the layer norms", "variance_epsilon"))

    def clips(self, projection: bool) -> dict[str, Any]:
        """`clip_cell`, and `clip_projection` where there is a projection; none by default."""
        names = {"clip_cell": "cell_clip"} | ({"clip_projection": "proj_clip"} if projection else {})
        return {ours: self._limit(ours, theirs) for ours, theirs in names.items()}

    def _limit(self, name: str, other: str) -> float | None:
        value = self._said(name, None, "", other)
        return None if value is None else self._number(name, value)

    def _number(self, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SpecError(f"--set {name} at {self.place}: expected a number, found {value!r}")
        return float(value)

    def _said(self, name: str, default: Any, what: str, *also: str) -> Any:
        """The value, with a note that says where it comes from."""
        value = self.request.settings.get(self.place, name, default, also=also)
        given = self.request.settings.given(self.place, name, also=also)
        if name in self.known and not given:
            return self.known[name]
        self.said.setdefault(self.place, []).append(
            f"{name} {str(value).lower() if isinstance(value, bool) else value}{what} ({'set' if given else 'default'})"
        )
        return value
