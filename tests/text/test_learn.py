import subprocess
import sys

import pytest
import sentencepiece

from keras_attn.text import learn_subwords
from keras_attn.text.vocabulary import read_vocabulary


def load(model):
    return sentencepiece.SentencePieceProcessor(model_proto=model)


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_special_ids_and_size(sentences, model_type):
    vocabulary = load(learn_subwords(sentences, 230, model_type=model_type))
    assert vocabulary.pad_id() == 0
    assert vocabulary.unk_id() == 1
    assert vocabulary.bos_id() == 2
    assert vocabulary.eos_id() == 3
    assert len(vocabulary) <= 230
    for sentence in sentences:
        assert vocabulary.unk_id() not in vocabulary.encode(sentence)


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_a_size_that_the_corpus_cannot_fill_is_an_upper_limit(model_type):
    vocabulary = load(learn_subwords(["a b"], 8000, model_type=model_type))
    assert 6 <= len(vocabulary) < 20


def test_the_same_sentences_give_the_same_bytes(sentences):
    first = learn_subwords(sentences, 240)
    assert learn_subwords(iter(sentences), 240) == first


def test_long_sentences_are_read():
    long = "x " * 5000 + "z"  # SentencePiece's own limit is 4192 bytes
    vocabulary = load(learn_subwords(["a b", long], 20))
    assert vocabulary.unk_id() not in vocabulary.encode("z")


def test_a_nul_costs_no_sentence():
    vocabulary = load(learn_subwords(["a b", "z\0y"], 20))
    assert vocabulary.unk_id() not in vocabulary.encode("z y")


def test_a_lone_surrogate_is_a_question_mark():
    vocabulary = load(learn_subwords(["a b \udc80"], 20))
    assert vocabulary.unk_id() not in vocabulary.encode("?")


@pytest.mark.parametrize("sentences", [[], [""], [" ", "\n"]])
def test_no_text_is_refused(sentences):
    with pytest.raises(ValueError, match=f"Received: {len(sentences)} sentences"):
        learn_subwords(sentences, 100)


def test_blanks_that_only_the_normaliser_knows_are_refused():
    with pytest.raises(ValueError, match="could not learn"):
        learn_subwords(["\u200b\u3000"], 100)


def test_one_string_is_refused():
    with pytest.raises(TypeError, match="Received: one str"):
        learn_subwords("a b c", 100)


def test_too_small_a_vocabulary_says_what_to_do(sentences):
    with pytest.raises(ValueError, match=r"vocabulary_size=10 .*raise `vocabulary_"):
        learn_subwords(sentences, 10)


@pytest.mark.parametrize(
    "argument",
    [
        {"vocabulary_size": 0},
        {"vocabulary_size": 8.5},
        {"character_coverage": 0.0},
        {"character_coverage": 98},
        {"model_type": "word"},
        {"threads": 0},
    ],
)
def test_arguments_are_checked(argument):
    ((name, value),) = argument.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value!r}"):
        learn_subwords(["a"], **{"vocabulary_size": 20, **argument})


def test_an_error_of_the_corpus_comes_through():
    def broken():
        yield "a"
        raise OSError("line 2")

    with pytest.raises(OSError, match="line 2"):
        learn_subwords(broken(), 20)


def test_quiet_and_without_tensorflow():
    script = (
        "import sys; from keras_attn.text import learn_subwords, word_spans;"
        "learn_subwords(['a b c', 'x' * 9000], 20);"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras')))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_a_symbol_is_one_subword_wherever_it_stands(sentences, model_type):
    model = learn_subwords(
        sentences, 230, model_type=model_type, symbols=["<bt>", "<b"]
    )
    vocabulary = load(model)
    assert len(vocabulary) <= 230
    assert vocabulary.encode("<bt> the", out_type=str)[:2] == ["▁", "<bt>"]
    assert vocabulary.encode("the<bt>the", out_type=str).count("<bt>") == 1
    ids = [vocabulary.piece_to_id(symbol) for symbol in ("<bt>", "<b")]
    assert sorted(read_vocabulary(model).symbol_ids) == sorted(ids)
    assert vocabulary.decode(vocabulary.encode("<bt> the")) == "<bt> the"
    assert read_vocabulary(learn_subwords(sentences, 230)).symbol_ids == ()


@pytest.mark.parametrize("symbol", ["", "a b", "a,b", "▁a", "\t", "ﬁ", "</s>"])
def test_what_cannot_be_a_symbol_is_refused(symbol):
    with pytest.raises(ValueError, match=r"printable text.*Received: symbols="):
        learn_subwords(["a b"], 20, symbols=["<x>", symbol])


def test_symbols_are_a_list_of_different_texts():
    with pytest.raises(ValueError, match=r"named once\. Received: symbols=\['<x>', "):
        learn_subwords(["a b"], 20, symbols=["<x>", "<x>"])
    with pytest.raises(TypeError, match="Received: one str"):
        learn_subwords(["a b"], 20, symbols="<x>")
