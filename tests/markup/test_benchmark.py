"""The benchmark of markup, with gold links and without a model."""

import random

from scripted_translations import scripted_translation

from benchmarks.markup import (
    choose_tags,
    count_tags,
    enclosed_words,
    insert_tags,
    share_on_gold_words,
)
from keras_attn.markup import translate_markup
from keras_attn.metrics import parse_pharaoh
from keras_attn.training.corpora.builtin import generate


def gold(pair):
    """The reference with one sure link for each target word."""
    links = {target: source for source, target in parse_pharaoh(pair.alignment).sure}
    return scripted_translation(
        pair.source, pair.target, [(s, t) for t, s in sorted(links.items())]
    )


def test_with_gold_links_every_tag_is_around_the_gold_linked_words():
    pairs = list(generate("test", 150))
    chooser = random.Random(0)
    tags = [choose_tags(pair, chooser) for pair in pairs]
    texts = [insert_tags(p.source, t) for p, t in zip(pairs, tags, strict=True)]
    results = translate_markup(
        lambda sources: [gold(pair) for pair in pairs], texts, markup="xml"
    )
    results = [result.text for result in results]
    assert sum(map(len, tags)) > len(pairs)
    assert share_on_gold_words(pairs, tags, results) == 1
    assert share_on_gold_words(pairs, tags, [p.target for p in pairs]) == 0
    expected = {"well_formed": len(pairs), "lost": 0, "invented": 0}
    assert count_tags(tags, results) == expected


def test_tags_are_inserted_and_read():
    text = insert_tags("a b c d", [(0, 2), (1, 2), (2, 3), (0, 4)])
    assert text == ('<g id="3"><g id="0">a <g id="1">b</g></g> <g id="2">c</g> d</g>')
    assert enclosed_words(text) == {0: {0, 1}, 1: {1}, 2: {2}, 3: {0, 1, 2, 3}}


def test_tags_that_are_lost_invented_or_broken_are_counted():
    texts = ['<g id="0">a</g>', "a</g>", '<g id="0">a<g id="0"></g></g>', "a"]
    assert count_tags([[(0, 1)]] * 4, texts) == {
        "well_formed": 3, "lost": 2, "invented": 1,
    }  # fmt: skip
