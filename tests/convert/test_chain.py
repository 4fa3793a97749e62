"""Layers without an architecture: which orders fit, what names say against a chain, and what is assumed of the rest."""

import itertools
import random

import numpy as np
import pytest

from rnnspec import SpecError, UnsupportedError, limits
from rnnspec.conventions.keras import SimpleRNN
from rnnspec.convert import order, roles
from rnnspec.convert.assumed import assumed
from rnnspec.convert.blocks import Block, parts_of
from rnnspec.convert.chain import chained
from rnnspec.convert.layers import dense, recurrent
from rnnspec.convert.names import names
from rnnspec.convert.request import Request
from rnnspec.convert.settings import Settings


def block(place, inputs, outputs, kind=""):
    return Block(place, inputs, outputs, lambda name: [], kind)


def brute(blocks):
    """All orders of the places in which the features fit and numbers ascend."""
    places = list(dict.fromkeys(each.place for each in blocks))
    found = set()
    for candidate in itertools.permutations(places):
        ascending = all(
            order.unnumbered(a) != order.unnumbered(b) or order.numbers(a) <= order.numbers(b)
            for a, b in itertools.combinations(candidate, 2)
        )
        if ascending and order.in_order(blocks, candidate):
            found.add(candidate)
    return found


@pytest.mark.parametrize("seed", range(300))
def test_the_search_finds_an_order_where_there_is_one_and_knows_whether_it_is_the_only_one(seed):
    rng = random.Random(seed)
    sizes = [3, 5, 7][: rng.randint(1, 3)]
    places = rng.sample(["a_1", "a_2", "a_3", "b1", "b2", "c", "d", "e"], rng.randint(1, 6))
    blocks = []
    if rng.random() < 0.6:  # a chain, mixed
        path = [rng.choice(sizes) for _ in range(len(places) + 1)]
        ends = list(itertools.pairwise(path))
    else:
        ends = [(rng.choice(sizes), rng.choice(sizes)) for _ in places]
    for place, (inputs, outputs) in zip(places, ends, strict=True):
        kind = rng.choice(["dense", "dense", "table", "either"])
        blocks += [block(place, None, inputs if kind == "either" else outputs)] if kind != "dense" else []
        blocks += [block(place, inputs, outputs)] if kind != "table" else []
    expected = brute(blocks)
    found, complete = order.search(blocks)
    distinct = {tuple(each.place for each in one) for one in found}
    assert complete
    assert distinct <= expected
    assert min(len(distinct), 2) == min(len(expected), 2)
    for one in found:
        assert all(after.inputs == before.outputs for before, after in itertools.pairwise(one))


GROWTH = {
    "numbered": lambda n: [block(f"layers.{k}", 4, 4) for k in range(n)],
    "two kinds by turns": lambda n: [block(f"{'ab'[k % 2]}{k}", 4 + k % 2, 5 - k % 2) for k in range(n)],
    "sizes of their own": lambda n: [block(f"x{'q' * (k % 7)}_{k}", k, k + 1) for k in reversed(range(n))],
    "one of each name": lambda n: [block(f"p{'abcdefghij'[k % 10]}{'q' * (k // 10 % 10)}", 4, 4) for k in range(n)],
    "not a chain": lambda n: [block(f"layers.{k}", 4, 4) for k in range(n)] + [block("x", 6, 6), block("y", 6, 6)],
}


@pytest.mark.parametrize("kind", GROWTH)
def test_the_steps_of_the_search_grow_as_the_places_do(kind):
    blocks = GROWTH[kind](10_000)
    walk = order._Walk(blocks)
    list(itertools.islice(walk.orders(), 2))
    assert walk.steps <= 2 * len(blocks) + 2


@pytest.mark.parametrize(
    "others",
    [
        [block("x", 4, 2), block("y", 4, 3)],  # more ends than two
        [block("x", 7, 2), block("y", 8, 3)],
        [block("x", 6, 6)],  # apart, and by itself
        [block("x", 6, 6), block("y", 6, 6)],
        [block("x", 6, 7), block("y", 7, 6)],
        [block("x", None, 4), block("y", None, 4)],
        [block("x", None, 6), block("y", 6, 5)],
    ],
)
def test_what_cannot_be_a_chain_is_not_searched(others):
    walk = order._Walk([block(f"loop{letter}", 4, 4) for letter in "abcdefghijklmnop"] + others)
    assert list(walk.orders()) == []
    assert walk.steps < 20


