"""Keras's layers → ours."""

from rnnspec import Dropout, Embedding
from rnnspec.convert.keras import activations
from rnnspec.convert.keras.cells import Cells
from rnnspec.convert.keras.chain import Chain, Link
from rnnspec.convert.keras.masks import Masks
from rnnspec.convert.keras.outputs import taken
from rnnspec.convert.keras.recurrent import Recurrences, check_training, note_half
from rnnspec.convert.keras.saved import ACTIVATIONS, RECURRENT, Saved
from rnnspec.convert.layers import activated, dense, embedding, features_of
from rnnspec.convert.names import valid
from rnnspec.convert.request import Network, WithWeights
from rnnspec.errors import SpecError, UnsupportedError


class Layers:
    """Reads the layers of a chain, one after the other; their variables must have been located (`locate`).

    `alone`: whether it is one layer by itself, which is called with any mask.
    """

    def __init__(self, cells: Cells, alone: bool = False) -> None:
        self.cells, self.request, self.version, self.alone = cells, cells.request, cells.version, alone
        self.masks = Masks(cells.version, cells.request)
        self.recurrences = Recurrences(cells)
        self.found: list[WithWeights] = []
        self.features: int | None = None
        self.time_major: set[bool] = set()
        self.returned: dict[tuple[int, int | None], str] = {}

    def network(self, chain: Chain) -> Network:
        """All layers.

        Raises:
            SpecError: a variable is missing or of another shape; an option has an impossible value.
            UnsupportedError: ours has no such layer, or not with that option.
        """
        links = chain.links
        if links[0].source:
            self.request.note(f"begins with what {links[0].source!r} gives; a mask that comes with it is to be given")
        self.features = links[0].features
        for link in links:
            self._read(link, link.layer)
            if link.layer.kind not in RECURRENT and (link.join or (link.returned and link is not links[-1])):
                raise UnsupportedError(f"{link.layer.where}: more than one layer takes what it gives: no equal here")
        self._note_outputs(chain)
        where = self.cells.variables.where
        if len(self.time_major) > 1:
            raise UnsupportedError(f"{where}: some layers are time-major, some are not; no equal here")
        if True in self.time_major:
            self.request.note("the model is time-major: load it with time_major=True")
        inputs = (
            None if self.found and isinstance(self.found[0][0], Embedding) else self._inputs(where, links[0].features)
        )
        return Network(self.found, inputs, self.cells.variables, self.masks.padding(where))

    def _note_outputs(self, chain: Chain) -> None:
        """Say which of ours is which output of the model, where that is more than one."""
        if chain.results and len(chain.results) > 1:
            found = [self.returned.get((id(link), number), "y") for link, number in chain.results]
            self.request.note(f"the outputs of the source are, in its order: {', '.join(found)}")

    def _inputs(self, where: str, features: int | None) -> int:
        first = next((found for found in self.found if found[1]), None)
        if first and (found := features_of(*first)) is not None:
            return found
        if features is None:
            raise SpecError(f"{where}: the number of features of the input is nowhere; give batch_shape in the JSON")
        return features

    def _read(self, link: Link, saved: Saved) -> None:
        note_half(saved, self.request)
        kind = saved.kind
        if kind == "TimeDistributed":
            inner = saved.inner["layer"]
            if inner.kind not in ("Dense", "Dropout", *ACTIVATIONS):
                raise UnsupportedError(
                    f"{saved.where}: of {inner.kind}, which {inner.unknown}; Dense and what follows it has an equal"
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
        elif kind in ("Dropout", "SpatialDropout1D"):
            self._dropout(link, saved)
        elif kind in ACTIVATIONS:
            self._activation(link, saved)
        elif kind != "InputLayer":
            raise UnsupportedError(f"{saved.where}: {saved.unknown}; --parts lists what can be taken without it")

    def _dropout(self, link: Link, saved: Saved) -> None:
        rate = saved.get("rate", (int, float))
        check_training(saved, link.training, rate)
        if saved.kind == "SpatialDropout1D":
            self.request.note(f"{saved.name}: SpatialDropout1D is the identity outside training: left out")
            return
        if saved.config.get("noise_shape") is not None:
            self.request.note(f"{saved.name}: noise_shape is left out: in training every value is dropped by itself")
        self._add(Dropout(name=self._name(saved), rate=rate), {})

    def _name(self, saved: Saved) -> str:
        """Keras's name, made valid, and unique where a model inside of a model has the same."""
        name = valid(saved.name, digit="_")
        taken = {layer.name for layer, _ in self.found}
        while name in taken:
            name += "_"
        if name != saved.name:
            self.request.note(f"{saved.name}: is called {name} here")
        return name

    def _add(self, layer, weights) -> None:
        self.found.append((layer, weights))
        if weights:
            self.features = layer.outputs(features_of(layer, weights))

    def _dense(self, saved: Saved) -> None:
        kernel = self.cells.take(saved, "kernel", self.features, saved.size("units"))
        bias = self.cells.take(saved, "bias", kernel.shape[1]) if "bias" in saved.variables else None
        act = activations.activation(saved.config.get("activation"), self.version, saved.where)
        self._add(*dense(kernel, bias, self._name(saved), act))

    def _embedding(self, saved: Saved) -> None:
        if self.found or self.masks.number is not None:
            raise UnsupportedError(f"{saved.where}: not the first layer; only there it has an equal")
        table = self.cells.take(saved, "embeddings", saved.size("input_dim"), saved.size("output_dim"))
        if saved.get("mask_zero", bool, False):
            self.masks.make(0)
        self._add(*embedding(table, self._name(saved)))

    def _activation(self, link: Link, saved: Saved) -> None:
        """A layer of its own becomes the activation of the dense layer before it."""
        masks = self.version.major == 3 and self.masks.number is not None and self.masks.passes
        if saved.kind == "Softmax" and (masks or link.masked or link.padding is not None):
            raise UnsupportedError(f"{saved.where}: leaves out what is masked: no equal; use Activation('softmax')")
        act = activations.of_layer(saved, self.version)
        if act == "linear":
            return
        followed = activated(self.found[-1], act) if self.found else None
        if followed is None:
            raise UnsupportedError(f"{saved.where}: an activation by itself; only after a linear Dense it has an equal")
        self.found[-1] = followed

    def _recurrent(self, link: Link, saved: Saved) -> None:
        name = self._name(saved)
        options = self.recurrences.options(saved, name, link.training)
        self.time_major.add(options.time_major)
        goes_on = taken(saved, link.gives, link.join, link.returned)
        self.returned |= {(id(link), n): y if y[0] == "y" else f"{name}.{y}" for n, y in goes_on.names.items()}
        last = goes_on.last or not options.sequences
        if link.join == "concat" and link.axis not in (-1, 1 if last else 2):
            raise UnsupportedError(f"{saved.where}: its outputs are joined over axis {link.axis}: no equal here")
        masked = self.masks.reach(link, name, bool(link.states) or options.stateful, goes_on.last)
        self.masks.passes = not last
        if options.zero and (masked or link.masked or self.alone):
            self.recurrences.check_zeros(saved, options, goes_on)
        self._add(*self.recurrences.read(saved, name, self.features, options, goes_on))
        if link.states:
            ours = (f"{name}.{state}" for state in self.found[-1][0].states(1))
            given = (f"{state} by {other!r}" for state, other in zip(ours, link.states, strict=False))
            self.request.note(f"starts from states that are given: {', '.join(given)}")
