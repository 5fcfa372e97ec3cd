"""Lines of software help and messages, with tags and placeholders."""

import random
import re

import pytest
from markup_checks import check_html
from real_data import real_data
from scripted_translations import RandomTranslate

from keras_attn.markup import PLACEHOLDERS, translate_markup
from keras_attn.markup.placeholders import compile_placeholders, find_matches

LINES = [
    "Wählen Sie <b>Datei</b> – <b>Öffnen</b>, um ein Dokument zu laden.",
    "Drücken Sie <kbd>Strg</kbd>+<kbd>S</kbd>, um <i>{name}</i> zu speichern.",
    "Die Datei „{0}“ wurde <b>nicht</b> gefunden.",
    "Seite {page} von {pages}",
    "%d von %d Einträgen wurden gelöscht (%.1f %%).",
    "Hallo ${user.name}, Sie haben {count} neue Nachrichten!",
    'Mehr dazu auf <a href="https://help.example/de?a=1&amp;b=2">unserer Seite</a>.',
    "Schreiben Sie an hilfe@example.org oder besuchen Sie www.example.org.",
    "Ist der Wert &lt; 0, so wird <code>#WERT!</code> angezeigt.",
    "<em>Hinweis:</em> Ein <strong>leeres <u>Feld</u></strong> zählt als 0.",
    "Zeile eins<br>Zeile zwei<br/>Zeile&nbsp;drei",
    'Klicken Sie auf das Symbol <img src="a.png" alt="Drucken"> in der Leiste.',
    "Geben Sie <var>x</var> ein <!-- nur Zahlen --> und bestätigen Sie.",
    '<span class="menu">Extras – <span class="item">Optionen…</span></span>',
    "Der Pfad <code>C:\\Programme\\%s</code> existiert nicht.",
    "%1$s hat %2$s am {date:%d.%m.} eingeladen.",
    'Die <a id="s"/>Schriftart <b><i>{{font}}</i></b> fehlt.',
    "<b></b>Keine Verbindung zu <b>{host}:{port}</b>: %(reason)s",
    "Möchten Sie die Änderungen an <q>%s</q> wirklich verwerfen?",
    "<i>{0}</i>, <i>{1}</i> und <i>{0}</i> haben dieselbe Größe.",
    "Fehler {code}",
    "<b>Achtung</b>",
]


def placeholders(text):
    found = find_matches(compile_placeholders(PLACEHOLDERS), text, 0, len(text))
    return sorted(text[begin:end] for begin, end, _ in found)


def check(texts, seed):
    results = translate_markup(RandomTranslate(seed), texts)
    for text, result in zip(texts, results, strict=True):
        closed = re.sub(r"<(img|br)([^>]*?)/?>", r"<\1\2/>", text)
        translated = re.sub(r"<(img|br)([^>]*?)/?>", r"<\1\2/>", result.text)
        assert check_html(translated) == check_html(closed)
        assert placeholders(result.text) == placeholders(text)
        for code in re.findall(r"<(code|kbd|var)>(.*?)</\1>", text):
            assert code in re.findall(r"<(code|kbd|var)>(.*?)</\1>", result.text)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_and_nothing_invented(seed):
    check(LINES, seed)


def with_tags(line, generator):
    """Returns a line with random nested tags and placeholders between its words."""
    parts, opened = [], []
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for word in line.split(" "):
        if generator.random() < 0.2:
            opened.append(generator.choice("biu"))
            parts.append(f"<{opened[-1]} class='{len(parts)}'>")
        if generator.random() < 0.1:
            parts.append(generator.choice(["{name} ", "%s ", "<br/>", "<b></b>"]))
        parts.append(word)
        if opened and generator.random() < 0.4:
            parts.append(f"</{opened.pop()}>")
        parts.append(" ")
    return "".join([*parts[:-1], *(f"</{name}>" for name in reversed(opened))])


@pytest.mark.data
def test_lines_of_a_real_help_with_tags_of_our_own():
    lines = (real_data("lohelp_de-en") / "dev.de").read_text("utf-8").splitlines()
    generator = random.Random(0)
    check([with_tags(line, generator) for line in lines[:200]], seed=0)
