"""A TFDS dataset, prepared here by TFDS itself and then read by name."""

import socket

import numpy as np
import pytest

from keras_attn.training.corpora import (
    CorpusError,
    SentencePair,
    TfdsReader,
    load_corpus,
)
from keras_attn.training.recipes import CorpusOptions

tfds = pytest.importorskip("tensorflow_datasets")

SIZES = {"train": 40, "validation": 5, "test": 4, "test_hard": 3}


class TinyTranslation(tfds.core.GeneratorBasedBuilder):
    """Rows are the translation feature itself, as in TFDS's own datasets."""

    VERSION = tfds.core.Version("1.0.0")
    FEATURES = tfds.features.Translation(languages=["de", "en", "fr"])

    def _info(self):
        return tfds.core.DatasetInfo(builder=self, features=self.FEATURES)

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(name) for name in SIZES}

    def _generate_examples(self, split):
        for n in range(SIZES[split]):
            row = {"de": f"{split} Straße {n}", "en": f"{split} street {n}"}
            yield n, {**row, "fr": "rue"}


class NestedTranslation(TinyTranslation):
    """The translation feature is one of several, and one side is empty once."""

    FEATURES = tfds.features.FeaturesDict(
        {"id": tfds.features.Text(), "pair": tfds.features.Translation(["de", "en"])}
    )

    def _generate_examples(self, split):
        for n in range(SIZES[split]):
            english = "" if n == 1 else f"street {n}"
            yield n, {"id": str(n), "pair": {"de": f"Straße {n}", "en": english}}


class VariableTranslation(TinyTranslation):
    """Each row says its languages; some have several texts of one, some lack one."""

    FEATURES = tfds.features.FeaturesDict(
        {"texts": tfds.features.TranslationVariableLanguages(["de", "en", "fr"])}
    )
    ROWS = (
        {"de": "Straße", "en": ["street", "road"]},
        {"de": "nur deutsch", "fr": "seulement"},
        {"de": ["Haus", "Heim"], "en": ["home", "house"]},
    )

    def _generate_examples(self, split):
        yield from enumerate({"texts": row} for row in self.ROWS)


class PlainDictionary(TinyTranslation):
    """Texts whose keys are languages, beside another one, and deeper down more."""

    FEATURES = tfds.features.FeaturesDict(
        {
            "de": tfds.features.Text(),
            "en": tfds.features.Text(),
            "n": tfds.features.Scalar(np.int64),
            "more": {"fr": tfds.features.Text(), "it": tfds.features.Text()},
        }
    )

    def _generate_examples(self, split):
        for n in range(SIZES[split]):
            more = {"fr": f"rue {n}", "it": f"via {n}"}
            yield n, {"de": f"Straße {n}", "en": f"street {n}", "n": n, "more": more}


class ManyConfigs(TinyTranslation):
    """A dataset that comes in configs."""

    BUILDER_CONFIGS = (
        tfds.core.BuilderConfig(name="large", version="1.0.0"),
        tfds.core.BuilderConfig(name="small", version="1.0.0"),
    )


class NotTranslation(TinyTranslation):
    """Has text, but in no pair of languages."""

    FEATURES = tfds.features.FeaturesDict({"text": tfds.features.Text()})

    def _generate_examples(self, split):
        yield split, {"text": split}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    tfds.disable_progress_bar()
    folder = str(tmp_path_factory.mktemp("tfds"))
    for builder in (
        TinyTranslation,
        NestedTranslation,
        VariableTranslation,
        PlainDictionary,
        NotTranslation,
    ):
        builder(data_dir=folder).download_and_prepare()
    ManyConfigs(config="small", data_dir=folder).download_and_prepare()
    return folder


def expected(split):
    return {
        SentencePair(f"{split} Straße {n}", f"{split} street {n}")
        for n in range(SIZES[split])
    }


def test_a_split_is_read_by_name(data_dir):
    reader = TfdsReader("tiny_translation", data_dir=data_dir)
    assert reader.splits == list(SIZES)
    assert reader.languages == ["de", "en", "fr"]
    languages = {"source_language": "de", "target_language": "en"}
    pairs = reader.read("train", **languages)
    assert len(pairs) == 40
    assert set(pairs) == expected("train")
    assert list(pairs) == list(reader.read("train", **languages))  # a stable order
    assert len(reader.read("train[:25%]", **languages)) == 10
    back = reader.read("test", source_language="fr", target_language="de")
    assert {pair.source for pair in back} == {"rue"}


def test_a_nested_feature_is_found_and_empty_sides_are_counted(data_dir):
    reader = TfdsReader("nested_translation:1.0.0", data_dir=data_dir)
    pairs = reader.read("test", source_language="en", target_language="de")
    assert set(pairs) == {SentencePair(f"street {n}", f"Straße {n}") for n in (0, 2, 3)}
    assert pairs.skipped_empty == 1


