"""Attention means what torch's own layers mean by it: values, and gradients of weights and inputs."""

from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from rnnspec import Attention, Dense, Input
from rnnspec.conformance.case import Case

from ..agreement import solved
from .own import assert_agree, tensors

FEATURES, UNITS, TIME = 4, 6, 11
MEMORY, KEYS, VALUES = 5, 8, 10  # steps of a memory, features of its keys and of its values
KEPT = [5, 2, 3]


def attend(scores, values, kept):
    """Over the steps of the memory that count, by hand."""
    return scores.masked_fill(~kept[:, None], -torch.inf).softmax(-1) @ values


def products(heads, scale=None):
    """torch's own, whose mask is True where a key counts."""

    def layer(p, kept, query, keys, values):
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, keys, values))
        return F.scaled_dot_product_attention(q, k, v, kept[:, None, None], scale=scale).transpose(1, 2).flatten(2)

    return layer


def general(p, kept, query, keys, values):
    own = nn.Bilinear(FEATURES, KEYS, 1, bias=False)
    pairs = query[:, :, None].expand(-1, -1, MEMORY, -1), keys[:, None].expand(-1, query.shape[1], -1, -1)
    return attend(functional_call(own, {"weight": p["kernel"]}, pairs)[..., 0], values, kept)


def additive(p, kept, query, keys, values):
    """Bahdanau's, of which torch has none: two heads."""
    parts = zip(*(x.chunk(2, -1) for x in (query, keys, values)), p["scale"], strict=True)
    return torch.cat([attend((q[:, :, None] + k[:, None]).tanh() @ g, v, kept) for q, k, v, g in parts], -1)


def multihead(p, kept, query, keys, values):
    own = nn.MultiheadAttention(UNITS, 3, batch_first=True, kdim=KEYS, vdim=VALUES)
    weights = {f"{name}_proj_weight": p[f"{name}.kernel"] for name in "qkv"}
    weights["in_proj_bias"] = torch.cat([p[f"{name}.bias"] for name in "qkv"])
    weights |= {f"out_proj.{ours.replace('kernel', 'weight')}": p[f"out.{ours}"] for ours in ("kernel", "bias")}
    options = {"key_padding_mask": ~kept, "need_weights": False}
    return functional_call(own, weights, (query, keys, values), options)[0]


def look(score, heads=1):
    return [Attention(name="l", of=["query", "keys", "values"], score=score, heads=heads)]


PROJECTED = [
    *(Dense(name=of[0], of=of, units=UNITS) for of in ("query", "keys", "values")),
    Attention(name="l", of=["q", "k", "v"], score="scaled", heads=3),
    Dense(name="out", units=UNITS),
]
ATTENTIONS = {  # ours, torch's, features of a query
    "dot": (look("dot"), products(1, 1.0), KEYS),
    "scaled": (look("scaled"), products(1), KEYS),
    "scaled, heads": (look("scaled", 2), products(2), KEYS),
    "general": (look("general"), general, FEATURES),
    "additive": (look("additive", 2), additive, KEYS),
    "MultiheadAttention": (PROJECTED, multihead, UNITS),
}


@cache
def attention(name) -> Case:
    layers, _, features = ATTENTIONS[name]
    inputs = {"query": features, "keys": KEYS, "values": Input(features=VALUES, like="keys")}
    return solved(name, inputs, layers, time={"query": TIME, "keys": MEMORY}, lengths={"keys": KEPT})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention(name, dtype):
    case = attention(name)
    arguments, p, x = tensors(case, dtype)
    kept = torch.arange(MEMORY) < torch.tensor(KEPT)[:, None]
    assert_agree(case, dtype, ATTENTIONS[name][1](p, kept, **x), arguments)
