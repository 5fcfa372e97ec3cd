"""The split rule: which word combinations occur in validation or test only."""

import functools
import zlib

from keras_attn.training.corpora.builtin.lexicon import LEXICON, Adjective, Noun, Verb

__all__ = ["SPLITS", "Options", "options", "split_of"]

SPLITS = ("train", "validation", "test")


def split_of(head: str, noun: str) -> str:
    """Returns the split that owns the combination of a verb or adjective with a noun.

    A verb combines with the noun that is its object (accusative, dative or
    prepositional), an adjective with the noun that it describes. CRC-32 of
    `head|noun` in UTF-8, modulo 20, is 0 for test and 1 for validation: each reserves
    5 % of the combinations, on every platform the same.

    Args:
        head: Lemma of the verb or adjective.
        noun: Lemma of the noun.

    Returns:
        One of `SPLITS`.

    Example:
    >>> split_of("lesen", "Buch") in SPLITS
    True
    """
    bucket = zlib.crc32(f"{head}|{noun}".encode()) % 20
    return {0: "test", 1: "validation"}.get(bucket, "train")


class Options:
    """Word combinations of one split: `(common, own)` candidates by entry.

    `common` combinations occur in every split, `own` ones in this split only (train has
    none). Those of other splits are left out.

    Attributes:
        objects: Possible objects of each verb.
        object_verbs: Verbs of which each noun can be the only, accusative object.
        adjectives: Adjectives that can describe each noun.
        described: Nouns that each adjective can describe.
        subjects: Possible subjects of each verb (never reserved: common only).
        subject_verbs: Verbs that each noun can be the subject of (common only).
    """

    def __init__(self, split: str):
        """Divides all possible combinations."""
        self.objects: dict[Verb, tuple[list[Noun], list[Noun]]] = {}
        self.object_verbs: dict[Noun, tuple[list[Verb], list[Verb]]] = {}
        self.adjectives: dict[Noun, tuple[list[Adjective], list[Adjective]]] = {}
        self.described: dict[Adjective, tuple[list[Noun], list[Noun]]] = {}
        self.subjects: dict[Verb, list[Noun]] = {}
        self.subject_verbs: dict[Noun, list[Verb]] = {}
        self._split = split
        nouns = list(LEXICON.nouns.values())
        for verb in LEXICON.verbs.values():
            frame = verb.frame
            if frame.kind in ("acc", "dat", "datacc", "prep", "put"):
                fitting = [noun for noun in nouns if noun.classes & frame.classes]
                self.objects[verb] = self._divided(
                    [(noun, verb.lemma, noun.lemma) for noun in fitting]
                )
            self.subjects[verb] = [
                noun for noun in nouns if noun.classes & verb.subjects
            ]
        for noun in nouns:
            self.object_verbs[noun] = self._divided(
                [
                    (verb, verb.lemma, noun.lemma)
                    for verb in LEXICON.verbs.values()
                    if verb.frame.kind == "acc" and noun.classes & verb.frame.classes
                ]
            )
            self.subject_verbs[noun] = [
                verb
                for verb, fitting in self.subjects.items()
                if noun in fitting and verb.frame.kind not in ("that", "zu")
            ]
            self.adjectives[noun] = self._divided(
                [
                    (adjective, adjective.lemma, noun.lemma)
                    for adjective in LEXICON.adjectives.values()
                    if noun.classes & adjective.classes
                ]
            )
        for adjective in LEXICON.adjectives.values():
            self.described[adjective] = self._divided(
                [
                    (noun, adjective.lemma, noun.lemma)
                    for noun in nouns
                    if noun.classes & adjective.classes
                ]
            )

    def _divided(self, candidates):
        owners = [(item, split_of(head, noun)) for item, head, noun in candidates]
        common = [item for item, owner in owners if owner == "train"]
        own = [
            item for item, owner in owners if owner == self._split and owner != "train"
        ]
        return common, own


@functools.cache
def options(split: str) -> Options:
    """Returns the options of `split`, computed once."""
    return Options(split)
