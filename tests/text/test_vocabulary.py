import io

import pytest
import sentencepiece

from keras_attn.text.vocabulary import read_vocabulary


def train(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d"] * 3),
        model_writer=model,
        hard_vocab_limit=False,
        minloglevel=2,
        **{"vocab_size": 20, **options},
    )
    return model.getvalue()


@pytest.mark.parametrize(
    "ids",
    [
        {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3},
        {"pad_id": 3, "unk_id": 2, "bos_id": 1, "eos_id": 0},
    ],
)
def test_agrees_with_sentencepiece(ids):
    model = train(**ids, control_symbols=["<2de>"])
    vocabulary = read_vocabulary(model)
    reference = sentencepiece.SentencePieceProcessor(model_proto=model)
    assert vocabulary.size == len(reference)
    assert vocabulary.pad_id == reference.pad_id() == ids["pad_id"]
    assert vocabulary.unknown_id == reference.unk_id() == ids["unk_id"]
    assert vocabulary.start_id == reference.bos_id() == ids["bos_id"]
    assert vocabulary.end_id == reference.eos_id() == ids["eos_id"]
    assert set(vocabulary.silent_ids) == {0, 1, 2, 3, reference.piece_to_id("<2de>")}


def test_user_symbols_are_text():
    symbols = train(pad_id=0, unk_id=1, bos_id=2, eos_id=3, user_defined_symbols=["@"])
    assert read_vocabulary(symbols).silent_ids == (0, 1, 2, 3)


def test_missing_padding_is_refused():
    with pytest.raises(ValueError, match=r"Received: pad_id=-1, unknown_id=0"):
        read_vocabulary(train())


def test_byte_fallback_is_refused():
    model = train(
        pad_id=0, unk_id=1, bos_id=2, eos_id=3, byte_fallback=True, vocab_size=300
    )
    with pytest.raises(ValueError, match="256 byte pieces"):
        read_vocabulary(model)


def test_suffix_spaces_are_refused():
    model = train(
        pad_id=0, unk_id=1, bos_id=2, eos_id=3, treat_whitespace_as_suffix=True
    )
    with pytest.raises(ValueError, match="beginning of a word"):
        read_vocabulary(model)


@pytest.mark.parametrize("junk", [b"", b"no model", b"\x00" * 50, b"\xff" * 50])
def test_junk_is_refused(junk):
    with pytest.raises(ValueError, match=f"Received: {len(junk)} bytes"):
        read_vocabulary(junk)


def test_a_truncated_file_is_refused():
    model = train(pad_id=0, unk_id=1, bos_id=2, eos_id=3)
    with pytest.raises(ValueError, match="Is the file complete"):
        read_vocabulary(model[:1000])


def test_a_path_is_refused():
    with pytest.raises(TypeError, match="Received: str"):
        read_vocabulary("model.spm")
