"""Translations with scripted words and links, without a model."""

import numpy as np

from keras_attn.text import word_spans
from keras_attn.translation import Sentence, Token, Translation, utf8

END = "</s>"


def scripted_translation(source, text, links, weights=None):
    """Returns a translation whose words, as tokens, have the given links.

    Args:
        source: The source text.
        text: Its translation.
        links: Pairs of a source and a target word.
        weights: Of the links; `None`: 1.
    """
    tokens = []
    for side in (source, text):
        size = len(utf8(side))
        words = [Token("word", *span) for span in word_spans(side)]
        tokens.append((*words, Token(END, size, size)))
    sources, targets = tokens
    alignment = np.zeros((len(targets), len(sources)), "float32")
    for number, (source_word, target_word) in enumerate(links):
        alignment[target_word, source_word] = 1 if weights is None else weights[number]
    return Translation(
        source=source,
        text=text,
        score=0.0,
        source_tokens=sources,
        target_tokens=targets,
        token_scores=np.zeros(len(targets), "float32"),
        attention=alignment,
        alignment=alignment,
    )


def scripted_translate(text, links, weights=None):
    """Returns a function that translates every text into `text`."""
    if isinstance(links, str):
        links = [tuple(map(int, link.split("-"))) for link in links.split()]
    return lambda texts: [
        scripted_translation(source, text, links, weights) for source in texts
    ]


def joined(translations):
    """Returns the translation of a text of several sentences, without attention."""
    source = " ".join(translation.source for translation in translations)
    text = " ".join(translation.text for translation in translations)
    sentences, begin, target_begin, columns, rows = [], 0, 0, 0, 0
    for translation in translations:
        end = begin + len(utf8(translation.source))
        target_end = target_begin + len(utf8(translation.text))
        stop = columns + len(translation.source_tokens)
        target_stop = rows + len(translation.target_tokens)
        sentences.append(
            Sentence(
                begin,
                end,
                target_begin,
                target_end,
                (columns, stop),
                (rows, target_stop),
            )
        )
        begin, target_begin = end + 1, target_end + 1
        columns, rows = stop, target_stop
    tokens = [
        tuple(
            Token(token.piece, token.begin + offset, token.end + offset)
            for translation, offset in zip(translations, offsets, strict=True)
            for token in getattr(translation, f"{side}_tokens")
        )
        for side, offsets in (
            ("source", [sentence.source_begin for sentence in sentences]),
            ("target", [sentence.target_begin for sentence in sentences]),
        )
    ]
    return Translation(
        source=source,
        text=text,
        score=0.0,
        source_tokens=tokens[0],
        target_tokens=tokens[1],
        token_scores=np.zeros(rows, "float32"),
        attention=np.zeros((rows, 0), "float32"),
        sentences=tuple(sentences),
    )


class RandomTranslate:
    """Translates words into words in another order, some left out, some added.

    Links are random too: some words have none, some have links to any words.
    """

    def __init__(self, seed):
        self._generator = np.random.default_rng(seed)
        self.translations = []

    def __call__(self, texts):
        self.translations = [self._translate(text) for text in texts]
        return self.translations

    def _translate(self, source):
        generator = self._generator
        data = utf8(source)
        spans = word_spans(source)
        order = generator.permutation(len(spans))[: generator.integers(len(spans) + 1)]
        if generator.random() < 0.5:
            order.sort()
        words, links, weights = [], [], []
        for number in order.tolist():
            begin, end = spans[number]
            if generator.random() < 0.1:
                words.append(str(generator.choice(["new", ",", "&", "<b>", "«"])))
            links.append((number, len(word_spans(" ".join(words)))))
            words.append(data[begin:end].decode().swapcase())
            kind = generator.random()
            if kind < 0.1:
                links.pop()
                continue
            if kind < 0.3:
                links[-1] = int(generator.integers(len(spans))), links[-1][1]
            weights.append(float(generator.uniform(0.3, 1)))
        return scripted_translation(source, " ".join(words), links, weights)
