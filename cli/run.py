"""`rnnspec run`: one call, from .npz to .npz."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspec.cli.options import FILE, load_backend, model_argument
from rnnspec.cli.say import say

if TYPE_CHECKING:
    import numpy as np

    from rnnspec.model import Model


@click.command()
@model_argument
@click.option("--input", "source", type=FILE, required=True, metavar="IN.npz",
              help="Arrays: x, optionally lengths or mask, reset, and the states by name; of a model whose inputs have "
                   "names these, and NAME.lengths, NAME.mask, NAME.reset.")  # fmt: skip
@click.option("-o", "--output", "target", type=FILE, required=True, metavar="OUT.npz",
              help="Receives y, or the outputs by name, and every final state by name.")  # fmt: skip
@click.option("--backend", default="numpy", show_default=True, metavar="NAME")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
def run(model: Path, source: Path, target: Path, backend: str, dtype: str) -> None:
    """Run MODEL on the arrays of IN.npz."""
    import io

    import numpy as np

    from rnnspec.atomic import write_atomically
    from rnnspec.errors import SpecError
    from rnnspec.inputs import as_call

    net = load_backend(backend).load(model, dtype=dtype)
    call = as_call(net.model, read(source, net.model))
    try:
        y, state = net(call.pop("x"), **call)
    except SpecError as error:
        raise SpecError(f"{source}: {error}") from None
    buffer = io.BytesIO()
    results: dict[str, Any] = {name: np.asarray(value) for name, value in {**net.model.named(y), **state}.items()}
    np.savez(buffer, **results)
    write_atomically(target, buffer.getvalue())
    say(f"{target}: {', '.join(f'{name} {array.shape}' for name, array in results.items())}")


def read(source: Path, model: "Model") -> "dict[str, np.ndarray]":
    """The arrays of an .npz file with inputs.

    Raises:
        SpecError: as `rnnspec.archives.arrays`; an input is missing, or an array has a name that the model has not.
    """
    from rnnspec.archives import arrays
    from rnnspec.errors import SpecError
    from rnnspec.shown import shown

    values = arrays(source)
    for name in model.given:
        if name not in values:
            raise SpecError(f"{source}: no array {name!r}; found {', '.join(map(shown, values)) or 'none'}")
    check_names(source, values, model)
    return values


def check_names(where: Path, given: Iterable[str], model: "Model") -> None:
    """Raise SpecError where a name is none of the model's inputs and states, or of what says which steps count."""
    from rnnspec.errors import SpecError
    from rnnspec.inputs import names
    from rnnspec.shown import quoted

    known = names(model)
    for name in given:
        if name not in known:
            raise SpecError(f"{where}: unknown array {quoted(name)}; expected some of {', '.join(known)}")
