import dataclasses
import re

import numpy as np
import pytest

from keras_attn.translation import Sentence, Token, Translation


def tokens_of(text):
    """One token a run of letters or a sign, and the end token."""
    tokens, size = [], len(text.encode("utf-8", "replace"))
    for match in re.finditer(r"\S+", text):
        begin = len(text[: match.start()].encode("utf-8", "replace"))
        end = begin + len(match[0].encode("utf-8", "replace"))
        tokens.append(Token("▁" + match[0], begin, end))
    return (*tokens, Token("</s>", size, size))


def make(source, text, attention=None, **changes):
    """A translation whose attention is nearly diagonal unless it is given."""
    source_tokens, target_tokens = tokens_of(source), tokens_of(text)
    rows, columns = len(target_tokens), len(source_tokens)
    if attention is None:
        places = np.linspace(0, columns - 1, rows)
        distance = np.abs(places[:, None] - np.arange(columns))
        attention = np.exp(-2 * distance)
        attention = attention / attention.sum(axis=1, keepdims=True)
    values = {
        "source": source,
        "text": text,
        "score": -1.25,
        "source_tokens": source_tokens,
        "target_tokens": target_tokens,
        "token_scores": np.full(rows, -1.25 / rows, "float32"),
        "attention": np.asarray(attention, "float32"),
    }
    return Translation(**{**values, **changes})


@pytest.fixture
def make_translation():
    """`make(source, text, attention=None, **changes) -> Translation`."""
    return make


@pytest.fixture
def dog():
    """A small sentence with a word order to see: the verb moves."""
    attention = [
        # Der kleine Hund hat geschlafen . </s>
        [0.91, 0.05, 0.04, 0.00, 0.00, 0.00, 0.00],  # The
        [0.04, 0.88, 0.08, 0.00, 0.00, 0.00, 0.00],  # little
        [0.01, 0.11, 0.86, 0.02, 0.00, 0.00, 0.00],  # dog
        [0.00, 0.00, 0.06, 0.66, 0.28, 0.00, 0.00],  # has
        [0.00, 0.00, 0.02, 0.18, 0.79, 0.01, 0.00],  # slept
        [0.00, 0.00, 0.00, 0.01, 0.05, 0.90, 0.04],  # .
        [0.00, 0.00, 0.00, 0.00, 0.01, 0.19, 0.80],  # </s>
    ]
    return make(
        "Der kleine Hund hat geschlafen .", "The little dog has slept .", attention
    )


@pytest.fixture
def aligned_dog(dog):
    """The same with an alignment: `has` translates nothing, most likely."""
    alignment = np.zeros((7, 7), "float32")
    np.fill_diagonal(alignment, 0.9)
    alignment[3] = [0, 0, 0, 0.2, 0.125, 0, 0.0625]
    return dataclasses.replace(dog, alignment=alignment)


@pytest.fixture
def aligned(joined):
    """The two sentences with an alignment that is random in its blocks."""
    random = np.random.default_rng(1)
    alignment = np.zeros(joined.attention.shape, "float32")
    for sentence in joined.sentences:
        rows, columns = slice(*sentence.target_tokens), slice(*sentence.source_tokens)
        height, width = alignment[rows, columns].shape
        drawn = random.dirichlet([0.3] * (1 + width), height)
        alignment[rows, columns] = drawn[:, 1:]  # the first is that of no source
    return dataclasses.replace(joined, alignment=alignment)


@pytest.fixture
def joined():
    """Two sentences, with the attention of each in a block."""
    source, text = "Ja ja.\n\nDer Hund schläft .", "Yes yes.\n\nThe dog sleeps ."
    parts = [make("Ja ja.", "Yes yes."), make("Der Hund schläft .", "The dog sleeps .")]
    begins = [(0, 0), (8, 10)]  # in bytes of both sides
    tokens = {"source": [], "target": []}
    sentences, blocks = [], []
    for part, (source_begin, target_begin) in zip(parts, begins, strict=True):
        sentences.append(
            Sentence(
                source_begin,
                source_begin + len(part.source.encode()),
                target_begin,
                target_begin + len(part.text.encode()),
                (
                    len(tokens["source"]),
                    len(tokens["source"]) + len(part.source_tokens),
                ),
                (
                    len(tokens["target"]),
                    len(tokens["target"]) + len(part.target_tokens),
                ),
            )
        )
        for side, begin, found in (
            ("source", source_begin, part.source_tokens),
            ("target", target_begin, part.target_tokens),
        ):
            tokens[side] += [
                Token(t.piece, t.begin + begin, t.end + begin) for t in found
            ]
        blocks.append(part.attention)
    (rows, columns), (more_rows, more_columns) = (block.shape for block in blocks)
    attention = np.zeros((rows + more_rows, columns + more_columns), "float32")
    attention[:rows, :columns], attention[rows:, columns:] = blocks
    return make(
        source,
        text,
        attention,
        source_tokens=tuple(tokens["source"]),
        target_tokens=tuple(tokens["target"]),
        token_scores=np.full(len(attention), -0.125, "float32"),
        sentences=tuple(sentences),
    )
