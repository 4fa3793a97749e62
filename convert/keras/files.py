"""Keras's files: `.keras`, `.h5`, `.weights.h5`, JSON."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from rnnspec import limits, strict_json
from rnnspec.archives import check_unpacked, is_zip, member, open_zip
from rnnspec.convert.formats.hdf5 import Hdf5, read_hdf5
from rnnspec.errors import SpecError
from rnnspec.reading import contents, regular
from rnnspec.shown import shown


@dataclass
class KerasFile:
    """What is in a file.

    Args:
        arrays: all its variables by their paths.
        config: the configuration, None in a file of weights.
        version: of Keras, where it is written down.
        groups: layer → its variables in Keras's order, in the format of Keras 2; None in that of Keras 3, whose paths
            say it.
        layers: the names of all layers in the file, those without variables too.
    """

    arrays: dict[str, np.ndarray]
    config: Any = None
    version: str | None = None
    groups: dict[str, list[str]] | None = None
    layers: tuple[str, ...] = ()


def read_file(path: Path) -> KerasFile:
    """Any file of Keras's with weights in it.

    Raises:
        SpecError: damaged, dangerous, or of no such format.
    """
    if is_zip(path):
        with open_zip(path) as archive:
            config = _json(archive, "config.json", path)
            metadata = _json(archive, "metadata.json", path)
            found = _read_hdf5(io.BytesIO(member(archive, "model.weights.h5", path)), path)
        version = metadata.get("keras_version") if isinstance(metadata, dict) else None
        return KerasFile(found.arrays, config, version, found.groups, found.layers)
    with regular(path).open("rb") as stream:
        return _read_hdf5(stream, path)


def read_json(path: Path) -> Any:
    """The configuration in a `.json`, `.keras` or `.h5` file. Raises SpecError: it is not JSON."""
    if is_zip(path):
        with open_zip(path) as archive:
            data = _json(archive, "config.json", path)
            metadata = _json(archive, "metadata.json", path)
        return {**metadata, **data} if isinstance(data, dict) and isinstance(metadata, dict) else data
    with regular(path).open("rb") as stream:
        if stream.read(4) != b"\x89HDF":
            return decode(contents(path), path)
        stream.seek(0)
        config, version = _config(read_hdf5(stream, path, data=False), path)
    if config is None:
        raise SpecError(f"{path}: a file of weights, without a configuration; give one with a model in it")
    return {"keras_version": version, **config} if isinstance(config, dict) else config


def _json(archive: ZipFile, name: str, path: Path) -> Any:
    content = member(archive, name, path)
    check_unpacked(len(content), path, limits.UNPACKED_JSON)
    return decode(content, path)


def decode(content: bytes | str, path: Path) -> Any:
    """JSON as Python writes it. Raises SpecError where it is not."""
    return strict_json.parse(content, f"{path}: its configuration", nonfinite=True)


def _config(file: Hdf5, path: Path) -> tuple[Any, str | None]:
    """The configuration and Keras's version, of a whole model in HDF5."""
    version = file.text("", "keras_version") or file.text("model_weights", "keras_version")
    config = file.text("", "model_config")
    return None if config is None else decode(config, path), version


def _read_hdf5(stream: Any, path: Path) -> KerasFile:
    file = read_hdf5(stream, path)
    config, version = _config(file, path)
    top = "model_weights" if "model_weights" in file.members else ""
    inside = f"{top}/" if top else ""
    groups = None
    if file.names(top, "layer_names") or config is not None:
        groups = {}
        for layer in file.names(top, "layer_names"):
            if f"{inside}{layer}" not in file.members:
                raise SpecError(f"{path}: the layer {shown(layer)} is missing; copy the file again")
            groups[layer] = [f"{inside}{layer}/{name}" for name in file.names(f"{inside}{layer}", "weight_names")]
            if lacking := [name for name in groups[layer] if name not in file.arrays]:
                raise SpecError(f"{path}: variable {shown(lacking[0])} is missing; copy the file again")
    return KerasFile(file.arrays, config, version, groups, tuple(groups or file.members.get("layers", ())))
