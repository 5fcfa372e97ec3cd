"""The pictures of docs/attention_maps.md, drawn on request."""

import contextlib
import io
import pathlib

import japanese
import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "docs" / "images" / "explorer"
MOST_BYTES = 150_000
SHORT = "Zwei Kinder spielen in einem großen Park am Fluss Fußball."
LONG = (
    "Während ein alter Mann mit einem grauen Hut auf einer Bank vor dem Haus sitzt und "
    "eine Zeitung liest, laufen drei Kinder mit einem kleinen braunen Hund über die "
    "Wiese, eine Frau in einem roten Kleid fährt mit dem Fahrrad die Straße entlang, "
    "zwei Männer tragen einen großen Tisch in ein Geschäft, und ein junges Mädchen "
    "steht am Fenster und sieht den Leuten auf der Straße bei der Arbeit zu."
)

PICTURES = {
    "light": {"text": SHORT, "size": (1120, 980)},
    "dark": {"text": SHORT, "view": "Heat map", "theme": "dark", "size": (1120, 980)},
    "phone": {"text": SHORT, "size": (390, 844)},
    "long": {"text": LONG, "view": "Text", "word": 20, "size": (1120, 980)},
    "japanese": {
        "text": japanese.ASKED,
        "pieces": "Subwords",
        "size": (1120, 980),
    },
}


@pytest.fixture(scope="module")
def trained(request, tmp_path_factory):
    """A server of two translators: the option's, and one that learns Japanese now."""
    path = request.config.getoption("--screenshots", default=None)
    if not path:
        pytest.skip("draws pictures with --screenshots TRANSLATOR only")
    from keras_attn.saved import find_translator
    from keras_attn.serving.export import export_translator
    from keras_attn.serving.local_server.server import LocalServer
    from keras_attn.translator.translator import Translator

    folder = tmp_path_factory.mktemp("trained")
    run = japanese.train_translator(folder)
    addresses = {}
    with contextlib.ExitStack() as servers:
        for name, saved in (("captions", path), ("japanese", run)):
            models = folder / name
            export_translator(Translator.load(find_translator(saved)), models)
            server = LocalServer(models, rest_port=0, threads=1)
            servers.enter_context(server).start()
            addresses[name] = f"http://{server.rest_address}"
        yield addresses


@pytest.mark.parametrize("name", PICTURES)
def test_draw(trained, open_page, name):
    from PIL import Image

    wanted = PICTURES[name]
    width, height = wanted["size"]
    page = open_page(
        trained["japanese" if name == "japanese" else "captions"],
        viewport={"width": width, "height": height},
        color_scheme=wanted.get("theme", "light"),
    )
    page.get_by_label("Sentence", exact=True).fill(wanted["text"])
    page.locator("#go").click()
    page.wait_for_selector("#panel .word", timeout=60_000)
    page.get_by_role("radio", name=wanted.get("view", "Lines")).check()
    page.get_by_role("radio", name=wanted.get("pieces", "Words"), exact=True).check()
    words = page.locator("#panel .word[data-side=target]")
    words.nth(min(wanted.get("word", 2), words.count() - 1)).hover()
    page.wait_for_timeout(400)  # shades fade in
    FOLDER.mkdir(parents=True, exist_ok=True)
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    # Few colours are enough for a page, and make a third of the bytes.
    few = {"method": Image.Quantize.MAXCOVERAGE, "dither": Image.Dither.NONE}
    picture = picture.convert("RGB").quantize(256, **few)
    path = FOLDER / f"{name}.png"
    picture.save(path, optimize=True)
    assert path.stat().st_size < MOST_BYTES
