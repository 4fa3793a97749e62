"""A tagger with two inputs and two outputs: words by id and by their last letters; a tag each, and one for the whole.

    python examples/tagger.py [--backend tensorflow]

The language is made up. Its words are known by their ending, and half of them are not in the vocabulary; those in -a
are nouns behind an article or an adjective, else verbs; a sentence that begins with its verb is a question.
"""

import argparse

import numpy as np
from training import BACKENDS, Data, outputs, train

from rnnspec import GRU, Checkpoint, Dense, Embedding, Input, Merge, Model, Recurrent, Summary

TAGS = ("article", "adjective", "noun", "verb", "adverb")
ENDINGS = {"article": ("e",), "adjective": ("ul", "ik"), "noun": ("on", "a"), "verb": ("et", "a"), "adverb": ("im",)}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LETTERS_READ = 2  # at the end of a word
KNOWN, LONGEST = 300, 10  # ids of words, 0 for one that is unknown; words


def architecture() -> Model:
    return Model(
        inputs={"words": None, "endings": Input(features=LETTERS_READ * len(LETTERS), like="words")},
        layers=[
            Embedding(name="word", of="words", vocabulary=KNOWN, units=12),
            Dense(name="ending", of="endings", units=12, activation="tanh"),
            Merge(name="both", of=["word", "ending"], how="concat"),
            Recurrent(name="gru", cell=GRU(units=16, reset_after=True), direction="bidirectional"),
            Dense(name="tags", units=len(TAGS)),
            Summary(name="whole", of="gru", how="max"),
            Dense(name="question", units=1, activation="sigmoid"),
        ],
        outputs=["tags", "question"],
    )


def sentence(rng: np.random.Generator) -> tuple[list[str], list[str], bool]:
    """Words, their tags, and whether it is a question."""

    def nouns() -> list[str]:
        return ["article", *["adjective"] * int(rng.integers(3)), "noun"]

    question = bool(rng.integers(2))
    verbs = ["verb", *["adverb"] * int(rng.integers(2))]
    tags = verbs + nouns() + nouns() if question else nouns() + verbs + nouns()
    words = []
    for tag in tags:
        stem = "".join(str(rng.choice(list(sounds))) for sounds in ("bdgkmt", "aeiou", "nrs"))
        words.append(stem + str(rng.choice(ENDINGS[tag])))
    return words, tags, question


def encode(word: str, vocabulary: dict[str, int]) -> tuple[int, np.ndarray]:
    """A word's id, and which letters it ends with."""
    letters = np.zeros((LETTERS_READ, len(LETTERS)), "float32")
    for place, letter in enumerate(reversed(word[-LETTERS_READ:])):
        letters[place, LETTERS.index(letter)] = 1
    return vocabulary.get(word, 0), letters.ravel()


def sentences(rows: int, seed: int) -> Data:
    """Sentences of ragged length, padded with 0, with what they should be tagged with."""
    vocabulary: dict[str, int] = {}
    rng = np.random.default_rng(100)  # the same vocabulary for all
    while len(vocabulary) < KNOWN - 1:
        for word in sentence(rng)[0]:
            vocabulary.setdefault(word, len(vocabulary) + 1)
    vocabulary = {word: number for word, number in vocabulary.items() if number < KNOWN}
    rng = np.random.default_rng(seed)
    ids, tags = np.zeros((2, rows, LONGEST), "int64")
    endings = np.zeros((rows, LONGEST, LETTERS_READ * len(LETTERS)), "float32")
    lengths, questions = np.zeros(rows, "int64"), np.zeros((rows, 1), "float32")
    for row in range(rows):
        words, names, question = sentence(rng)
        lengths[row], questions[row] = len(words), question
        for place, (word, name) in enumerate(zip(words, names, strict=True)):
            ids[row, place], endings[row, place] = encode(word, vocabulary)
            tags[row, place] = TAGS.index(name)
    return Data({"words": ids, "endings": endings}, {"words": lengths}, {"tags": tags, "question": questions})


def learn(backend: str, rows: int = 2000, epochs: int = 6) -> Checkpoint:
    start = Checkpoint.initialize(architecture(), seed=1)
    losses = {"tags": "classes", "question": "chances"}
    return train(backend, start, sentences(rows, seed=0), losses, epochs=epochs)


def accuracy(checkpoint: Checkpoint, data: Data) -> tuple[float, float]:
    """The shares of words and of sentences that are tagged as they should be."""
    y = outputs(checkpoint, data)
    counts = np.arange(LONGEST) < data.lengths["words"][:, None]
    words = (y["tags"].argmax(-1) == data.y["tags"])[counts].mean()
    return float(words), float(((y["question"] > 0.5) == data.y["question"]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", choices=BACKENDS, default="torch")
    options = parser.parse_args()
    words, questions = accuracy(learn(options.backend), sentences(500, seed=1))
    print(f"trained in {options.backend}: {words:.1%} of the words of 500 new sentences tagged rightly, ", end="")
    print(f"{questions:.1%} told from questions, in ONNX Runtime")


if __name__ == "__main__":
    main()
