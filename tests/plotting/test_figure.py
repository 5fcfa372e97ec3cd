import dataclasses
import subprocess
import sys
import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from keras_attn.plotting.colours import white_to_blue
from keras_attn.plotting.figure import plot_attention, save_attention_png
from keras_attn.plotting.fonts import MissingGlyphWarning, fonts_for


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_rows_are_target_words_and_columns_source_words(dog):
    axes = plot_attention(dog, title="A dog").axes[0]
    assert labels(axes.xaxis) == [*dog.source.split(), "</s>"]
    assert labels(axes.yaxis) == [*dog.text.split(), "</s>"]
    drawn = axes.collections[0].get_array().reshape(dog.attention.shape)
    np.testing.assert_allclose(drawn, dog.attention)
    assert axes.get_title(loc="left") == "A dog"
    assert axes.yaxis_inverted()


def test_the_written_picture_is_dark_where_the_weight_is(tmp_path, make_translation):
    path = tmp_path / "map.png"
    answer = make_translation("a b", "c d", np.eye(3))
    save_attention_png(answer, path, dpi=100)
    pixels = imread(path)[..., :3].sum(axis=-1)  # 3 is white
    dark = np.argwhere(pixels < 1.2)
    (top, left), (bottom, right) = dark.min(axis=0), dark.max(axis=0)
    # Six dark inks: three cells of the diagonal, the labels and the scale. A cell is
    # 36 pixels wide, so the largest dark squares are the diagonal.
    solid = np.argwhere(
        np.lib.stride_tricks.sliding_window_view(pixels < 1.2, (30, 30)).all(
            axis=(2, 3)
        )
    )
    corners = {(round(y / 36), round(x / 36)) for y, x in solid - solid.min(axis=0)}
    assert corners == {(0, 0), (1, 1), (2, 2)}
    assert top < bottom
    assert left < right


def test_the_picture_grows_with_the_sentence_up_to_a_limit(make_translation):
    def size(length):
        text = " ".join(["w"] * length)
        return plot_attention(make_translation(text, text)).get_size_inches()

    np.testing.assert_allclose(size(20) / size(6), 21 / 7)
    assert max(size(300)) <= 30


def test_an_80_word_sentence_is_written(tmp_path, make_translation):
    text = " ".join(f"wort{i}" for i in range(80))
    save_attention_png(make_translation(text, text), tmp_path / "map.png", dpi=30)
    assert imread(tmp_path / "map.png").shape[0] > 81 * 0.36 * 30