def test_what_can_no_longer_be_reached_ends_the_search_at_once():
    blocks = [block(f"loop{letter}", 4, 4) for letter in "abcdefghijklmnop"]
    walk = order._Walk([block("y", 4, 5), block("z", 5, 4), block("x", 5, 5), *blocks])
    assert len(next(walk.orders())) == 19
    assert walk.steps < 30


def test_numbers_are_compared_as_numbers():
    names = ["a_10", "a_9", "a_007", "a_08", "a_1_2", "a_1_10", "a_" + "9" * 5000, "a_1" + "0" * 5000]
    ordered = ["a_1_2", "a_1_10", "a_007", "a_08", "a_9", "a_10", "a_" + "9" * 5000, "a_1" + "0" * 5000]
    assert sorted(names, key=order.numbers) == ordered


def test_a_search_without_end_is_given_up(monkeypatch):
    blocks = [block(f"loop{letter}", 4, 4) for letter in "abcdefgh"]
    # each of these comes back to 4, but only one of them can be entered in the middle, where the chain begins
    blocks += [block("y_2", 4, 5), block("y_1", 5, 4), block("z_2", 4, 6), block("z_1", 6, 4)]
    monkeypatch.setattr(limits, "ORDER_STEPS", 1000)
    walk = order._Walk(blocks)
    assert list(walk.orders()) == []
    assert walk.steps == 1001
    with pytest.raises(SpecError, match=r"model: too many orders .*; give theirs with --config"):
        chained(blocks, {}, Request(), "model", ordered=False)
    ours = {each.place: each.place for each in blocks}
    request = Request()
    fitting = [blocks[9], *blocks[:9], block("z_2", 5, 6), block("z_1", 6, 4)]
    chained(fitting, ours, request, "model", ordered=True)
    assert "order of the layers as in the file; others fit too: --config gives another" in request.notes


def test_names_are_as_short_as_they_can_be():
    deep = "a." * 5000
    assert names([f"{deep}x", f"{deep}y.z"], ".", ()) == {f"{deep}x": "x", f"{deep}y.z": "y_z"}
    assert names(["module.rnn", "module"], ".", ("module",)) == {"module.rnn": "rnn", "module": "rnn"}
    assert parts_of(["m.a.x", "m.a.y", "m.b"]) == ["m.a", "m.b"]
    assert parts_of(["m/a/x", "m/a/y"]) == ["m/a/x", "m/a/y"]


def built(**kinds):
    """Blocks of a chain 8 → 8 → …; kinds: r(ecurrent), g(ru, and so no twin of the others), d(ense), e(mbedding)."""
    sizes = {"r": (8, 8, "LSTM"), "g": (8, 8, "GRU"), "d": (8, 8, ""), "e": (None, 8, "")}
    return [block(place.replace("__", "."), *sizes[kind]) for place, kind in kinds.items()]


