"""Draws the pictures of docs/tutorial.md by running its code.

python docs/_site/figures.py
"""

import re
from pathlib import Path

from keras_attn.plotting import save_attention_png
from keras_attn.translation import Token, Translation

DOCS = Path(__file__).parents[1]


def main() -> None:
    """Runs docs/tutorial.md and writes docs/images/tutorial_*.png."""
    page = (DOCS / "tutorial.md").read_text("utf-8")
    names: dict = {}
    for code in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(compile(code, "docs/tutorial.md", "exec"), names)
    length = names["digits"] + 1  # and the end
    row, first = names["number"], names["FIRST"]
    source = names["test_inputs"]["source"][row, :length]
    target = names["test_labels"][row, :length]
    attention = names["weights"][row, :length, :length]
    save_attention_png(
        _translation(source - first, target - first, attention),
        DOCS / "images" / "tutorial_backwards.png",
        dpi=110,
    )


def _translation(source, target, attention):
    source_text, source_tokens = _digits(source[:-1])
    text, target_tokens = _digits(target[:-1])
    return Translation(
        source=source_text,
        text=text,
        score=0.0,
        token_scores=attention[:, 0] * 0,
        source_tokens=source_tokens,
        target_tokens=target_tokens,
        attention=attention,
    )


def _digits(digits):
    text = " ".join(map(str, digits))
    tokens = [Token(str(digit), 2 * i, 2 * i + 1) for i, digit in enumerate(digits)]
    return text, (*tokens, Token("</s>", len(text), len(text)))


if __name__ == "__main__":
    main()
