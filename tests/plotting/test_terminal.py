import dataclasses
import io
import re
from pathlib import Path

import numpy as np
import pytest

from keras_attn.plotting.terminal import attention_text, display_width

MARK = "\u200e"


def draw(translation, **options):
    options = {"color": False, "ascii_only": False, "width": 80, **options}
    return attention_text(translation, **options)


def test_the_map_of_a_small_sentence(dog):
    assert draw(dog).splitlines() == [
        "╷ Der",
        "│ ╷ kleine",
        "│ │ ╷ Hund",
        "│ │ │ ╷ hat",
        "│ │ │ │ ╷ geschlafen",
        "│ │ │ │ │ ╷ .",
        "│ │ │ │ │ │ ╷ </s>",
        "██░░· · · · ·  The",
        "· ██░░· · · ·  little",
        "· ░░██· · · ·  dog",
        "· · ░░▓▓▒▒· ·  has",
        "· · · ░░██· ·  slept",
        "· · · · ░░██·  .",
        "· · · · · ░░██ </s>",
        "· under 5 %  ░░ to 25 %  ▒▒ to 50 %  ▓▓ to 75 %  ██ to 100 %",
    ]


def test_ascii_signs_are_tenths(make_translation):
    weights = [[0.04, 0.96], [0.44, 0.56]]
    lines = draw(make_translation("ab", "c", weights), ascii_only=True).splitlines()
    assert lines[:4] == [", ab", "| , </s>", ". #  c", "4 6  </s>"]
    assert all(line.isascii() for line in lines)


def test_subwords_keep_their_mark_in_ascii(dog):
    shown = draw(dog, words=False, ascii_only=True)
    assert "_Hund" in shown
    assert shown.isascii()


@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_a_long_sentence_wraps_and_loses_nothing(make_translation, width):
    source = [f"wort{i}" for i in range(80)]
    target = [f"word{i}" for i in range(79)]
    rng = np.random.default_rng(3)
    weights = rng.dirichlet(np.ones(81) * 0.02, size=80)
    answer = make_translation(" ".join(source), " ".join(target), weights)
    *lines, key = draw(answer, width=width).splitlines()
    assert all(display_width(line) <= width for line in lines)
    headers = [line.split("╷ ")[1] for line in lines if "╷" in line]
    assert headers == [*source, "</s>"]
    cells = dict.fromkeys([*target, "</s>"], "")
    for line in lines:
        if "╷" not in line and line and not line.startswith("source "):
            drawn, label = line.rsplit(" ", 1)
            cells[label] += drawn
    shades = {"· ": 0.05, "░░": 0.25, "▒▒": 0.5, "▓▓": 0.75, "██": 1.0}
    for row, drawn in zip(answer.attention, cells.values(), strict=True):
        signs = [drawn[i : i + 2] for i in range(0, len(drawn), 2)]
        limits = np.array(sorted(shades.values()))
        want = limits[np.searchsorted(limits, np.minimum(row, 1).astype("float64"))]
        assert [shades[sign] for sign in signs] == want.tolist()
    assert key.startswith("· under")


def test_a_word_wider_than_a_panel_is_folded(make_translation):
    word = "Donaudampfschifffahrtsgesellschaft" * 2
    lines = draw(make_translation(f"{word} a", word), width=30).splitlines()[:-1]
    assert all(display_width(line) <= 30 for line in lines)
    letters = "".join(re.sub(r"[^\w]", "", line) for line in lines)
    assert letters.count("Donau") == 4
    assert letters.startswith(word)


def test_wide_letters_count_twice_when_folding(make_translation):
    lines = draw(make_translation("漢" * 40, "x"), width=24).splitlines()[:-1]
    assert all(display_width(line) <= 24 for line in lines)
    assert "".join(lines).count("漢") == 40


def test_right_to_left_labels_stay_right_of_their_cells(make_translation):
    lines = draw(make_translation("שלום a", "مرحبا b")).splitlines()
    assert lines[0] == f"{MARK}╷ שלום"
    assert lines[1] == "│ ╷ a"
    assert lines[3].startswith(MARK)
    assert lines[3].endswith(" مرحبا")


