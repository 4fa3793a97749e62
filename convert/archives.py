"""Archives from strangers, opened with care."""

import zipfile
from pathlib import Path

from rnnspec.errors import SpecError

_FLOOR = 1 << 26  # bytes that may always be unpacked
_RATIO = 200  # beyond it, how much larger than the file: weights hardly compress


def open_zip(path: Path) -> zipfile.ZipFile:
    """A zip archive whose contents are in proportion to its size.

    Raises:
        SpecError: damaged, encrypted, or it would unpack to far more than it holds (a zip bomb).
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:  # the last two: damaged names and versions
        raise SpecError(f"{path}: a damaged zip archive ({error}); copy it again") from None
    members = archive.infolist()
    check_unpacked(sum(member.file_size for member in members), path)
    if any(member.flag_bits & 1 for member in members):
        raise SpecError(f"{path}: an encrypted zip archive; unpack it yourself")
    return archive


def check_unpacked(size: int, path: Path) -> None:
    """Raise SpecError where `size` bytes are out of proportion to the file that is to give them."""
    packed = path.stat().st_size
    if size > max(_FLOOR, _RATIO * packed):
        raise SpecError(f"{path}: {packed:,} bytes that unpack to {size:,}: refused; check where the file is from")
