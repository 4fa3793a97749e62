"""Attention means what Keras's own layers mean by it: values, and gradients of weights and inputs."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from keras import layers as stock

from rnnspec import Attention, Dense, Input, Summary
from rnnspec.conformance.case import Case

from ..agreement import solved
from .own import apply, assert_agree

FEATURES, UNITS, TIME = 4, 6, 11
MEMORY, KEYS, VALUES = 5, 8, 10  # steps of a memory, features of its keys and of its values
LENGTHS = {"query": [11, 8, 2], "keys": [5, 2, 3]}
ASKED, KEPT = (
    np.arange(steps) < np.array(of)[:, None] for steps, of in zip((TIME, MEMORY), LENGTHS.values(), strict=True)
)


def dot(p, query, keys, values, mask):
    return stock.Attention(dtype=query.dtype)([query, values, keys], mask=mask)


def scaled(p, query, keys, values, mask):
    """The factor is a weight of Keras's."""
    layer, inputs = stock.Attention(use_scale=True, dtype=query.dtype), [query, values, keys]
    return apply(layer, [tf.constant(KEYS**-0.5, query.dtype)], inputs, mask=mask)


def general(p, query, keys, values, mask):
    """Luong's, of which Keras has none: with other keys."""
    layer = stock.Dense(FEATURES, use_bias=False, dtype=query.dtype)
    return dot(p, query, apply(layer, [tf.transpose(p["kernel"][0])], keys), values, mask)


def additive(p, query, keys, values, mask):
    layer = stock.AdditiveAttention(dtype=query.dtype)
    return apply(layer, [p["scale"][0]], [query, values, keys], mask=mask)


def additive_heads(p, query, keys, values, mask):
    """Keras has one head a layer."""
    parts = zip(*(tf.split(x, 2, -1) for x in (query, keys, values)), p["scale"], strict=True)
    return tf.concat([additive({"scale": g[None]}, *heads, mask) for *heads, g in parts], -1)


def multihead(heads, size):
    """Kernels (features, heads, features of a head), and of the output (heads, features of a head, features)."""

    def layer(p, query, keys, values, mask):
        own = stock.MultiHeadAttention(heads, size, output_shape=UNITS, dtype=query.dtype)
        weights = []
        for name, features in (("q", FEATURES), ("k", KEYS), ("v", VALUES)):
            weights.append(tf.reshape(tf.transpose(p[f"{name}.kernel"]), (features, heads, size)))
            weights.append(tf.reshape(p[f"{name}.bias"], (heads, size)))
        weights += [tf.reshape(tf.transpose(p["out.kernel"]), (heads, size, UNITS)), p["out.bias"]]
        masks = {} if mask is None else {"query_mask": mask[0], "value_mask": mask[1], "key_mask": mask[2]}
        return apply(own, weights, query, values, keys, **masks)

    return layer


def look(score, heads=1):
    return [Attention(name="l", of=["query", "keys", "values"], score=score, heads=heads)]


def projected(heads, size):
    return [
        *(Dense(name=of[0], of=of, units=heads * size) for of in ("query", "keys", "values")),
        Attention(name="l", of=["q", "k", "v"], score="scaled", heads=heads),
        Dense(name="out", units=UNITS),
    ]


ATTENTIONS = {  # ours, Keras's, features of a query
    "dot": (look("dot"), dot, KEYS),
    "scaled": (look("scaled"), scaled, KEYS),
    "general": (look("general"), general, FEATURES),
    "additive": (look("additive"), additive, KEYS),
    "additive, heads": (look("additive", 2), additive_heads, KEYS),
    "MultiHeadAttention": (projected(3, 4), multihead(3, 4), FEATURES),
    "MultiHeadAttention, 1/√5": (projected(1, 5), multihead(1, 5), FEATURES),
}
# Keras rounds the factor of MultiHeadAttention to float32, in float64 too: `tf.cast` makes a tensor of it before it
# casts it. 1/√4 is exact.
ROUNDED = {"MultiHeadAttention, 1/√5": ["results", "gradients"]}


@cache
def attention(name, ragged) -> Case:
    layers, _, features = ATTENTIONS[name]
    inputs = {"query": features, "keys": KEYS, "values": Input(features=VALUES, like="keys")}
    # What Keras gives at padded steps of a query is 0, or anything: a mean says what it gives at the others.
    end = [Summary(name="end", how="mean")] if ragged else []
    time = {"query": TIME, "keys": MEMORY}
    return solved(name, inputs, [*layers, *end], time=time, lengths=LENGTHS if ragged else None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention(name, ragged, dtype):
    asked, kept = (tf.constant(mask) for mask in (ASKED, KEPT))

    def theirs(p, x):
        y = ATTENTIONS[name][1](p, **x, mask=[asked, kept, kept] if ragged else None)
        return stock.GlobalAveragePooling1D(dtype=dtype)(y, mask=asked) if ragged else y

    assert_agree(attention(name, ragged), dtype, theirs, ROUNDED.get(name, ()))
