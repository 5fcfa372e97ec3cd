"""The characters that SentencePiece's normaliser turns into a space or removes."""

__all__ = ["BLANKS", "BLANK_CHARACTERS"]

# First and last character of each range. (NUL is no blank: it is an unknown character.)
_RANGES = (
    *((0x01, 0x20), (0x7F, 0x7F), (0x8F, 0x8F), (0x9F, 0xA0), (0x61C, 0x61C)),
    *((0x1680, 0x1680), (0x2000, 0x200C), (0x200E, 0x200F), (0x2028, 0x2029)),
    *((0x202F, 0x202F), (0x205F, 0x205F), (0x2581, 0x2581), (0x3000, 0x3000)),
    *((0xFEFF, 0xFEFF), (0xFFFD, 0xFFFD)),
)

# All of them in one string, for `str.strip`.
BLANK_CHARACTERS = "".join(
    chr(code) for first, last in _RANGES for code in range(first, last + 1)
)
# A run of them, for RE2.
BLANKS = "".join(
    ("[", *(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in _RANGES), "]+")
)