# fmt: off
NO_CHAINS = [
    built(encoder__lstm="r", decoder__lstm="r", decoder__fc="d"),
    built(enc_rnn="r", latent="d", dec_rnn="r"),
    built(encoder="r", decoder="g"),
    built(rnn="r", recon_fc="d", decode="g"),
    built(lstmactor="r", grucritic="g"),
    built(question_lstm="r", answer_lstm="g"),
    built(tower1__rnn="r", tower2__rnn="g"),
    built(rnn="r", heads__0="d", heads__1="d", out="d"),
    built(small__rnn="r", small__fc="d", large__rnn="g", large__fc="d"),
    built(rnn="r", decoder_rnn="r", out="d"),
    built(EncoderLSTM="r", DecoderLSTM="r"),
    built(left="r", right="r", out="d"),
    built(left_fc="d", right_fc="d", rnn="r"),
    built(lstm_actor="r", lstm_critic="r"),
    built(lstm="r", actor="d", critic="d"),
    built(lstm="r", policy_head="d", value_head="d"),
    built(rnn="r", q="d", k="d", v="d"),
    built(rnn="r", query="d", key="d", fc="d"),
    built(rnn="r", attn="d", fc="d"),
    built(rnn="r", attention_layer="d"),
    built(rnn="r", selfAttn="d", fc="d"),
    built(rnn="r", score="d", fc="d"),
    built(rnn="r", gate="d", fc="d"),
    built(fc="d", skip="d", rnn="r"),
    built(rnn="r", mu="d", logvar="d"),
    built(models__0__rnn="r", models__0__fc="d", models__1__rnn="r", models__1__fc="d"),
    built(rnn="r", age="d", gender="d"),
    built(rnn="r", head_a="d", head_b="d"),
    built(small__rnn="r", small__fc="d", large__in="d", large__gru1="r", large__gru2="r", large__fc="d"),
    built(branch_lstm="r", branch_fc="d", trunk="d"),
    built(rnn="r", h2mu="d", h2log_var="d"),
    built(init_h="d", init_c="d", rnn="r"),
    built(fc_h0="d", rnn="r"),
    built(policy_net__lstm="r", target_net__lstm="r"),
    built(model__lstm="r", ema_model__lstm="r"),
    built(rnn="r", fc_adv="d", fc_val="d"),
    built(rnn="r", aux_head="d", fc="d"),
    built(generator__lstm="r", discriminator__lstm="r"),
    built(src_rnn="r", tgt_rnn="r"),
    built(forward_lstm="r", backward_lstm="r", out="d"),
    built(lstm_fwd="r", lstm_bwd="r"),
    built(question_lstm="r", answer_lstm="r"),
    built(word_lstm="r", sentence_lstm="r", fc="d"),
    built(audio__rnn="r", video__rnn="r"),
    built(tower1__rnn="r", tower2__rnn="r"),
    built(towers__0="r", towers__1="r", fc="d"),
    built(rnn="r", heads__0="d", heads__1="d"),
    built(rnn="r", head1="d", head2="d"),
    built(model_1__rnn="r", model_2__rnn="r"),
    built(lm__rnn="r", lm_1__rnn="r"),
    built(english__rnn="r", german__rnn="r"),
    built(x_lstm="r", y_lstm="r"),
    built(apple="r", pear="r", out="d"),
]
CHAINS = [
    built(encoder="e", rnn="r", decoder="d"),
    built(encoder="r", decoder="d"),
    built(encoder="d", rnn="r", decoder="d"),
    built(encoder__emb="e", encoder__rnn="r", decoder__fc1="d", decoder__fc2="d"),
    built(encoder__rnn="r", encoder__fc="d"),
    built(decoder__rnn1="r", decoder__rnn2="r", decoder__fc="d"),
    built(emb="e", rnn="r", fc="d"),
    built(lstm1="r", lstm2="r", fc="d"),
    built(lstm="r", lstm2="r", fc="d"),
    built(first_lstm="r", second_lstm="r"),
    built(lstm_in="r", lstm_out="r"),
    built(bottom__gru="r", top__gru="r"),
    built(net__0="r", net__1="r", net__2="d"),
    built(model__lstm="r", model__head__0="d", model__head__2="d"),
    built(blocks__0__lstm="r", blocks__0__fc="d", blocks__1__lstm="r", blocks__1__fc="d"),
    built(word_embedding="e", sentence_lstm="r", classifier="d"),
    built(src_embed="e", rnn="r", out="d"),
    built(lstm="r", value="d"),
    built(lstm="r", score="d"),
    built(actor__lstm="r", actor__fc="d"),
    built(attn="r"),
    built(attn__rnn="r", attn__fc="d"),
    built(question_embedding="e", lstm="r", answer_classifier="d"),
    built(item_embedding="e", user_gru="r", item_out="d"),
    built(rnn="r", transform="d", project="d"),
    built(rnn="r", bottleneck="d", fc="d"),
    built(emb="e", rnn="r", hidden2hidden="d", hidden2tag="d"),
    built(memory_rnn="r", actor__0="d", actor__2="d"),
    built(features__0="d", features__2="d", lstm="r", policy="d"),
    built(char_embeddings="e", bilstm="r", hidden2tag="d"),
    built(emb="e", lstm_1="r", lstm_2="r", dense1="d", dense_2="d", out="d"),
    built(rnn_layers__0__cell="r", rnn_layers__1__cell="r", classifier__1="d"),
    built(h2o="d", rnn="r"),
    built(input_projection="d", core__lstm="r", output_projection="d"),
    built(l1="d", l2="d", lstm="r", l3="d"),
    built(rnn="r", generator="d"),
    built(rnn__residual_wrapper="r", dense="d"),
    built(LSTMCell_0="r", OptimizedLSTMCell_0="r", Dense_0="d"),
]
# fmt: on