@pytest.mark.parametrize(
    "text",
    [
        "$x_1^2$ \\frac $",
        "你好 熊 안녕",
        "שלום مرحبا नमस्ते",
        "👩\u200d👩\u200d👧 👍🏽 ❤\ufe0f",
        "a\u200bb \u200d",
        "\x00 \x1b[1m \ud800",
        "",
    ],
)
@pytest.mark.parametrize("words", [True, False])
def test_any_text_is_drawn_without_a_warning_of_matplotlib(
    tmp_path, make_translation, text, words
):
    answer = make_translation(text, text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", MissingGlyphWarning)
        save_attention_png(
            answer, tmp_path / "map.png", words=words, title=f"$ {text}", dpi=40
        )
    assert imread(tmp_path / "map.png").ndim == 3


def test_dollars_are_not_mathematics(make_translation):
    axes = plot_attention(make_translation("$x^2$", "b"), words=False).axes[0]
    assert labels(axes.xaxis)[0] == "▁$x^2$"
    assert not axes.get_xticklabels()[0].get_parse_math()


def test_a_glyph_that_no_font_has_becomes_a_box(make_translation):
    unassigned = "\U000e1234\u0378"
    _, missing = fonts_for(frozenset(unassigned + "a"))
    assert missing == set(unassigned)
    with pytest.warns(MissingGlyphWarning, match=r"U\+0378\).*Install one"):
        axes = plot_attention(make_translation("a\u0378", "b"), words=False).axes[0]
    assert labels(axes.xaxis)[0] == "▁a□"


def test_many_missing_glyphs_are_counted(make_translation):
    text = "".join(map(chr, range(0xE1230, 0xE1240)))
    with pytest.warns(MissingGlyphWarning, match="and 11 more"):
        plot_attention(make_translation(text, "b"), words=False)


def ink(text):
    """The columns of pixels with ink, of a text drawn as labels are."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    families, missing = fonts_for(frozenset(text))
    assert not missing
    figure = Figure(figsize=(4, 1), dpi=100)
    canvas = FigureCanvasAgg(figure)
    figure.text(0.1, 0.4, text, fontsize=30, fontfamily=families)
    canvas.draw()
    dark = np.asarray(canvas.buffer_rgba())[..., 0] < 128
    return dark[:, np.flatnonzero(dark.any(axis=0)).min() :]


SHAPES = tuple(map(int, matplotlib.__version__.split(".")[:2])) >= (3, 11)


@pytest.mark.skipif(not SHAPES, reason="matplotlib before 3.11 shapes no text")
def test_hebrew_stands_from_the_right():
    alef, both = ink("א"), ink("אב")
    last = np.flatnonzero(both.any(axis=0)).max()
    width = np.flatnonzero(alef.any(axis=0)).max() + 1
    # The first letter is the one at the right; drawing may move it by a part.
    at_right = both[:, last + 1 - width : last + 1]
    at_left = both[:, :width]
    assert (at_right != alef[:, :width]).sum() < 0.5 * (
        at_left != alef[:, :width]
    ).sum()


@pytest.mark.skipif(not SHAPES, reason="matplotlib before 3.11 shapes no text")
def test_arabic_letters_are_joined():
    # Two letters that join: one stretch of ink; a non-joiner between them parts them.
    def stretches(text):
        filled = np.pad(ink(text).any(axis=0).astype(int), 1)
        return (np.diff(filled) == 1).sum()

    assert stretches("سم") == 1
    assert stretches("س\u200cم") == 2


def test_colors_go_from_white_down_in_even_steps_of_lightness():
    colors = white_to_blue()(np.linspace(0, 1, 11))[:, :3]
    np.testing.assert_allclose(colors[0], 1.0, atol=1e-3)
    linear = np.where(
        colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4
    )
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = 116 * np.cbrt(luminance) - 16  # CIELAB, which knows nothing of Oklab
    steps = -np.diff(lightness)
    assert lightness[-1] < 30
    # Two models of seeing, so near agreement only; the last steps are darker blues.
    assert steps.min() > 0.75 * steps.mean()
    assert steps.max() < 1.25 * steps.mean()


def test_a_model_without_attention_is_said_so(make_translation):
    figure = plot_attention(make_translation("a", "b", np.zeros((2, 2))))
    assert "every weight is zero" in figure.axes[0].texts[0].get_text()
    assert len(figure.axes) == 1  # no scale beside nothing


def test_notes_stand_under_the_map(make_translation):
    figure = plot_attention(make_translation("a", "b", source_truncated=4))
    assert "last 4 source tokens" in figure.axes[0].texts[0].get_text()


def test_pyplot_is_never_loaded(tmp_path):
    code = (
        "import sys, numpy as np\n"
        "from keras_attn.plotting import save_attention_png\n"
        "from keras_attn.translation import Token, Translation\n"
        "end = (Token('</s>', 0, 0),)\n"
        "one = np.ones((1, 1), 'float32')\n"
        "answer = Translation('', '', 0.0, end, end, one[0], one)\n"
        f"save_attention_png(answer, {str(tmp_path / 'map.png')!r})\n"
        "heavy = {'matplotlib.pyplot', 'keras', 'tensorflow'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "map.png").exists()


def test_the_figure_says_which_of_two_maps_it_is(aligned_dog):
    axes = plot_attention(aligned_dog).axes[0]
    assert labels(axes.xaxis)[-1] == "(no source)"
    drawn = axes.collections[0].get_array().reshape(7, 7)
    np.testing.assert_allclose(drawn[3], [0, 0, 0, 0.2, 0.125, 0, 0.675])
    assert axes.texts[0].get_text().startswith("Alignment: what each word translates")
    axes = plot_attention(aligned_dog, show="attention").axes[0]
    assert labels(axes.xaxis)[-1] == "</s>"
    drawn = axes.collections[0].get_array().reshape(7, 7)
    np.testing.assert_allclose(drawn, aligned_dog.attention)
    assert axes.texts[0].get_text().startswith("Attention: where the model looked")


def test_a_picture_of_either_map_is_written(tmp_path, aligned_dog):
    for show in ("alignment", "attention"):
        save_attention_png(aligned_dog, tmp_path / f"{show}.png", dpi=30, show=show)
    bare = dataclasses.replace(aligned_dog, alignment=None)
    save_attention_png(bare, tmp_path / "bare.png", dpi=30)
    pixels = {
        name: imread(tmp_path / f"{name}.png")
        for name in ("alignment", "attention", "bare")
    }
    assert not np.array_equal(pixels["alignment"], pixels["attention"])
    assert pixels["attention"].shape[0] > pixels["bare"].shape[0]  # the caption
