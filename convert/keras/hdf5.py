"""HDF5 files from strangers, read as data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rnnspec.archives import check_unpacked
from rnnspec.errors import SpecError, UnsupportedError


@contextmanager
def open_hdf5(stream: BinaryIO, path: Path) -> Iterator[Any]:
    """The file in `stream`, which is or is in `path`, for reading.

    Raises:
        SpecError: damaged.
        UnsupportedError: h5py is not there.
    """
    try:
        import h5py
    except ImportError:
        raise UnsupportedError(f"{path}: reading it needs h5py: pip install 'rnnspec[keras]'") from None
    try:
        with h5py.File(stream, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:  # h5py's ways to say that bytes are wrong
        raise SpecError(f"{path}: a damaged HDF5 file ({str(error).splitlines()[0]}); copy it again") from None


def arrays(file: Any, path: Path) -> dict[str, np.ndarray]:
    """All datasets by their paths, in alphabetical order.

    Raises:
        SpecError: links or data outside the file, or more data than its size can hold.
    """
    import h5py

    links: list[tuple[str, Any]] = []
    items: list[tuple[str, Any]] = []
    file.visititems_links(lambda name, link: links.append((name, link)))
    for name, link in links:
        if not isinstance(link, h5py.HardLink):
            target = getattr(link, "filename", "") or getattr(link, "path", "")
            raise SpecError(f"{path}: {name} is a link to {target!r}: links are not followed")
    file.visititems(lambda name, item: items.append((name, item)))
    found = {name: item for name, item in items if isinstance(item, h5py.Dataset)}
    for name, item in found.items():
        if item.external or item.is_virtual:
            raise SpecError(f"{path}: {name} has its data in another file, which is not read")
    check_unpacked(sum(item.size * item.dtype.itemsize for item in found.values() if item.size), path)
    return {name: _read(item, f"{path}: {name}") for name, item in found.items()}


def _read(dataset: Any, where: str) -> np.ndarray:
    array = np.asarray(dataset[()])
    if dataset.attrs.get("dtype") == "bfloat16":  # as Keras 3 marks it
        return (array.view("<u2").astype("<u4") << 16).view("<f4")
    if array.dtype.kind not in "fiub":
        raise SpecError(f"{where}: expected numbers, found {array.dtype}")
    return array


def names(group: Any, attribute: str) -> list[str]:
    """A list of names in an attribute, or in several, `weight_names0` …, where it was too long for one."""
    keys = [attribute] if attribute in group.attrs else []
    while f"{attribute}{len(keys)}" in group.attrs:
        keys.append(f"{attribute}{len(keys)}")
    return [text(name) for key in keys for name in group.attrs[key]]


def text(value: Any) -> str:
    """A string of an attribute."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
