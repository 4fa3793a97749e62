"""What is in a SavedModel: `saved_model.pb`, and the checkpoint of its variables."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnspec import limits
from rnnspec.convert.formats.protobuf import fields, number, octets, repeated, text, varints
from rnnspec.convert.formats.tensorflow.bundle import read_bundle
from rnnspec.convert.request import Request
from rnnspec.convert.saved_model.graph import Library, Operation, Tensor, entry
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.reading import contents
from rnnspec.shown import shown

KEY = "/.ATTRIBUTES/VARIABLE_VALUE"
NOT_LAYERS = {"optimizer": "the optimiser's", "keras_api": "a metric's", "_all_variables": "a copy"}


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
        """Raises UnsupportedError: what the folder holds is not read."""
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
        """An object's members: name → number of the object. Raises SpecError: an object that is not there."""
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
            elif reason := NOT_LAYERS.get(owner, otherwise):
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
            if path + KEY not in bundle:
                raise SpecError(f"{self.where}: the variable {name or path!r} is not saved; copy the folder again")
            given, name = name, path if not name or name in self.keys else name
            self.keys[name], self.paths[name] = path, given
            yield node, (name, bundle[path + KEY])

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
