"""Sentences of a text by rule, and the pieces of a sentence that is too long.

Pure Python: a client without TensorFlow can split what it sends. Each character is
reduced to one ASCII character, its role, and regular expressions find the sentence ends
in the string of roles. They use only what `re` and RE2 have in common, and take linear
time in both, so that `tensorflow_sentences` applies the same ones in the graph.
"""

import bisect
import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from keras_attn.translation import utf8

__all__ = [
    "ABBREVIATED",
    "BYTES_PER_TOKEN",
    "CHARACTER_RANK",
    "ENDS",
    "ENDS_MARKED",
    "LONGEST_CHARACTER",
    "MARKER",
    "NO_CAPITAL",
    "PROTECTED",
    "RANKS",
    "WHITE_SPACE_RANK",
    "WITHOUT_SPACE",
    "WITHOUT_SPACES",
    "Piece",
    "character_boundary",
    "cut_sentence",
    "joint",
    "piece_tokens",
    "role_table",
    "sentence_spans",
]

# 16 characters of 4 bytes: the longest subword that SentencePiece learns. Fewer bytes
# a token could cut a text of ordinary words before the limit of tokens.
BYTES_PER_TOKEN = 64
LONGEST_CHARACTER = 4  # bytes in UTF-8

# The roles. Letters are Latin base letters, or z and Z in other scripts with case.
#   _      letters without case, and marks that belong to a letter
#   0      digits
#   space  white space, but for line ends, \n
#   . ! *  marks that may end a sentence, do so before white space, and do so anywhere
#   ( )    brackets, and East Asian quotes
#   ` "    quotes, which close in some languages and open in others; ` mostly opens
#   , ;    commas; semicolons and colons
#   < =    those of East Asia, which no white space follows
#   +      all else
_ROLES = {
    "\n": "\n\r\v\f\x85\u2028\u2029",
    ".": ".…．",
    "!": "!?‼⁇⁈⁉‽\u037e",
    "*": "。！？｡؟۔।॥։።፧፨။។៕᙮᠃᠉",
    ",": ",،",
    ";": ";:؛",
    "<": "、，､",
    "=": "；：",
    '"': "\"'",
}
_ROLE_OF_CATEGORY = {
    **dict.fromkeys(("Lu", "Lt"), "Z"),
    "Ll": "z",
    **dict.fromkeys(("Lo", "Lm", "Mn", "Mc", "Me"), "_"),
    "Nd": "0",
    "Ps": "(",
    "Pe": ")",
    "Pi": "`",
    "Pf": '"',
    "Cf": '"',  # of no width: they may stand behind an end mark
}
_OTHER = "+"
_TABLE_SIZE = 0x10000

# Words whose dot ends no sentence, whatever follows, and those before a number only.
_ABBREVIATIONS = (
    "mr mrs ms dr prof rev hon gen col capt cmdr lt sgt maj gov sen rep st mt ft jr vs "
    "hr hrn fr frl dipl ing bzw ca vgl usf evtl ggf inkl exkl zzgl bspw sog geb gest "
    "hrsg mio mrd nr mm mme mmes mlle mlles cf env av sr sra srta srs sras dra ud uds "
    "sig dott avv dhr mevr drs bijv"
).replace(" ", "|")
_BEFORE_NUMBERS = (
    "no nos art arts fig figs vol vols p pp ch chap cap sec eq abs abb bd kap tab tel "
    "str aufl num pag jan feb mar apr jun jul aug sep sept oct okt nov dec dez"
).replace(" ", "|")

# Of a text without capitals, where a small letter, too, may begin a sentence.
NO_CAPITAL = r"[^A-Z]*"
# Dots behind abbreviations, single letters, ordinals and Roman numerals.
ABBREVIATED = (
    r"((?:^|[ \n(`\"])0{1,2}"
    rf"|\b(?:[A-Za-z_]|[IVX]+|(?i:{_ABBREVIATIONS})))\."
    rf"|(\b(?i:{_BEFORE_NUMBERS}))\.( *0)"
)
PROTECTED = r"\1\2,\3"
_CLOSED = r"(?:[)\"`]| [)\"])*"
_BEGINNING = r"[^a-z \n.!*)\"`,;<=]|(?:\"|` ?)[^ \n.!*)]"
# In each alternative: the end of a sentence with the white space behind it, and the
# beginning of the next one. Of several end marks only the last is matched, so that `re`
# does not read a run of them again from each of its places.
ENDS = (
    r"(\n)"
    rf"|([.!*]{_CLOSED} +)({_BEGINNING})"
    r"|(\*[)\"]+)([(`])"
    r"|(\* *)([^ \n.!*)\"<=,;])"
)
MARKER = "\x01"
ENDS_MARKED = rf"\1\2\4\6{MARKER}\3\5\7"

