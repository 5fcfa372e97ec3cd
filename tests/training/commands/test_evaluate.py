"""What `keras-attn evaluate` refuses before a sentence is translated."""

import pytest

from keras_attn.training.commands.evaluate import evaluate, find_other_system
from keras_attn.training.corpora import CorpusError


def test_another_system_has_a_line_for_each_sentence(tmp_path):
    (tmp_path / "t").write_text("one\n\ntwo\n")
    assert find_other_system(None, 3) is None
    assert find_other_system(tmp_path / "t", 3) == ["one", "", "two"]
    with pytest.raises(CorpusError, match=r"t with 3 lines for 4 sentences"):
        find_other_system(tmp_path / "t", 4)
    with pytest.raises(FileNotFoundError, match=r"translator\.keras in"):
        find_other_system(tmp_path, 3)


def test_a_sample_has_no_beam(tmp_path):
    with pytest.raises(ValueError, match=r"without a beam.*--beam-size 5 .*--mbr"):
        evaluate(tmp_path, beam_size=5, temperature=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "test"}, "never on a test. Received: --tune with --split test"),
        ({"length_penalty": 1.0, "mbr": 4}, "with --length-penalty 1.0, --mbr 4"),
        ({"lowercase": True}, "--tune with --lowercase"),
        ({"top_k": 3}, "--tune with --sample, --temperature"),
    ],
)
def test_penalties_are_tuned_on_the_validation_split_alone(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(tmp_path, tune=True, **options)
