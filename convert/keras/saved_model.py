"""SavedModel: what `model.export` and `tf.saved_model.save` write.

Keras 3 keeps no configuration in it, so the architecture is read off the graph that it computes (tf_graph.py), unless
`--config` gives it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnnspec import limits
from rnnspec.convert.keras import network, version_of
from rnnspec.convert.keras.files import decode, read_json
from rnnspec.convert.keras.locate import by_order, has_variables
from rnnspec.convert.keras.saved import read_config
from rnnspec.convert.keras.tf_chain import Chains
from rnnspec.convert.keras.tf_graph import Library, Operation, Tensor, entry
from rnnspec.convert.keras.tf_layers import Reader
from rnnspec.convert.request import Network, Request
from rnnspec.convert.tf1.bundle import read_bundle
from rnnspec.convert.tf1.wire import fields, number, octets, repeated, text, varints
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reading import contents
from rnnspec.shown import shown

_KEY = "/.ATTRIBUTES/VARIABLE_VALUE"
_NOT_LAYERS = {"optimizer": "the optimiser's", "keras_api": "a metric's", "_all_variables": "a copy"}


def read(source: Path, request: Request) -> Network:
    """The model that a SavedModel computes; by its configuration where there is one, of Keras 2 or in `--config`.

    Raises:
        FileNotFoundError: a file of it is not there.
        SpecError: damaged; or it is no chain, and `--part` names none in it.
        UnsupportedError: written by TensorFlow 1; or an operation belongs to no layer of ours.
    """
    saved = SavedModel(source)
    variables = Variables(dict(saved.variables.values()), str(source))
    path = request.look("config")
    if path is not None:
        return _configured(read_json(path), str(path), saved, variables, request)
    if (source / "keras_metadata.pb").exists():
        return _configured(_keras_2(source / "keras_metadata.pb"), str(source), saved, variables, request)
    try:
        return _graph(source, saved, variables, request)
    except RecursionError:
        raise SpecError(f"{source}: damaged: its graph goes too deep; copy the folder again") from None


def _configured(config: Any, where: str, saved: "SavedModel", variables: Variables, request: Request) -> Network:
    """The model by its configuration. A variable belongs to the layer whose name is in its path."""
    model = read_config(config, where)
    own = [name for name, key in saved.keys.items() if key.split("/")[0] not in _NOT_LAYERS]
    for layer in model.inner.values():
        if has_variables(layer):
            by_order(layer, [name for name in own if layer.name in name.split("/")[:-1]])
    found = network(model, variables, version_of(config, None, where, request), request)
    saved.ignore_rest(variables)
    return found


def _keras_2(path: Path) -> Any:
    """The configuration of the whole model (keras/protobuf/saved_metadata.proto)."""
    for node in repeated(fields(memoryview(contents(path)), str(path)), 1, str(path)):
        found = fields(node, str(path))
        if text(found, 3, str(path)) == "root":
            return decode(text(found, 5, str(path)), path)
    raise SpecError(f"{path}: holds no model; give its configuration with --config")


def _graph(source: Path, saved: "SavedModel", variables: Variables, request: Request) -> Network:
    """The model by its graph."""
    signature = saved.signature(request)
    leaves = {leaf: (saved.paths[name], variables[name]) for leaf, name in signature.variables.items()}
    reader = Reader(leaves, str(source), request)
    chain = Chains(reader, signature.outputs).choose(request)
    for leaf in reader.read:
        variables.take(signature.variables[leaf])
    saved.ignore_rest(variables, f"the signature {signature.name!r} does not read it")
    request.note("a SavedModel computes inference alone: dropout, where there was any, is left out")
    for name in chain.summed:
        request.note(f"{name}: the input's and the recurrent biases of its reset and update gates are added up")
    return Network(chain.layers, chain.inputs, variables, chain.padding)


@dataclass
class Signature:
    """What a SavedModel computes under one name: its outputs by theirs, and the tensor of each variable."""

    name: str
    outputs: dict[str, Tensor]
    variables: dict[Tensor, str]


class SavedModel:
    """`saved_model.pb` with the variables beside it (tensorflow/core/protobuf: saved_model.proto, meta_graph.proto,
    saved_object_graph.proto). `variables`: number of the object → name and array; a name is Keras's path, or if that
    is taken the key under which it is saved; `keys`: name → that key; `paths`: name → Keras's path.
    """

    def __init__(self, source: Path) -> None:
        self.where = where = str(source / "saved_model.pb")
        graphs = repeated(fields(memoryview(contents(source / "saved_model.pb")), where), 2, where)
        if len(graphs) != 1:
            raise UnsupportedError(f"{where}: expected one graph, found {len(graphs)}; export the model again")
        self.graph = fields(graphs[0], where)
        objects = fields(octets(self.graph, 7, where), where)
        self.nodes = [fields(node, where) for node in repeated(objects, 1, where)]
        if not self.nodes:
            variables = source / "variables" / "variables"
            raise UnsupportedError(f"{where}: of TensorFlow 1, without objects; convert {variables}, its checkpoint")
        self.functions = dict(entry(item, where) for item in repeated(objects, 2, where))
        self.library = Library(octets(self.graph, 2, where), where)
        self.keys: dict[str, str] = {}
        self.paths: dict[str, str] = {}
        self.variables = dict(self._variables(read_bundle(source / "variables" / "variables")))

    def signature(self, request: Request) -> Signature:
        """The default signature, or the only one. Raises SpecError where there is none."""
        top = self.children(0)
        names = self.children(top["signatures"]) if "signatures" in top else {}
        if not names:
            raise SpecError(f"{self.where}: has no signature; export the model with one")
        name = "serving_default" if "serving_default" in names else next(iter(names))
        computed = {each: self._called(node) for each, node in names.items()}
        others = [each for each in names if computed[each][0] != computed[name][0]]
        if others:
            request.note(f"the signature {name!r} was read; {', '.join(others)} compute something else")
        _, function, bound = computed[name]
        arguments = self.library.functions[function].arguments
        leaves = [Tensor(Operation("Argument", argument)) for argument in arguments]
        given = dict(zip(bound, leaves[len(leaves) - len(bound) :], strict=True))
        variables = {leaf: self.variables[node][0] for node, leaf in given.items() if node in self.variables}
        outputs = self.library.call(function, leaves).returned
        return Signature(name, dict(zip(self._outputs(name, len(outputs)), outputs, strict=True)), variables)

    def _outputs(self, signature: str, number: int) -> list[str]:
        """The names of its outputs in order: `SignatureDef` (meta_graph.proto), whose tensors are `call:number`."""
        found = dict(entry(item, self.where) for item in repeated(self.graph, 5, self.where))
        outputs = repeated(fields(found.get(signature, memoryview(b"")), self.where), 2, self.where)
        tensors = {
            name: text(fields(info, self.where), 1, self.where)
            for name, info in (entry(o, self.where) for o in outputs)
        }
        names = sorted(tensors, key=lambda name: (len(tensors[name]), tensors[name]))
        if len(names) != number:
            raise SpecError(
                f"{self.where}: damaged: the signature {signature!r} has {len(names)} names for {number} outputs"
            )
        return names

    def children(self, node: int) -> dict[str, int]:
        """An object's members: name → number of the object."""
        if not 0 <= node < len(self.nodes):
            raise SpecError(f"{self.where}: damaged: its object {node} is missing; copy the folder again")
        references = [fields(child, self.where) for child in repeated(self.nodes[node], 1, self.where)]
        return {text(child, 2, self.where): number(child, 1, self.where) for child in references}

    def ignore_rest(self, variables: Variables, otherwise: str | None = None) -> None:
        """Leave out what belongs to no layer, each with its reason, and if there is an `otherwise` all the rest."""
        taken = [name for name in variables if name not in variables.left()]
        for name in variables.left():
            owner = self.keys[name].split("/")[0]
            same = [other for other in taken if np.array_equal(variables[other], variables[name])]
            if name.endswith("seed_generator_state"):
                variables.ignore(name, "the state of a random generator")
            elif same and owner in ("_all_variables", "variables"):
                variables.ignore(name, f"a copy of {same[0]}")
            elif reason := _NOT_LAYERS.get(owner, otherwise):
                variables.ignore(name, reason)

    def _called(self, node: int) -> tuple[str, str, list[int]]:
        """What a signature calls in the end, its own function, and the objects that this is given besides inputs."""
        self.children(node)
        bare = fields(octets(self.nodes[node], 8, self.where), self.where)
        name = text(bare, 1, self.where)
        concrete = fields(self.functions.get(name, memoryview(b"")), self.where)
        packed = (
            [value] if isinstance(value, int) else varints(value, self.where).tolist() for value in concrete.get(2, [])
        )
        bound = [n for numbers in packed for n in numbers]
        function = self.library.function(name)
        if len(bound) > len(function.arguments):
            raise SpecError(f"{self.where}: damaged: {name!r} takes fewer arguments; copy the folder again")
        return self.library.innermost(name), name, bound

    def _variables(self, bundle: dict[str, np.ndarray]) -> Iterator[tuple[int, tuple[str, np.ndarray]]]:
        for node, path in self._paths():
            if 7 not in self.nodes[node]:
                continue
            name = text(fields(octets(self.nodes[node], 7, self.where), self.where), 6, self.where).removesuffix(":0")
            if path + _KEY not in bundle:
                raise SpecError(f"{self.where}: the variable {name or path!r} is not saved; copy the folder again")
            given, name = name, path if not name or name in self.keys else name
            self.keys[name], self.paths[name] = path, given
            yield node, (name, bundle[path + _KEY])

    def _paths(self) -> Iterator[tuple[int, str]]:
        """Every object with its path, breadth first: the key under which TensorFlow saves it."""
        paths, queue = {0: ""}, [0]
        for node in queue:
            members = self.children(node)
            yield node, paths[node]
            for name, child in members.items():
                if child not in paths:
                    escaped = name.replace(".", "..").replace("/", ".S")
                    paths[child] = f"{paths[node]}/{escaped}".removeprefix("/")
                    if len(paths[child]) > limits.PATH:
                        raise SpecError(
                            f"{self.where}: {shown(paths[child])}: a path of more than {limits.PATH:,} characters"
                        )
                    queue.append(child)
