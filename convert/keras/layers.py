"""Keras's layers → ours."""

import re
from typing import Any

import msgspec

from rnnspec import Dense, Dropout, Embedding
from rnnspec.convert.keras import activations
from rnnspec.convert.keras.cells import Cells
from rnnspec.convert.keras.chain import Link
from rnnspec.convert.keras.masks import Masks
from rnnspec.convert.keras.saved import RECURRENT, Saved
from rnnspec.convert.layers import bidirectional, recurrent
from rnnspec.convert.request import Network, WithWeights
from rnnspec.errors import SpecError, UnsupportedError


class Layers:
    """Reads the layers of a chain, one after the other; their variables must have been located (`locate`)."""

    def __init__(self, cells: Cells) -> None:
        self.cells, self.request, self.version = cells, cells.request, cells.version
        self.masks = Masks(cells.version, cells.request)
        self.found: list[WithWeights] = []
        self.features: int | None = None
        self.time_major: set[bool] = set()

    def network(self, links: list[Link]) -> Network:
        """All layers.

        Raises:
            SpecError: a variable is missing or of another shape; an option has an impossible value.
            UnsupportedError: ours has no such layer, or not with that option.
        """
        if links[0].source:
            self.request.note(f"begins with what {links[0].source!r} gives; a mask that comes with it is to be given")
        self.features = links[0].features
        for link in links:
            self._read(link, link.layer)
        where = self.cells.variables.where
        if len(self.time_major) > 1:
            raise UnsupportedError(f"{where}: some layers are time-major, some are not; no equal here")
        if True in self.time_major:
            self.request.note("the model is time-major: load it with time_major=True")
        inputs = (
            None if self.found and isinstance(self.found[0][0], Embedding) else self._inputs(where, links[0].features)
        )
        return Network(self.found, inputs, self.cells.variables, self.masks.padding(where))

    def _inputs(self, where: str, features: int | None) -> int:
        kernels = (weights for _, weights in self.found if weights)
        if weights := next(kernels, None):
            return _inputs_of(weights)
        if features is None:
            raise SpecError(f"{where}: the number of features of the input is nowhere; give batch_shape in the JSON")
        return features

    def _read(self, link: Link, saved: Saved) -> None:
        self._check_policy(saved)
        kind = saved.kind
        if kind == "TimeDistributed":
            inner = saved.inner["layer"]
            if inner.kind not in ("Dense", "Dropout", *activations.LAYERS):
                raise UnsupportedError(
                    f"{saved.where}: of {inner.kind}: no equal here, only of Dense and what follows it"
                )
            inner.config = {**inner.config, "name": saved.name}
            self._read(link, inner)
        elif kind in RECURRENT:
            self._recurrent(link, saved)
        elif kind == "Dense":
            self._dense(saved)
        elif kind == "Embedding":
            self._embedding(saved)
        elif kind == "Masking":
            if self.found:
                raise UnsupportedError(
                    f"{saved.where}: masks what other layers made; only as the first one it has an equal"
                )
            self.masks.make(float(saved.get("mask_value", (int, float), 0.0)))
        elif kind == "Dropout":
            self._add(Dropout(name=self._name(saved), rate=saved.get("rate", (int, float))), {})
        elif kind == "SpatialDropout1D":
            self.request.note(f"{saved.name}: SpatialDropout1D is the identity outside training: left out")
        elif kind in activations.LAYERS:
            self._activation(saved)
        elif kind != "InputLayer":
            known = ", ".join((*RECURRENT, "Embedding", "Masking", "Dense", "TimeDistributed", "Dropout", "Activation"))
            raise UnsupportedError(
                f"{saved.where}: has no equal here; there are {known}, and --part for a chain of these"
            )

    def _check_policy(self, saved: Saved) -> None:
        """Say where Keras computes in half precision."""
        policy: Any = saved.config.get("dtype")
        if isinstance(policy, dict) and isinstance(policy.get("config"), dict):
            policy = policy["config"].get("name")
        if isinstance(policy, str) and "float16" in policy:
            self.request.note(f"{saved.name}: Keras computes it in {policy}; here it is float32")

    def _name(self, saved: Saved) -> str:
        """Keras's name, made valid, and unique where a model inside of a model has the same."""
        name = re.sub(r"[^A-Za-z0-9_-]", "_", saved.name)
        name = name if re.match(r"[A-Za-z_]", name) else f"_{name}"
        taken = {layer.name for layer, _ in self.found}
        while name in taken:
            name += "_"
        if name != saved.name:
            self.request.note(f"{saved.name}: is called {name} here")
        return name

    def _add(self, layer, weights) -> None:
        self.found.append((layer, weights))
        if weights:
            self.features = layer.outputs(None if isinstance(layer, Embedding) else _inputs_of(weights))

    def _dense(self, saved: Saved) -> None:
        kernel = self.cells.take(saved, "kernel", self.features, saved.size("units"))
        bias = {"bias": self.cells.take(saved, "bias", kernel.shape[1])} if "bias" in saved.variables else {}
        act = activations.activation(saved.config.get("activation"), self.version, saved.where)
        layer = Dense(name=self._name(saved), units=kernel.shape[1], activation=act, bias=bool(bias))
        self._add(layer, {"kernel": kernel.T, **bias})

    def _embedding(self, saved: Saved) -> None:
        if self.found:
            raise UnsupportedError(f"{saved.where}: not the first layer; only there it has an equal")
        table = self.cells.take(saved, "embeddings", saved.size("input_dim"), saved.size("output_dim"))
        if saved.get("mask_zero", bool, False):
            self.masks.make(0)
        layer = Embedding(name=self._name(saved), vocabulary=table.shape[0], units=table.shape[1])
        self._add(layer, {"embeddings": table})

    def _activation(self, saved: Saved) -> None:
        """A layer of its own becomes the activation of the dense layer before it."""
        act = activations.of_layer(saved, self.version)
        if act == "linear":
            return
        layer, weights = self.found[-1] if self.found else (None, {})
        if not isinstance(layer, Dense) or layer.activation != "linear":
            raise UnsupportedError(f"{saved.where}: an activation by itself; only after a linear Dense it has an equal")
        self.found[-1] = msgspec.structs.replace(layer, activation=act), weights

    def _recurrent(self, link: Link, saved: Saved) -> None:
        name = self._name(saved)
        both = saved.kind == "Bidirectional"
        layers = list(saved.inner.values()) if both else [saved]
        options = [_options(layer) for layer in layers]
        sequences, zero = options[0]["return_sequences"], options[0]["zero_output_for_mask"]
        self.time_major.add(options[0]["time_major"])
        if saved.get("stateful", bool, False) or layers[0].get("stateful", bool, False):
            self.request.note(f"{name}: is stateful: here the states of a call are passed on to the next by hand")
        masked = self.masks.reach(link, name)
        if both:
            if options[0]["go_backwards"] == options[1]["go_backwards"]:
                raise SpecError(f"{saved.where}: both layers run the same way (go_backwards); no Keras makes that")
            if any(options[0][key] != options[1][key] for key in ("return_sequences", "time_major")):
                raise SpecError(f"{saved.where}: its two layers differ in return_sequences; no Keras makes that")
            if self.version.zero_in_bidirectional:
                zero = sequences
            elif zero != options[1]["zero_output_for_mask"]:
                raise UnsupportedError(f"{saved.where}: its two layers differ in zero_output_for_mask; no equal here")
        if masked and zero and not sequences:
            raise UnsupportedError(
                f"{saved.where}: zero_output_for_mask without return_sequences gives 0 where the last step is masked; "
                "no equal here"
            )
        made = {"name": name, "last": not sequences, "padded_output": "zero" if zero else "hold"}
        if both:
            self._add(*self._both(saved, layers, options[0]["go_backwards"], made))
            return
        part = self.cells.read(saved.inner["cell"], self.features, name)
        if options[0]["go_backwards"]:
            made |= {"direction": "backward", "reverse_output": sequences}
        self._add(*recurrent(part, **made))

    def _both(self, saved: Saved, layers: list[Saved], turned: bool, made: dict[str, Any]) -> WithWeights:
        """`Bidirectional`; `turned`: its forward layer runs backward, and so does what comes out (`go_backwards`)."""
        merge = "none" if saved.config.get("merge_mode", "concat") is None else saved.get("merge_mode", str, "concat")
        places = ("backward", "forward") if turned else ("forward", "backward")
        parts = {
            place: self.cells.read(layer.inner["cell"], self.features, f"{made['name']}.{place}")
            for place, layer in zip(places, layers, strict=True)
        }
        if turned:
            if merge in ("concat", "none"):
                raise UnsupportedError(
                    f"{saved.where}: go_backwards with merge_mode {merge!r} puts backward first: no equal"
                )
            made["reverse_output"] = not made["last"]
            self.request.note(f"{made['name']}: its forward layer goes backwards, and is `backward` here")
        return bidirectional(parts["forward"], parts["backward"], merge=merge, **made)


def _options(layer: Saved) -> dict[str, bool]:
    names = ("return_sequences", "go_backwards", "zero_output_for_mask", "time_major")
    return {name: layer.get(name, bool, False) for name in names}


def _inputs_of(weights: dict) -> int:
    """The features that a layer with these weights takes."""
    return next(array.shape[-1] for name, array in weights.items() if name.endswith("kernel"))
