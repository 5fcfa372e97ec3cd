"""Learns a subword vocabulary from sentences."""

import io
import unicodedata
from collections.abc import Iterable, Sequence

from keras_attn.translation import utf8

__all__ = ["learn_subwords"]

_MODEL_TYPES = ("unigram", "bpe")
_SPECIAL_PIECES = ("<pad>", "<unk>", "<s>", "</s>")
_SHORTEST_LIMIT, _LONGEST_LIMIT = 10, 2**30  # what the trainer accepts, in bytes


def learn_subwords(
    sentences: Iterable[str],
    vocabulary_size: int,
    *,
    character_coverage: float = 1.0,
    model_type: str = "unigram",
    symbols: Sequence[str] = (),
    threads: int = 2,
) -> bytes:
    """Learns a SentencePiece model for `SubwordCodec`.

    There is no randomness in it: the same sentences and arguments give the same
    bytes. Learn from training sentences only.

    Args:
        sentences: The texts, of any length; they are kept in memory.
        vocabulary_size: Number of pieces to learn, four special ones included. It is
            an upper limit: a small corpus has fewer subwords to offer.
        character_coverage: Share of the corpus' characters that get a piece of their
            own; below 1, the rarest become unknown. Useful for Chinese or Japanese.
        model_type: `"unigram"` or `"bpe"`.
        symbols: Texts that are one subword wherever they stand, such as the tag
            `<bt>`. They count in the size, and need not occur in the sentences.
        threads: Threads that the trainer may use.

    Returns:
        The model as the bytes of a SentencePiece `.model` file, with the ids pad 0,
        unknown 1, start 2 and end 3.

    Raises:
        ImportError: If the package `sentencepiece` is not installed.
        ValueError: If there is no text, or an argument is out of range, or the
            vocabulary is too small for the characters of the corpus.

    Example:
    >>> model = learn_subwords(["the dog runs", "the cat sleeps"], vocabulary_size=24)
    >>> type(model)
    <class 'bytes'>

    Reference: Kudo and Richardson, 2018, arXiv:1808.06226.
    """
    _check_arguments(vocabulary_size, character_coverage, model_type, threads)
    _check_symbols(symbols)
    if isinstance(sentences, str):
        raise TypeError(
            "`sentences` must be an iterable of texts. Received: one str. "
            "Put it into a list."
        )
    # The trainer drops a whole sentence for a NUL, and calls it malformed.
    lines = [utf8(sentence).replace(b"\0", b" ") for sentence in sentences]
    if not any(line.strip() for line in lines):
        raise ValueError(
            "A vocabulary is learnt from at least one sentence with text. "
            f"Received: {len(lines)} sentences, none with text. Check the corpus."
        )
    # Longer sentences would be dropped with only a log line to say so.
    longest = max(_SHORTEST_LIMIT, *map(len, lines))
    trainer = _import_sentencepiece().SentencePieceTrainer
    model = io.BytesIO()
    try:
        trainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type=model_type,
            vocab_size=vocabulary_size,
            hard_vocab_limit=False,
            character_coverage=character_coverage,
            max_sentence_length=min(longest, _LONGEST_LIMIT),
            num_threads=threads,
            user_defined_symbols=list(symbols),
            pad_id=0,
            unk_id=1,
            bos_id=2,
            eos_id=3,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ValueError(
            "SentencePiece could not learn a vocabulary. Received: "
            f"vocabulary_size={vocabulary_size} for {len(lines)} sentences; it says: "
            f"{error} A vocabulary needs a piece for each character of the corpus: "
            "raise `vocabulary_size` or lower `character_coverage`."
        ) from error
    return model.getvalue()


def _check_arguments(vocabulary_size, character_coverage, model_type, threads):
    if not isinstance(vocabulary_size, int) or vocabulary_size < 1:
        raise ValueError(
            "`vocabulary_size` must be a positive integer. "
            f"Received: vocabulary_size={vocabulary_size!r}."
        )
    if not 0.0 < character_coverage <= 1.0:
        raise ValueError(
            "`character_coverage` is a share in (0, 1]. "
            f"Received: character_coverage={character_coverage!r}."
        )
    if model_type not in _MODEL_TYPES:
        raise ValueError(
            f"`model_type` must be one of {', '.join(_MODEL_TYPES)}. "
            f"Received: model_type={model_type!r}."
        )
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(
            f"`threads` must be a positive integer. Received: threads={threads!r}."
        )


def _check_symbols(symbols):
    if isinstance(symbols, str):
        raise TypeError(
            "`symbols` must be a list of texts. Received: one str. Put it into a list."
        )
    for symbol in symbols:
        same = unicodedata.normalize("NFKC", symbol) == symbol
        plain = same and symbol.isprintable() and not set(symbol) & set(" ,▁")
        if not symbol or not plain or symbol in _SPECIAL_PIECES:
            raise ValueError(
                "A symbol is printable text in the Unicode form NFKC, without blanks, "
                "commas and `▁`, and no special piece. Received: "
                f"symbols={symbol!r}. Write for example <bt>."
            )
    if len(set(symbols)) < len(symbols):
        raise ValueError(
            f"Each symbol is named once. Received: symbols={list(symbols)!r}."
        )


def _import_sentencepiece():
    try:
        import sentencepiece
    except ImportError as error:
        raise ImportError(
            "Learning a vocabulary needs the package `sentencepiece`. "
            "Install it with: pip install 'keras-attn[train]'"
        ) from error
    return sentencepiece