def test_rows_that_say_their_languages_give_a_pair_for_each_choice(data_dir):
    reader = TfdsReader("variable_translation", data_dir=data_dir)
    assert reader.languages == ["de", "en", "fr"]
    pairs = reader.read("test", source_language="de", target_language="en")
    expected = {("Straße", "street"), ("Straße", "road")}
    expected |= {(de, en) for de in ("Haus", "Heim") for en in ("home", "house")}
    assert sorted((pair.source, pair.target) for pair in pairs) == sorted(expected)
    assert pairs.skipped_empty == 1
    back = reader.read("test", source_language="fr", target_language="de")
    assert list(back) == [SentencePair("seulement", "nur deutsch")]
    with pytest.raises(CorpusError, match=r"3 pairs have an empty side"):
        TfdsReader("variable_translation", data_dir=data_dir).read(
            "test", source_language="fr", target_language="en"
        )


def test_texts_by_language_are_found_at_any_depth(data_dir):
    reader = TfdsReader("plain_dictionary", data_dir=data_dir)
    assert reader.languages == ["de", "en", "fr", "it"]
    pairs = reader.read("test", source_language="de", target_language="en")
    assert set(pairs) == {SentencePair(f"Straße {n}", f"street {n}") for n in range(4)}
    deep = reader.read("test", source_language="it", target_language="fr")
    assert set(deep) == {SentencePair(f"via {n}", f"rue {n}") for n in range(4)}
    with pytest.raises(CorpusError, match=r"'de' and 'fr', in 0 .*the row, more\."):
        reader.read("test", source_language="de", target_language="fr")


def test_parts_of_splits_are_cut_and_joined(data_dir):
    reader = TfdsReader("tiny_translation", data_dir=data_dir)
    languages = {"source_language": "de", "target_language": "en"}
    parts = [
        list(reader.read(split, **languages))
        for split in ("train[:25%]", "train[25%:]", "test", "train[25%:]+test")
    ]
    assert set(parts[0] + parts[1]) == expected("train")
    assert len(parts[0]) == 10
    # TFDS reads the files of both at the same time.
    assert sorted(map(str, parts[3])) == sorted(map(str, parts[1] + parts[2]))


def test_prepared_configs_are_listed(data_dir, tmp_path):
    assert TfdsReader("many_configs/small", data_dir=data_dir).splits == list(SIZES)
    with pytest.raises(
        CorpusError,
        match=r"'many_configs/tiny', not found .*There are: many_configs/small, nes",
    ):
        TfdsReader("many_configs/tiny", data_dir=data_dir)
    with pytest.raises(CorpusError, match=r"no such config.*There are: large, small"):
        TfdsReader("many_configs/tiny", data_dir=tmp_path, download=True)


def test_a_recipe_reads_all_splits(data_dir):
    options = {"kind": "tfds", "name": "tiny_translation", "data": data_dir}
    corpus = load_corpus(CorpusOptions(**options))
    assert set(corpus.train) == expected("train")
    assert set(corpus.validation) == expected("validation")
    assert {name: set(test) for name, test in corpus.tests.items()} == {
        name: expected(name) for name in ("test", "test_hard")
    }
    corpus = load_corpus(
        CorpusOptions(
            **options,
            train_split="train[:50%]",
            validation_split="test_hard",
            test_splits=("test",),
        )
    )
    assert len(corpus.train) == 20
    assert set(corpus.validation) == expected("test_hard")
    assert list(corpus.tests) == ["test"]


def test_reading_needs_no_builder_code_and_no_network(data_dir, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("builder code, or the network")

    monkeypatch.setattr(TinyTranslation, "__init__", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    reader = TfdsReader("tiny_translation", data_dir=data_dir)
    pairs = reader.read("test", source_language="de", target_language="en")
    assert set(pairs) == expected("test")
    with pytest.raises(CorpusError, match="read from prepared files"):
        TfdsReader("tiny_translations", data_dir=data_dir)


def test_a_missing_dataset_is_prepared_only_if_asked(tmp_path):
    with pytest.raises(CorpusError, match=r"'tiny_translation', not found in .*tfds b"):
        TfdsReader("tiny_translation", data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
    corpus = load_corpus(
        CorpusOptions(
            kind="tfds", name="tiny_translation", data=str(tmp_path), download=True
        )
    )
    assert set(corpus.train) == expected("train")


def test_a_name_that_tfds_does_not_know_cannot_be_prepared(tmp_path):
    with pytest.raises(CorpusError, match=r"must know a dataset.*'no_such_thing'"):
        TfdsReader("no_such_thing", data_dir=tmp_path, download=True)


@pytest.mark.parametrize(
    ("split", "language", "rule", "known"),
    [
        (
            "dev",
            "en",
            "no such split. Received: split='dev'",
            "train, validation, test",
        ),
        ("test", "it", "no such language. Received: 'it'", "de, en, fr"),
    ],
)
def test_unknown_names_list_the_known(data_dir, split, language, rule, known):
    reader = TfdsReader("tiny_translation", data_dir=data_dir)
    with pytest.raises(CorpusError, match=f"{rule}. There are: {known}"):
        reader.read(split, source_language="de", target_language=language)


def test_a_dataset_without_translations_is_refused(data_dir):
    with pytest.raises(CorpusError, match=r"a Translation feature.*features text\."):
        TfdsReader("not_translation", data_dir=data_dir)