_ABBREVIATED = re.compile(ABBREVIATED, re.ASCII)
_ENDS = re.compile(ENDS, re.ASCII)
_CAPITAL = re.compile("[A-Z]")
_WHITE_SPACE = " \n"

# How good the place behind a token is to cut a sentence: 0 inside of a character, and
# more behind some roles, most of which need white space behind them.
CHARACTER_RANK, WHITE_SPACE_RANK = 1, 2
RANKS = {**dict.fromkeys(",<", 3), **dict.fromkeys("!*;=", 4)}
WITHOUT_SPACE = "*<="

# Scripts without spaces: Thai to Myanmar, Khmer, those of East Asia but Hangul.
WITHOUT_SPACES = (
    (0xE00, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0xA4CF),
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE4F),
    (0xFF00, 0xFF9F),
    (0x20000, 0x3FFFF),
)
# A part of a sentence may have more tokens than it had in the sentence.
_MORE_TOKENS = 8


class Piece(NamedTuple):
    """A part of a sentence with few enough tokens."""

    first: int  # number of its first token
    begin: int  # its first byte in the sentence
    end: int  # one past its last byte


@functools.cache
def role_table() -> str:
    """Returns the role of each character up to U+FFFF; beyond it, all are `+`."""
    listed = {c: role for role, characters in _ROLES.items() for c in characters}
    return "".join(
        listed.get(character) or _role(character)
        for character in map(chr, range(_TABLE_SIZE))
    )


def _role(character):
    if character.isspace():
        return " "
    if "VARIATION SELECTOR" in unicodedata.name(character, ""):
        return '"'
    if "GEORGIAN" in unicodedata.name(character, "") and character.isalpha():
        return "_"  # its text has no capitals, though Unicode has
    role = _ROLE_OF_CATEGORY.get(unicodedata.category(character), _OTHER)
    if role in "zZ":
        base = unicodedata.normalize("NFD", character)[0]
        return base if base.isascii() else role
    return role


class _RoleOfCode(dict):
    """`role_table` for `str.translate`."""

    def __missing__(self, code):
        self[code] = role = role_table()[min(code, _TABLE_SIZE - 1)]
        return role


_ROLE_OF_CODE = _RoleOfCode()


def sentence_spans(text: str | bytes) -> list[tuple[int, int]]:
    r"""Splits a text into sentences.

    A sentence ends at a line end, and at an end mark, with the brackets and quotes that
    close behind it, before white space and anything but a small letter (which may begin
    a sentence in a text without capitals). `。`, `؟`, `।` and the like need no white
    space. The dot behind an abbreviation, a single letter, a Roman numeral or a number
    of one or two digits (an ordinal) ends none: where the rule cannot know, two
    sentences stay together, which are translated better than half a sentence.

    Args:
        text: Any text, any bytes. What is no UTF-8 counts as a character that is
            no letter.

    Returns:
        `(begin, end)` of each sentence in bytes, in order. Sentences begin and end with
        a character that is no white space, and between them is nothing else.

    Example:

    >>> text = "Dr. No wohnt im 3. Stock. „Ach!“ Er\nging."
    >>> [text.encode()[begin:end].decode() for begin, end in sentence_spans(text)]
    ['Dr. No wohnt im 3. Stock.', '„Ach!“', 'Er', 'ging.']
    """
    characters = _characters(text)
    roles = characters.translate(_ROLE_OF_CODE)
    if not _CAPITAL.search(roles):
        roles = roles.upper()
    roles = _ENDS.sub(ENDS_MARKED, _ABBREVIATED.sub(PROTECTED, roles))
    spans = []
    first = offset = 0  # of a part, in characters and in bytes
    for part in roles.split(MARKER):
        left = len(part) - len(part.lstrip(_WHITE_SPACE))
        right = len(part.rstrip(_WHITE_SPACE))
        begin = offset + _size(characters[first : first + left])
        if left < right:
            inside = characters[first + left : first + right]
            spans.append((begin, begin + _size(inside)))
        offset += _size(characters[first : first + len(part)])
        first += len(part)
    return spans


