"""`rnnspec run`: one call, from .npz to .npz."""

from pathlib import Path
from typing import Any

import click

from rnnspec.cli.options import FILE, load_backend, model_argument
from rnnspec.cli.say import say


@click.command()
@model_argument
@click.option("--input", "source", type=FILE, required=True, metavar="IN.npz",
              help="Arrays: x, optionally lengths or mask, reset, and the states by name.")  # fmt: skip
@click.option("-o", "--output", "target", type=FILE, required=True, metavar="OUT.npz",
              help="Receives y and every final state by name.")  # fmt: skip
@click.option("--backend", default="numpy", show_default=True, metavar="NAME")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
def run(model: Path, source: Path, target: Path, backend: str, dtype: str) -> None:
    """Run MODEL on the arrays of IN.npz."""
    import io

    import numpy as np

    from rnnspec.atomic import write_atomically
    from rnnspec.errors import SpecError

    net = load_backend(backend).load(model, dtype=dtype)
    values = read(source)
    x, lengths, mask = values.pop("x"), values.pop("lengths", None), values.pop("mask", None)
    reset = {"reset": values.pop("reset")} if "reset" in values else {}
    try:
        y, state = net(x, lengths=lengths, mask=mask, state=values or None, **reset)
    except SpecError as error:
        raise SpecError(f"{source}: {error}") from None
    buffer = io.BytesIO()
    results: dict[str, Any] = {name: np.asarray(value) for name, value in {**net.model.named(y), **state}.items()}
    np.savez(buffer, **results)
    write_atomically(target, buffer.getvalue())
    say(f"{target}: {', '.join(f'{name} {array.shape}' for name, array in results.items())}")


def read(source: Path) -> dict:
    """The arrays of an .npz file with inputs.

    Raises:
        SpecError: as `rnnspec.archives.arrays`, or there is no x.
    """
    from rnnspec.archives import arrays
    from rnnspec.errors import SpecError
    from rnnspec.shown import shown

    values = arrays(source)
    if "x" not in values:
        raise SpecError(f"{source}: no array 'x'; found {', '.join(map(shown, values)) or 'none'}")
    return values
