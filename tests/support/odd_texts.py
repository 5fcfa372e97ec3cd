"""Texts of many scripts, blanks, marks and bytes that are no text."""

import numpy as np

PARTS = [
    # ligatures, full width, expansions of NFKC
    *"ﬁﬂﬃＨｕｎｄ½①㍿ﷺ㎏²™…ĳ¨´.,;?9",
    # combining marks, in order and not, and without anything before them
    *["e\u0301", "a\u0308", "o\u0323\u0302", "o\u0302\u0323", "\u0301", "क\u093f"],
    # emoji, with joiners, skin tones and variation selectors
    *["🎉", "👨‍👩‍👧", "👍🏽", "☺\ufe0f", "🇩🇪"],
    # blanks of all kinds, and what has no width
    *[" ", "  ", "\t", "\r\n", "\n", "\u00a0", "\u3000", "\u2028", "\u200b", "\u200d"],
    *["\ufeff", "\u00ad", "\u200e", "\x01", "\x00", "\x7f", "▁", "\ufffd"],
    # words of several scripts
    *["Hund", "Katze", "läuft", "dogs", "Собака", "γάτα", "الكلب", "हिन्दी", "狗跑"],
    *["강아지", "สุนัข", "don't", "x"],
]
NOT_TEXT = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f", b"\x80\x80", b"\xc0\xaf"]


def odd_texts(count, seed=0):
    generator = np.random.default_rng(seed)
    for number in range(count):
        parts = [
            PARTS[place].encode()
            for place in generator.integers(0, len(PARTS), generator.integers(1, 12))
        ]
        if number % 5 == 0:  # any character at all
            points = generator.integers(1, 0xD800, generator.integers(1, 5))
            parts += [chr(point).encode() for point in points]
        if number % 7 == 0:
            parts.append(NOT_TEXT[generator.integers(0, len(NOT_TEXT))])
        generator.shuffle(parts)
        yield b"".join(parts)


# A block of characters of each kind that Unicode has.
BLOCKS = [
    *((0x00, 0x100), (0x100, 0x250), (0x2B0, 0x370), (0x370, 0x530), (0x530, 0x700)),
    *((0x700, 0xE00), (0xE00, 0x1100), (0x1100, 0x2000), (0x2000, 0x2100)),
    *((0x2100, 0x2C00), (0x2C00, 0x3040), (0x3040, 0x3400), (0x3400, 0xA000)),
    *((0xA000, 0xAC00), (0xAC00, 0xD800), (0xE000, 0xF900), (0xF900, 0x10000)),
    *((0x10000, 0x11000), (0x1D000, 0x1E000), (0x1F000, 0x1FB00), (0xE0000, 0xE0200)),
]


def texts_of_all_kinds(count, seed=0):
    """Odd texts, characters of every block, long runs, and random bytes, in turns."""
    generator = np.random.default_rng(seed)
    for number, text in enumerate(odd_texts(count, seed)):
        if number % 4 == 1:
            first, last = BLOCKS[generator.integers(len(BLOCKS))]
            points = generator.integers(first, last, generator.integers(1, 20))
            text = b" ".join([text, "".join(map(chr, points)).encode()])
        elif number % 4 == 2:
            part = PARTS[generator.integers(len(PARTS))].encode()
            text += part * int(generator.integers(1, 60))
        elif number % 4 == 3:
            random_bytes = generator.integers(
                0, 256, generator.integers(0, 12), "uint8"
            )
            place = generator.integers(0, len(text) + 1)
            text = text[:place] + random_bytes.tobytes() + text[place:]
        yield text