def cut_sentence(
    sentence: str | bytes, tokens: Sequence[tuple[int, int]], max_tokens: int
) -> list[Piece]:
    """Cuts a sentence into pieces of at most `max_tokens` tokens.

    Each piece ends at the best place that the limit allows, at the last of equal ones:
    behind a semicolon, colon or end mark, else behind a comma, both only in the second
    half of what the limit allows; else at white space; else between two characters.

    Args:
        sentence: Any text, any bytes, without white space at both ends.
        tokens: `(begin, end)` of each token in bytes, as a codec returns them.
        max_tokens: Maximum number of tokens in a piece.

    Returns:
        The pieces, at least one. Together they cover all but white space. A piece
        without bytes holds nothing but parts of one character (`㍿` is 4 tokens).

    Raises:
        ValueError: If `max_tokens` is less than 1.

    Example:

    >>> sentence = "one two, three four five"
    >>> tokens = [(0, 3), (4, 7), (7, 8), (9, 14), (15, 19), (20, 24)]
    >>> pieces = cut_sentence(sentence, tokens, max_tokens=4)
    >>> [sentence[piece.begin : piece.end] for piece in pieces]
    ['one two,', 'three four five']
    """
    if max_tokens < 1:
        raise ValueError(
            f"A piece has at least one token. Received: max_tokens={max_tokens!r}."
        )
    pieces = []
    first = begin = 0
    size = len(_encoded(sentence))
    if len(tokens) > max_tokens:
        cuts = _cuts_behind(sentence, tokens)
        while len(tokens) - first > max_tokens:
            middle = first + max_tokens // 2
            last = max(
                range(first, first + max_tokens),
                key=lambda token: (
                    cuts[token].rank
                    if token >= middle
                    else min(cuts[token].rank, WHITE_SPACE_RANK),
                    token,
                ),
            )
            pieces.append(Piece(first, begin, max(begin, cuts[last].end)))
            first, begin = last + 1, cuts[last].begin
    return [*pieces, Piece(first, begin, size)]


def character_boundary(text: bytes, place: int) -> int:
    """Returns `place`, or the first byte of the character that it is inside of.

    Example:

    >>> character_boundary("aé".encode(), 2)
    1
    """
    # A character ends before a byte that is no continuation byte, 10xxxxxx. Four of
    # these in a row are invalid UTF-8.
    boundaries = range(place, place - LONGEST_CHARACTER, -1)
    return next((i for i in boundaries if text[i] & 0xC0 != 0x80), place)


def piece_tokens(max_tokens: int) -> int:
    """Returns the number of tokens for pieces that have at most `max_tokens` alone."""
    return max(1, max_tokens - _MORE_TOKENS)


def joint(before: str, behind: str) -> bytes:
    """Returns what is put between translations whose sources follow without a space.

    Args:
        before: A translation.
        behind: The next one.

    Returns:
        A space, unless one of the neighbouring characters is of a script without
        spaces, or there is none.
    """
    if not before or not behind:
        return b""
    codes = ord(before[-1]), ord(behind[0])
    is_wide = any(first <= c <= last for c in codes for first, last in WITHOUT_SPACES)
    return b"" if is_wide else b" "


class _Cut(NamedTuple):
    """The place behind a token."""

    rank: int
    end: int  # of the text before it
    begin: int  # of the text behind it


def _cuts_behind(sentence, tokens):
    """Returns the place behind each token."""
    characters = _characters(sentence)
    begins, ends, roles = [], [], []  # of all but white space
    offset = 0
    for character, role in zip(
        characters, characters.translate(_ROLE_OF_CODE), strict=True
    ):
        begin, offset = offset, offset + _size(character)
        if role not in _WHITE_SPACE:
            begins.append(begin)
            ends.append(offset)
            roles.append(role)
    cuts = []
    for token_begin, place in tokens:
        before = bisect.bisect_left(begins, place) - 1
        behind = bisect.bisect_right(ends, place)
        begin = max(begins[behind], place) if behind < len(begins) else place
        rank = WHITE_SPACE_RANK if begin > place else CHARACTER_RANK
        if before >= 0 and (begin > place or roles[before] in WITHOUT_SPACE):
            rank = max(rank, RANKS.get(roles[before], 0))
        # A character of several tokens belongs to the last one: the others are empty.
        rank = rank if token_begin < place else 0
        cuts.append(_Cut(rank, min(ends[before], place) if before >= 0 else 0, begin))
    return cuts


def _encoded(text):
    return utf8(text) if isinstance(text, str) else text


def _characters(text):
    """Returns the characters; a byte that is no UTF-8 is a lone surrogate."""
    return _encoded(text).decode("utf-8", "surrogateescape")


def _size(characters):
    return len(characters.encode("utf-8", "surrogateescape"))