def test_color_marks_the_greatest_weight_of_each_row(dog):
    plain, colored = draw(dog), draw(dog, color=True)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain
    assert colored.count("\x1b[1;36m") == len(dog.target_tokens)
    assert "\x1b[1;36m▓▓\x1b[0m▒▒" in colored  # has: hat, not geschlafen


def test_hostile_text_sends_no_escape_sequence(make_translation):
    answer = make_translation("a\x1b]0;owned\x07b", "c\x9b2Jd")
    for words in (True, False):
        shown = draw(answer, words=words)
        assert not set(shown) & set("\x1b\x07\x9b")


def test_an_empty_translation_has_its_end_token(make_translation):
    assert draw(make_translation("", "")).splitlines()[:2] == ["╷ </s>", "██ </s>"]


def test_a_model_without_attention_is_said_so(make_translation):
    shown = draw(make_translation("a", "b", np.zeros((2, 2)), source_truncated=2))
    assert shown.splitlines()[0] == "No attention to draw: every weight is zero."
    assert "2 source tokens" in shown


class Terminal(io.StringIO):
    encoding = "ascii"

    def isatty(self):
        return True


def test_defaults_follow_the_terminal(monkeypatch, make_translation):
    answer = make_translation("a " * 20, "b " * 20)
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = attention_text(answer)
    assert "\x1b[" in shown
    assert shown.isascii()
    assert "source 1 to" in shown
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in attention_text(answer)


def test_a_pipe_gets_no_color(monkeypatch, dog):
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert "\x1b[" not in attention_text(dog)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("e\u0301", 1),
        ("日本", 4),
        ("ｶﾅ", 2),
        ("👩\u200d👩\u200d👧", 2),
        ("👍🏽", 2),
        ("\u200b", 0),
    ],
)
def test_display_width(text, width):
    assert display_width(text) == width


def test_each_sentence_has_a_map_and_one_key_explains_all(joined):
    shown = attention_text(joined, width=80, color=False, ascii_only=True)
    *maps, key = shown.splitlines()
    alone = [
        attention_text(part, width=80, color=False, ascii_only=True).splitlines()
        for part in joined.by_sentence()
    ]
    assert maps == [*alone[0][:-1], "", *alone[1][:-1]]
    assert key == alone[0][-1]


def test_texts_whose_attention_was_left_out(joined):
    bare = dataclasses.replace(joined, attention=joined.attention[:, :0])
    first, note = attention_text(bare).splitlines()
    assert first == "No attention to draw: every weight is zero."
    assert "more than 1,024 source tokens" in note


def test_an_alignment_is_drawn_where_there_is_one(aligned_dog):
    lines = draw(aligned_dog, ascii_only=True).splitlines()
    assert lines == [
        ", Der",
        "| , kleine",
        "| | , Hund",
        "| | | , hat",
        "| | | | , geschlafen",
        "| | | | | , .",
        "| | | | | | , (no source)",
        "9 . . . . . 1  The",
        ". 9 . . . . 1  little",
        ". . 9 . . . 1  dog",
        ". . . 2 1 . 7  has",
        ". . . . 9 . 1  slept",
        ". . . . . 9 1  .",
        ". . . . . . #  </s>",
        "digits are tenths: 4 is 40 %; . under 5 %, # 95 % or more",
        "Alignment: what each word translates. Not attention: where the model looked.",
    ]
    assert max(map(len, lines)) <= 80
    looked = draw(aligned_dog, show="attention").splitlines()
    bare = dataclasses.replace(aligned_dog, alignment=None)
    assert looked[:-1] == draw(bare).splitlines()
    assert looked[-1].startswith("Attention: where the model looked. ")


def test_sentences_of_an_alignment_have_maps_and_one_caption(aligned):
    shown = draw(aligned)
    assert shown.count("(no source)") == 2
    assert shown.count("Alignment: ") == 1


def test_the_documentation_shows_the_alignment_as_it_is_drawn(aligned_dog):
    page = Path(__file__).parents[2] / "docs" / "attention_maps.md"
    assert f"```text\n{draw(aligned_dog)}\n```" in page.read_text("utf-8")
