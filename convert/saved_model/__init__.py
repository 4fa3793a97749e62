"""SavedModel, read off the graph that it computes: nothing of it is run, and TensorFlow is not needed.

`file` finds the signature and the variables; `graph` follows its outputs back as expressions; `expressions`, `cells`,
`loops` and `layers` recognise what those are; `chain` puts the layers in order.
"""

from pathlib import Path

from rnnspec.convert.request import Network, Request
from rnnspec.convert.saved_model.chain import Chains
from rnnspec.convert.saved_model.file import SavedModel
from rnnspec.convert.saved_model.layers import Reader
from rnnspec.convert.variables import Variables
from rnnspec.errors import SpecError


def network_of(source: Path, saved: SavedModel, variables: Variables, request: Request) -> Network:
    """The model that the signature computes.

    Raises:
        SpecError: the graph goes too deep; or it is no chain, and `--part` names none in it.
        UnsupportedError: an operation belongs to no layer of ours.
    """
    try:
        return _chain(source, saved, variables, request)
    except RecursionError:
        raise SpecError(f"{source}: damaged: its graph goes too deep; copy the folder again") from None


def _chain(source: Path, saved: SavedModel, variables: Variables, request: Request) -> Network:
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
