"""The words by which names tell the role of a layer: the vocabulary of `roles`."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _rows(text: str) -> list[list[frozenset[str]]]:
    return [[_set(role) for role in row.split("|")] for row in text.strip().splitlines()]


# Layers of different roles of one line are beside each other, whatever they are.
BESIDE = _rows("""
    left | right
    forward forwards fwd fw | backward backwards bwd bw reverse reversed
    actor actors policy pi action actions | critic critics value values val vf v q qf | advantage adv
    query queries q | key keys k | value values v
    generator gen | discriminator disc
    student | teacher
    online current behavior behaviour policy | target
    read | write
    prior | posterior
    mean mu loc | logvar logsigma logstd sigma std var variance
    positive pos | negative neg | anchor
    real | fake
    branch | trunk
""")
# And here if both are recurrent, or both dense: `word_embedding`, `sentence_lstm` is a chain; two LSTMs called so not.
BESIDE_ALIKE = _rows("""
    source src | target tgt trg
    premise | hypothesis
    question | answer | passage context | candidate
    user | item
    sender speaker | receiver listener
    audio acoustic speech | video visual vision image | text
    char chars character characters | word words token tokens | sentence sentences sent utterance | document doc
    spatial | temporal
    local | global
""")
# What is no stage of a chain wherever it stands: it weighs, adds or multiplies what others give.
NEVER = _set("""
    attention attentions attn att attend attender alignment align pointer skip shortcut residual highway bridge gate
    gates gating res aux auxiliary ptr
""")
# These are no role unless they come last: a head may be called so, and a layer of attention too.
LAST_ALONE = _set("score scores scorer energy energies query key")
DECODER = _set("decoder decoders dec decode decoding reconstruct reconstruction")
# What tells a layer from others of its kind that come before or after it, besides numbers; and what says nothing.
STAGES = _set("""
    first second third fourth fifth last final initial next one two three four five in input inputs out output outputs
    pre post lower low bottom mid middle inner outer upper high top stem body base backbone trunk hidden head deep
    layer layers block blocks cell cells net nets network module modules model models core recurrent basic optimized
    simple bi bidirectional uni unidirectional multi stack stacked wrapper dropout device my custom scan
""")
# What a dense layer may be called besides, at the end of a chain.
HEADS = _set("""
    fc dense linear lin proj projection project mlp ff ffn affine hidden logit logits softmax classifier classify cls
    decoder prediction predict pred regressor output tag target label
""")
# With a number they are whole networks beside each other: `tower1`, `heads.0`; a Sequential is `head.0` or `net.0`.
WHOLES = _set("tower branch stream head expert agent critic view")
LISTS = _set("towers branches streams heads experts agents critics views")
MODELS = _set("model lm net network member")
MODEL_LISTS = _set("models lms nets networks members ensemble")
STATES = _set("h c")  # h0, c0
STARTS = _set("init h0 c0")  # and of dense layers and embeddings
# What an embedding is called, by the last part of its name.
TABLES = _set("emb embed embeds embedding embeddings embedder lookup wte vocab vocabulary")
# And what is last where it can be: no layer that is called so stands before a recurrent one.
LAST = _set("""
    out output outputs logit logits classifier classify cls head softmax prediction predictions predictor pred
""")
# A layer that could be an embedding, and is none by its name.
DENSE = _set("fc dense linear lin proj projection project mlp affine")
