"""Plain arrays: .npz, a folder of .npy, JSON, .safetensors, and pickles of arrays alone, of which nothing is executed.

They hold numbers under names, and neither an architecture nor a convention. `--arrays MAP.json` says both
(docs/ARRAYS.md, `maps`); `--arrays rtneural`, `haiku` and `paddle` are presets for what writes its files in one way.
RTNeural's JSON and Paddle's files are recognised by what is in them.
"""

from pathlib import Path

from rnnspec.convert.arrays import haiku, maps, paddle, rtneural
from rnnspec.convert.arrays.files import read_nest
from rnnspec.convert.request import Network, Request
from rnnspec.errors import SpecError

PRESETS = {"rtneural": rtneural.network, "haiku": haiku.network, "paddle": paddle.network}
_RECOGNISED = (rtneural, paddle)


def read(source: Path, request: Request) -> Network:
    """The network that the arrays are, as the map or the preset says.

    Raises:
        SpecError: the file is damaged, or holds other things than arrays; the map does not fit; an array is left over.
        UnsupportedError: ours has no such layer.
    """
    option, nest = request.look("arrays"), read_nest(source)
    if option is None:
        for preset in _RECOGNISED:
            if preset.is_of(nest):
                return preset.network(nest, str(source), request)
        known = ", ".join(PRESETS)
        raise SpecError(
            f"{source}: arrays, and nothing says what they are; give --arrays MAP.json (docs/ARRAYS.md), or --arrays "
            f"with one of {known}"
        )
    if option.suffix != ".json" and not option.exists():
        if str(option) not in PRESETS:
            known = ", ".join(PRESETS)
            raise SpecError(f"--arrays {option}: neither a file nor a preset; expected MAP.json or one of {known}")
        return PRESETS[str(option)](nest, str(source), request)
    return maps.network(nest, str(source), option, request)
