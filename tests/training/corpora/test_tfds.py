"""A TFDS dataset, prepared here by TFDS itself and then read by name."""

import subprocess
import sys
import textwrap

import pytest

from training.corpora import CorpusError, SentencePair, TfdsReader, load_corpus
from training.recipes import CorpusOptions

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


class NotTranslation(TinyTranslation):
    """Has text, but in no pair of languages."""

    FEATURES = tfds.features.FeaturesDict({"text": tfds.features.Text()})

    def _generate_examples(self, split):
        yield split, {"text": split}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    tfds.disable_progress_bar()
    folder = str(tmp_path_factory.mktemp("tfds"))
    for builder in (TinyTranslation, NestedTranslation, NotTranslation):
        builder(data_dir=folder).download_and_prepare()
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


def test_reading_needs_no_builder_code_and_no_network(data_dir):
    program = f"""
        import socket

        def refuse(*args, **kwargs):
            raise AssertionError("network")

        socket.socket.connect = socket.getaddrinfo = refuse
        from training.corpora import TfdsReader
        reader = TfdsReader("tiny_translation", data_dir={data_dir!r})
        print(len(reader.read("test", source_language="de", target_language="en")))
        try:
            TfdsReader("tiny_translations", data_dir={data_dir!r})
        except ValueError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4\nA TFDS corpus is read from prepared files.")


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
    ("split", "language", "rule", "there"),
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
def test_unknown_names_list_the_known(data_dir, split, language, rule, there):
    reader = TfdsReader("tiny_translation", data_dir=data_dir)
    with pytest.raises(CorpusError, match=f"{rule}. There are: {there}"):
        reader.read(split, source_language="de", target_language=language)


def test_a_dataset_without_translations_is_refused(data_dir):
    with pytest.raises(CorpusError, match=r"a Translation feature.*features text\."):
        TfdsReader("not_translation", data_dir=data_dir)
