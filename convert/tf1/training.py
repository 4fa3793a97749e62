"""What training leaves in a checkpoint beside the weights."""

import re

import numpy as np

from rnnspec import limits
from rnnspec.convert.request import Request
from rnnspec.errors import SpecError

_SLOTS = re.compile(
    r"(?:Adam|AdamW|LazyAdam|Nadam|AdaMax|Adamax|AMSGrad|Adagrad|AdagradDA|ProximalAdagrad|Adadelta|RMSProp|Momentum"
    r"|MomentumW|LARSOptimizer|LAMB|Ftrl|AddSign|PowerSign|YellowFin|adam_[mv])(?:_\d+)?"
)
_AVERAGE = "ExponentialMovingAverage"


def weights_among(
    arrays: dict[str, np.ndarray], request: Request, where: str
) -> tuple[dict[str, np.ndarray], dict[str, str], list[str]]:
    """The variables; name → why it is no weight of the model; the variables without an average where `--ema` asks.

    With `--ema` the moving averages replace the variables that they average.

    Raises:
        SpecError: `--ema`, and there are no averages; or there are only averages, and no `--ema`.
    """
    kept, ignored, averages = dict(arrays), {}, {}
    for name, array in arrays.items():
        stem, _, slot = name.rpartition("/")
        if array.dtype.hasobject:
            ignored[name] = "not numbers"
        elif f"/{_AVERAGE}/" in name:
            ignored[name] = "what a moving average needs to correct its start"
        elif re.fullmatch(rf"{_AVERAGE}(_\d+)?", slot):
            averages[name] = owner(stem, arrays, array.shape) or stem
        elif _SLOTS.fullmatch(slot) and owner(stem, arrays, array.shape):
            ignored[name] = "an optimiser's slot"
        elif array.ndim == 0:
            ignored[name] = _scalar(slot)
    if request.look("ema"):
        without = averaged(kept, averages, request, where)
    else:
        without = []
        ignored |= dict.fromkeys(averages, "a moving average: --ema takes it")
        if averages and not set(averages.values()) & set(arrays):
            raise SpecError(f"{where}: it holds moving averages in place of the variables; --ema takes them")
    return kept, ignored, without


def averaged(kept: dict[str, np.ndarray], averages: dict[str, str], request: Request, where: str) -> list[str]:
    """Put the averages in the place of their variables; the variables that have none.

    Raises:
        SpecError: there are no averages.
    """
    if not averages:
        raise SpecError(f"{where}: --ema: it holds no moving averages (…/{_AVERAGE}); leave it out")
    for name, variable in averages.items():
        kept[variable] = kept.pop(name)
    request.note(f"moving averages taken in place of {', '.join(sorted(averages.values()))}")
    return [name for name in kept if name not in averages.values()]


def owner(stem: str, arrays: dict[str, np.ndarray], shape: tuple[int, ...]) -> str | None:
    """The variable that a slot belongs to; its name may stand inside the scope in which the optimiser was made."""
    for _ in range(limits.SCOPES):
        if stem in arrays and arrays[stem].shape == shape:
            return stem
        _, slash, stem = stem.partition("/")
        if not slash:
            break
    return None


def _scalar(name: str) -> str:
    if re.fullmatch(r"beta[12]_power(_\d+)?", name):
        return "optimiser: a power of its β"
    if name in ("global_step", "save_counter"):
        return "a counter"
    return "a number by itself, and so no weight of a layer"
