"""Words in a text, and the attention between words instead of subwords.

Pure Python and NumPy: a client without TensorFlow can merge what a server sent.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from keras_attn.translation import Token, utf8

__all__ = ["merge_attention", "token_shares", "with_no_source", "word_spans"]

# Characters that belong to the one before them are all read as this accent, which
# `re`, knowing no Unicode marks, counts neither as a letter nor as a space.
_ACCENT = "\u0300"
_JOINERS = "\u00ad\u200c\u200d"  # soft hyphen, zero-width non-joiner and joiner
_WORD = re.compile(
    r"[^\W_]A*(?:[^\W_]A*|['’\-](?=[^\W_]))*|[^\w\s]A*|_A*".replace("A", _ACCENT)
)
_BETWEEN_BLANKS = re.compile(rb"[^ \t]+")


def word_spans(text: str, rule: str = "marks") -> list[tuple[int, int]]:
    """Finds words and punctuation marks, each mark a word of its own.

    A word is a run of letters and digits with their combining marks; apostrophes and
    hyphens inside it belong to it (`don't`, `E-Mail`). Scripts that put no spaces
    between words (Chinese, Japanese, Thai, ...) come out as one word per run of
    letters: bring your own spans for them.

    Args:
        text: Any text. A lone surrogate counts as the one byte `?`.
        rule: `"marks"`, as above; or `"spaces"`: words are what spaces and tabs
            separate, for text that a tokeniser has cut already, as word aligners
            read it.

    Returns:
        `(begin, end)` of each word in bytes of the UTF-8 text, in order.

    Raises:
        ValueError: If `rule` is neither.

    Example:
    >>> word_spans("Don't go, Jürgen!")
    [(0, 5), (6, 8), (8, 9), (10, 17), (17, 18)]
    >>> word_spans("go , Jürgen !", "spaces")
    [(0, 2), (3, 4), (5, 12), (13, 14)]
    """
    if rule == "spaces":
        return [match.span() for match in _BETWEEN_BLANKS.finditer(utf8(text))]
    if rule != "marks":
        raise ValueError(
            f'`rule` must be "marks" or "spaces". Received: rule={rule!r}.'
        )
    offsets = np.cumsum([0, *(len(utf8(character)) for character in text)]).tolist()
    skeleton = "".join(map(_letter_role, text))
    return [
        (offsets[match.start()], offsets[match.end()])
        for match in _WORD.finditer(skeleton)
    ]


def _letter_role(character):
    if character.isascii() and character.isprintable():
        return character
    category = unicodedata.category(character)
    if category.startswith("M") or character in _JOINERS:
        return _ACCENT
    return " " if category in ("Cc", "Cf") else character


def merge_attention(
    attention: np.ndarray,
    source_tokens: Sequence[Token],
    target_tokens: Sequence[Token],
    source_spans: Sequence[tuple[int, int]],
    target_spans: Sequence[tuple[int, int]],
) -> np.ndarray:
    """Turns attention between subwords into attention between words.

    Weights are summed over the source tokens of a word and averaged over the target
    tokens of a word. A token that overlaps several words is split among them by the
    bytes it shares with each, on both axes. A token that overlaps none (a lone `▁`,
    the first half of a ligature) goes to the next word that ends after it, else to
    the last word, else to the end token. The end token, which is the last token if
    it covers nothing, is the last row and the last column.

    Args:
        attention: `(T, S)` weights.
        source_tokens: The `S` tokens of the columns.
        target_tokens: The `T` tokens of the rows.
        source_spans: Bytes of each source word, in order and without overlap.
        target_spans: Bytes of each target word, likewise.

    Returns:
        `(len(target_spans) + 1, len(source_spans) + 1)` float64. Rows sum to 1 if
        the rows of `attention` do; a word without any token gets zeros.

    Raises:
        ValueError: If `attention` is not `(T, S)`.

    Example:
    >>> source = [Token("▁Haus", 0, 4), Token("tür", 4, 8), Token("</s>", 8, 8)]
    >>> target = [Token("▁door", 0, 4), Token("</s>", 4, 4)]
    >>> attention = np.array([[0.25, 0.5, 0.25], [0.0, 0.0, 1.0]])
    >>> merge_attention(attention, source, target, [(0, 8)], [(0, 4)])
    array([[0.75, 0.25],
           [0.  , 1.  ]])
    """
    attention = np.asarray(attention, np.float64)
    expected = (len(target_tokens), len(source_tokens))
    if attention.shape != expected:
        raise ValueError(
            "`attention` must have one row for each target token and one column for "
            f"each source token. Received: attention.shape={attention.shape} for "
            f"(T, S)={expected}. Cut off the padding first."
        )
    source, target = (  # (S, source words + 1), (T, target words + 1)
        token_shares([(token.begin, token.end) for token in tokens], spans)
        for tokens, spans in (
            (source_tokens, source_spans),
            (target_tokens, target_spans),
        )
    )
    tokens_in_word = target.sum(axis=0)[:, None]
    summed = target.T @ attention @ source
    return np.divide(summed, tokens_in_word, out=summed, where=tokens_in_word > 0)


def with_no_source(alignment: np.ndarray) -> np.ndarray:
    """Returns an alignment whose last column is "no source", not the end token.

    That is what the words of a row lack to 1: the end token translates nothing.

    Args:
        alignment: `(T, S)` probabilities, the end token as last column.

    Example:

    >>> with_no_source(np.array([[0.5, 0.25, 0.125]])).tolist()
    [[0.5, 0.25, 0.25]]
    """
    words = alignment[:, :-1]
    return np.hstack([words, 1 - words.sum(axis=1, keepdims=True)])


def token_shares(
    token_spans: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]
) -> np.ndarray:
    """Returns the share of each token in each word, as `merge_attention` uses it.

    Args:
        token_spans: `(begin, end)` of each token in bytes of the text.
        spans: `(begin, end)` of each word in it, in order and without overlap.

    Returns:
        `(tokens, words + 1)` float64, the end token as last column; rows sum to 1.

    Example: `Haustür` is one word of two tokens, before the end token.

    >>> token_shares([(0, 4), (4, 8), (8, 8)], [(0, 8)]).tolist()
    [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    token_bytes = np.array(token_spans).reshape(-1, 2)
    word_bytes = np.array(spans).reshape(-1, 2)
    shared = np.minimum(token_bytes[:, 1:], word_bytes[:, 1])
    shared = shared - np.maximum(token_bytes[:, :1], word_bytes[:, 0])
    shares = np.zeros((len(token_bytes), len(spans) + 1))
    shares[:, :-1] = np.maximum(shared, 0)
    for row in np.flatnonzero(shares.sum(axis=1) == 0):
        begin, end = token_bytes[row]
        is_end_token = row == len(token_bytes) - 1 and begin == end
        following = np.searchsorted(word_bytes[:, 1], begin, side="right")
        word = min(following, len(spans) - 1)  # -1, the end token, if no word exists
        shares[row, -1 if is_end_token else word] = 1.0
    return shares / shares.sum(axis=1, keepdims=True)
