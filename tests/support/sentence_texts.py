"""Texts whose sentences are marked, and bytes full of what may end a sentence."""

from hypothesis import strategies as st

# Sentences of a text, separated by "|"; the white space behind it separates them.
SPLIT = [
    "Ein Hund rennt.| Zwei Katzen schlafen!| Wer lacht?",
    # abbreviations, single letters, ordinals, Roman numerals
    "Dr. Meier wohnt bei Fr. Müller.| Prof. Dr. Ing. Huber auch.",
    "Er isst z. B. Äpfel, z.B. Birnen, u. a. Kirschen bzw. Obst.| Sie nicht.",
    "Am 3. Mai, im 19. Jahrhundert, kam Ludwig XIV. Danach nicht mehr.",
    "Mr. Smith met J. R. R. Tolkien at St. Mary's vs. Leeds.| They left.",
    "See No. 5, Fig. 3 and p. 117.| He said no.| Then he left on Jan. 5.",
    "M. Dupont et Mme. Martin sont là.| Cf. Hugo, vol. 2.| Fin.",
    "El Sr. García y la Sra. López.| Uds. Todos.",
    "د. أحمد هنا.| نعم.",
    # numbers, decimals, dates, times
    "Es kostet 3.50.| Das war 1990.| Um 12:30.| Version 2.0.1 ist da.| Gut.",
    "1. Item one\n|2. Item two\n|(3. Item three)",
    # what follows
    "He works at Yahoo! in London approx. five days.| Really?!| Yes!",
    "Ja!| – Nein.| (Doch.)| [Siehe oben.]| 5 Hunde.| 😀 Gut!| €5.",
    "hello there.| how are you?| fine.| dr. no left.",
    "iPhone. iPad.| Es ist da. iOS.| Nein",
    # quotes and brackets
    'He said "Go."| Then she left.| "Why?" she asked.| \'No.\'| “Yes.”| Fine.',
    "„Ach!“| Er ging.| „Wirklich?“ fragte er.| »Ja.«| ‚Gut.‘| Ende.",
    "« Oui. »| Il partit.| « Non. » dit-il.| «Si.»| Vraiment ?| Oui !",
    "(He left.)| She (really!) stayed.| [Why?]| He knew ...| So what…| Well",
    # addresses
    "See www.x.de/a.b?c=d!e or a.b@c.de.| File a.txt is it.| Node.js runs.",
    # scripts without spaces, and their relatives
    "他走了。|你好！|是吗？|好｡|“你好。”他说。|「はい。」と言った。|そうです！？|終",
    "他说：“好。”| 他走了……然后。|（对。）|《书。》|（错。）。|3．14。",
    "كيف حالك؟| أنا بخير۔| نعم؟|نعم",
    "वह गया।| वह आया।|वह हँसा॥| क्या?| हाँ",
    "Սա է։| Նա էլ։|Այո",
    "გამარჯობა.| როგორ ხარ?| კარგად",
    "שלום.| מה שלומך?| טוב.\u200f| ביי",
    "Да.| Как?| Г. Иванов и т. д. Нет",
    # white space of all kinds
    "Eins.\r\n\r\n|  Zwei\t\n|\u3000drei\u00a0\u2028|vier.\u00a0|Fünf.\x0b|\x85|",
    "Ein \u200b Hund.\u200b| Zwei.\u00ad| Drei.\ufe0f| Vier\ufeff",
    # nothing
    *("", "|   ", "|\n\n", "|\u00a0\r\n \u2029"),
]
PIECES = [
    "a", "I", "Z", "Dr", "no", "z.B.", "XIV", "3", "12", ".", "..", "…", "!", "?", "。",
    "؟", "।", ",", ";", "：", "、", "(", ")", '"', "'", "„", "“", "”", "«", "»", "」",
    " ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u200b", "\u200f", "\x00", "\x01", "▁",
    "ß", "Ж", "漢", "😀", "👨‍👩‍👧", "क\u093f", "e\u0301", "㎏", "\ufffd",
]  # fmt: skip
odd_bytes = st.lists(
    st.sampled_from([piece.encode() for piece in PIECES]) | st.binary(max_size=3)
).map(b"".join)
