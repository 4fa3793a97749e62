"""Models of other frameworks → checkpoints of ours, exactly, or not at all.

from rnnspec.convert import convert
checkpoint = convert("model.keras")                              # .metadata["conversion"] says what was assumed
checkpoint = convert("model.ckpt", settings={"forget_bias": 0})
"""

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rnnspec.checkpoint import Checkpoint
from rnnspec.convert.detect import FORMATS, format_of
from rnnspec.convert.parts import Parts
from rnnspec.convert.request import Request, assemble
from rnnspec.convert.settings import Settings
from rnnspec.errors import SpecError, UnsupportedError
from rnnspec.shown import printable

__all__ = ["FORMATS", "Parts", "convert", "parts"]


def convert(
    source: str | os.PathLike,
    format: str | None = None,
    *,
    config: str | os.PathLike | None = None,
    settings: Mapping[str, Any] | Settings | None = None,
    ema: bool = False,
    part: str | None = None,
    arrays: str | os.PathLike | None = None,
    ignore: Iterable[str] = (),
) -> Checkpoint:
    """The model in `source`, with every variable used, or listed with the reason why not.

    Args:
        source: a file, a folder (SavedModel, TensorFlow checkpoint), or the prefix of a TensorFlow checkpoint.
        format: one of FORMATS; recognised by the contents if left out.
        config: a file that says what the source does not (Keras's JSON beside weights, an architecture of ours).
        settings: what the source does not say, by key (`Settings`).
        ema: take the moving averages of a TensorFlow checkpoint.
        part: what to take of a model that is not taken whole (`parts` lists them); `a,b` takes two parts of a file of
            weights alone.
        arrays: a file that says what plain arrays are (docs/ARRAYS.md), or the name of a preset.
        ignore: variables that belong to the rest, by their names or what these begin with.

    Returns:
        A checkpoint in float32, or float64 where the source is. Its `metadata["conversion"]` has `format`, `source`,
        `notes` (what was assumed or changed) and `ignored` (variable → reason).

    Raises:
        OSError: a file is not there.
        SpecError: a variable is left over, missing or of an impossible shape; the file is damaged or dangerous; an
            option does not apply.
        UnsupportedError: the model does something that ours cannot; or the package that reads the format is missing.
    """
    source, request = Path(source), _request(config, settings, ema, part, arrays, ignore)
    format = _format(source, format, request)
    with _placed(source, request), np.errstate(all="ignore"):  # NaN and infinity are refused in the end
        found = _reader(format).read(source, request)
        if not isinstance(found, Checkpoint):
            found = assemble(found, request, format, source.name)
    for option in ("config", "ema", "part", "arrays", "ignore"):
        if getattr(request, option) and option not in request.looked_at:
            raise SpecError(f"--{option}: means nothing for {source}; leave it out")
    request.settings.finish()
    return found


def parts(
    source: str | os.PathLike,
    format: str | None = None,
    *,
    config: str | os.PathLike | None = None,
    settings: Mapping[str, Any] | Settings | None = None,
) -> Parts:
    """The recurrent parts of the model in `source`, each of which `convert(…, part=…)` takes.

    Args: as of `convert`.

    Raises:
        OSError, SpecError, UnsupportedError: as `convert` does; but what has no equal is not refused, it is listed.
    """
    source, request = Path(source), _request(config, settings)
    reader = _reader(_format(source, format, request))
    if not hasattr(reader, "parts"):
        raise UnsupportedError(f"--parts: {source}: of its format nothing is listed; it is taken whole")
    with _placed(source, request), np.errstate(all="ignore"):
        return reader.parts(source, request)


def _request(
    config: str | os.PathLike | None,
    settings: Mapping[str, Any] | Settings | None,
    ema: bool = False,
    part: str | None = None,
    arrays: str | os.PathLike | None = None,
    ignore: Iterable[str] = (),
) -> Request:
    settings = settings if isinstance(settings, Settings) else Settings(settings)
    beside, described = (None if path is None else Path(path) for path in (config, arrays))
    return Request(settings, beside, ema, part, described, tuple(ignore))


def _format(source: Path, format: str | None, request: Request) -> str:
    """The format that is given, or else found."""
    if format is not None and format not in FORMATS:
        raise SpecError(f"--from: expected one of {', '.join(FORMATS)}, found {format!r}")
    return format or ("arrays" if request.arrays else format_of(source))


def _reader(format: str) -> Any:
    return importlib.import_module(f"rnnspec.convert.{format}")


@contextmanager
def _placed(source: Path, request: Request) -> Iterator[None]:
    """Put the file in front of what an architecture says that was read from it."""
    try:
        yield
    except (SpecError, UnsupportedError) as error:
        named = (printable(str(source)), printable(str(request.config)))
        if any(name in str(error) for name in named) or str(error).startswith("--"):
            raise
        raise type(error)(f"{source}: {error}") from None
