"""The functions that a written module may need, as text: only those that it calls stand in it (`needed`).

`mask (batch, time)` says which steps count; None: all of them.
"""

import re
from collections.abc import Iterable

HELPERS = {
    "counted": '''
def counted(x, lengths=None, padding=None):
    """Which steps count: the first `lengths` of each row, but for those that hold `padding` alone."""
    mask = None
    if lengths is not None:
        lengths = torch.as_tensor(lengths, device=x.device)
        mask = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
    if padding is None:
        return mask
    other = x.ne(padding) if x.ndim == 2 else x.ne(padding).any(-1)
    return other if mask is None else other & mask
''',
    "run": '''
def run(rnn, x, mask=None, state=None):
    """A recurrent module over the steps that count; it gives 0 at the others."""
    if mask is None:
        return rnn(x, state)
    order = (~mask).long().argsort(dim=1, stable=True)  # steps that count come first
    x, many = x.take_along_dim(order[..., None], 1), mask.sum(1)
    packed = pack_padded_sequence(x, many.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    y, new = rnn(packed, state)
    y, _ = pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
    y = y.take_along_dim(order.argsort(1)[..., None], 1)
    return masked(y, mask), kept(new, state, many > 0)
''',
    "kept": '''
def kept(new, old, some):
    """Rows without a step keep their state."""
    if isinstance(new, tuple):
        return tuple(kept(*each, some) for each in zip(new, old or (None, None)))
    return torch.where(some[:, None], new, 0.0 if old is None else old)
''',
    "visited": '''
def visited(h, mask):
    """The last output, 0 of a row without a step."""
    return h if mask is None else masked(h, mask.any(1))
''',
    "backward": '''
def backward(rnn, x, mask=None, state=None):
    """The same from the last step to the first."""
    y, state = run(rnn, x.flip(1), None if mask is None else mask.flip(1), state)
    return y.flip(1), state
''',
    "held": '''
def held(y, mask, reverse=False):
    """At steps that do not count, what was given at the last one before that does."""
    if mask is None:
        return y
    if reverse:
        return held(y.flip(1), mask.flip(1)).flip(1)
    steps = torch.arange(y.shape[1], device=y.device).where(mask, -1).cummax(1).values
    return y.take_along_dim(steps.clamp(min=0)[..., None], 1)
''',
    "masked": '''
def masked(x, mask):
    """0 at steps that do not count."""
    return x if mask is None else torch.where(mask[..., None], x, 0.0)
''',
    "windows": '''
def windows(mask, span, stride):
    """Which windows count: those whose steps all do."""
    return None if mask is None else mask.unfold(1, span, stride).all(-1)
''',
    "largest": '''
def largest(x, mask, before, after, width, stride):
    """The largest of the steps that count in each window, 0 where there is none."""
    x = x if mask is None else x.masked_fill(~mask[..., None], -torch.inf)
    y = F.max_pool1d(F.pad(x.mT, (before, after), value=-torch.inf), width, stride).mT
    return y.masked_fill(y.isneginf(), 0.0)
''',
    "mean": '''
def mean(x, mask, before, after, width, stride):
    """The mean of the steps that count in each window, 0 where there is none."""
    many = masked(torch.ones_like(x[..., :1]), mask)
    x, many = (F.avg_pool1d(F.pad(y.mT, (before, after)), width, stride).mT for y in (masked(x, mask), many))
    return x / many.clamp(min=1 / width)
''',
    "attend": '''
def attend(scores, values, mask):
    """The mean of the values, weighted by the softmax of the scores over the steps that count."""
    if mask is not None:
        values = torch.where(mask[:, None, :, None], values, 0.0)
        mask = mask[:, None, None]
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, -1)
    return (weights if mask is None else weights * mask) @ values
''',
    "parted": '''
def parted(x, heads):
    """(batch, [time,] features) → (batch, heads, time, features of a head)."""
    x = x[:, None] if x.ndim == 2 else x
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)
''',
    "summed": """
def summed(x, mask):
    return masked(x, mask).sum(1)
""",
    "averaged": """
def averaged(x, mask):
    return x.mean(1) if mask is None else masked(x, mask).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
""",
    "maximum": """
def maximum(x, mask):
    if mask is None:
        return x.amax(1)
    return masked(x.masked_fill(~mask[..., None], -torch.inf).amax(1), mask.any(1))
""",
    "last": """
def last(x, mask):
    if mask is None:
        return x[:, -1]
    steps = torch.arange(x.shape[1], device=x.device).where(mask, -1).amax(1)[:, None, None]
    return masked(x.take_along_dim(steps.clamp(min=0), 1)[:, 0], mask.any(1))
""",
    "first": """
def first(x, mask):
    return last(x.flip(1), None if mask is None else mask.flip(1))
""",
}


def needed(lines: Iterable[str]) -> list[str]:
    """The texts of the functions that the lines call, and that these call."""
    found: set[str] = set()
    text = "\n".join(lines)
    while more := {name for name in HELPERS if re.search(rf"(?<![\w.]){name}\(", text)} - found:
        found |= more
        text = "\n".join(HELPERS[name].partition("):\n")[2] for name in more)
    return [HELPERS[name].strip("\n") for name in HELPERS if name in found]
