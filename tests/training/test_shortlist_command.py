"""`keras-attn shortlist`: the same translator, choosing from fewer words."""

import pytest
import tiny

from keras_attn import Translator
from training.corpora import CorpusError
from training.shortlist_command import shortlist

SOURCES = ["die Katze sieht den Hund", "der Hund", "die Katze"] * 4
TARGETS = ["the cat sees the dog", "the dog", "the cat"] * 4


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shortlist")
    tiny.translator(seed=1).save(folder / "plain.keras")
    (folder / "train.de").write_text("\n".join(SOURCES) + "\n", "utf-8")
    (folder / "train.en").write_text("\n".join(TARGETS) + "\n", "utf-8")
    return folder


def ask(folder, out, target="train.en"):
    shortlist(
        folder / "plain.keras", folder / "train.de", folder / target, out, words=2
    )


def test_the_new_translator_chooses_from_the_words_of_its_lists(files, capsys):
    out = files / "new" / "fast.keras"
    ask(files, out)
    assert capsys.readouterr().out == f"{out}\n"
    plain, fast = Translator.load(files / "plain.keras"), Translator.load(out)
    assert plain.shortlist is None
    table = fast.shortlist.table.numpy()
    assert table.shape == (plain.source_codec.vocabulary_size, 2)
    ids_of = {
        side: {
            int(token)
            for row in codec.encode(texts, 100).ids.numpy()
            for token in row
            if token != codec.pad_id
        }
        for side, codec, texts in (
            ("source", fast.source_codec, SOURCES),
            ("target", fast.target_codec, TARGETS),
        )
    }
    for word in range(len(table)):
        found = set(table[word][table[word] > 0].tolist())
        assert found <= ids_of["target"]
        assert bool(found) == (word in ids_of["source"])
    # The whole vocabulary is still there, with the same weights.
    for one, other in zip(
        plain.translate(SOURCES[:3]),
        fast.translate(SOURCES[:3], full_vocabulary=True),
        strict=True,
    ):
        assert one.text == other.text
    assert len(fast.translate(SOURCES[:3])) == 3


def test_nothing_is_lost_where_it_cannot_be_made(files, tmp_path):
    taken = tmp_path / "taken.keras"
    taken.write_text("precious")
    with pytest.raises(FileExistsError, match="written to a new file"):
        ask(files, taken)
    assert taken.read_text() == "precious"
    with pytest.raises(ValueError, match=r"\.keras file\. Received"):
        ask(files, tmp_path / "fast.h5")
    (files / "short.en").write_text("the cat\n", "utf-8")
    with pytest.raises(CorpusError, match=r"short\.en"):
        ask(files, tmp_path / "fast.keras", target="short.en")
    assert not (tmp_path / "fast.keras").exists()