def labels(chains):
    return [" ".join(each.place for each in blocks) for blocks in chains]


@pytest.mark.parametrize("blocks", NO_CHAINS, ids=labels(NO_CHAINS))
def test_names_that_speak_against_a_chain(blocks, tmp_path):
    with pytest.raises(UnsupportedError, match="model: the layers are not a chain, by their names: ") as error:
        checked(blocks)
    assert "\n" not in str(error.value)
    named = str(error.value).split("takes one of ")[1].split(", or several")[0].split(", ")
    parts = [part for each in named for part in each.split(",")]
    assert all(any(f"{each.place}.".startswith(f"{part}.") for each in blocks) for part in parts)
    recurrent = [f"{each.place}." for each in blocks if each.recurrent]
    inside = [any(place.startswith(f"{part}.") for part in each.split(",") for place in recurrent) for each in named]
    assert all(inside) or not recurrent  # what is suggested there is
    checked(blocks, part=",".join(each.place for each in blocks))  # who names them has chosen


def checked(blocks, part=None):
    roles.check(blocks, part, "model")
    roles.check_order(blocks, part, "model")


@pytest.mark.parametrize("blocks", CHAINS, ids=labels(CHAINS))
def test_names_that_do_not(blocks):
    checked(blocks)


def test_a_config_is_believed(tmp_path):
    config = tmp_path / "order.json"
    config.write_text('["left", "right"]')
    blocks = built(right="r", left="r")
    request = Request(config=config)
    chained(blocks, {"left": "left", "right": "right"}, request, "model", ordered=False)
    assert request.notes == ["taken as a chain: left → right"]


def test_where_several_places_could_begin_or_end():
    request = Request()
    blocks = [block("rnn", 4, 8, "GRU"), block("tags", 8, 5), block("spans", 8, 2)]
    with pytest.raises(SpecError, match=r"not a chain: .*; tags, spans could each end one; --part takes one of rnn,"):
        chained(blocks, {}, request, "model", ordered=True)
    blocks = [block("a", None, 8), block("b", None, 8), block("rnn", 8, 8, "GRU")]
    with pytest.raises(SpecError, match="a, b could each begin one"):
        chained(blocks, {}, request, "model", ordered=True)


def test_the_note_of_a_long_chain_is_short():
    blocks = [block(f"layers.{k}", 4, 4) for k in range(10_000)]
    request = Request()
    chained(blocks, {each.place: each.place for each in blocks}, request, "model", ordered=False)
    assert [len(note) < 2000 for note in request.notes] == [True]
    assert request.notes[0].startswith("taken as a chain: layers.0 → layers.1 → ")
    assert request.notes[0].endswith("→ layers.9999")


def layers_of_two():
    rng = np.random.default_rng(0)
    cell = SimpleRNN.to_ours(*(rng.standard_normal(shape).astype("f4") for shape in ((3, 3), (3, 3), (3,))))
    head = dense(rng.standard_normal((3, 2)), rng.standard_normal(2), "head")
    return [recurrent(cell, "a"), recurrent(cell, "b"), head]


def test_what_is_assumed_is_said_and_can_be_set():
    request = Request(Settings({"b.return_sequences": False, "a.direction": "backward", "residual": True}))
    (a, _), (b, _), _ = assumed(layers_of_two(), request)
    request.settings.finish()
    assert (a.direction, a.return_sequences, b.direction, b.return_sequences) == ("backward", True, "forward", False)
    assert a.cell.to_builtins()["type"] == b.cell.to_builtins()["type"] == "residual"
    assert request.notes == [
        "b: forward in time, it is assumed; --set NAME.direction=backward otherwise",
        "head: no activation is in the file; --set NAME.activation=… if there was one",
        "time is the second axis, it is assumed; load it with time_major=True otherwise",
        "what is between the layers is not in the file: no dropout, no masks, no pooling are assumed",
    ]
    request = Request(Settings({"a.return_sequences": False}))
    assumed(layers_of_two(), request)
    with pytest.raises(SpecError, match=r"--set a\.return_sequences: nothing in this source takes it"):
        request.settings.finish()


@pytest.mark.parametrize(("key", "value"), [("return_sequences", 0), ("direction", "up"), ("residual", "yes")])
def test_values_that_there_are_not(key, value):
    with pytest.raises(SpecError, match=f"--set {key} at [ab]: expected "):
        assumed(layers_of_two(), Request(Settings({key: value})))
