import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_attn.metrics.alignment import (
    Alignment,
    alignment_error_rate,
    format_pharaoh,
    links_from_attention,
    parse_pharaoh,
    read_pharaoh,
    relative_attention,
)

link_sets = st.sets(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=8)
alignments = st.builds(Alignment, link_sets, link_sets)


def test_reads_sure_and_possible_links():
    gold = parse_pharaoh("0-0 1p2  10-3\n")
    assert gold.sure == {(0, 0), (10, 3)}
    assert gold.possible == {(0, 0), (10, 3), (1, 2)}


def test_a_link_both_sure_and_possible_is_sure():
    assert parse_pharaoh("0-0 0p0") == Alignment(frozenset({(0, 0)}))
    assert format_pharaoh(parse_pharaoh("0p0 0-0")) == "0-0"


def test_an_empty_line_has_no_links():
    assert parse_pharaoh(" \n") == Alignment(frozenset())
    assert format_pharaoh(Alignment(frozenset())) == ""


@given(alignments)
def test_writing_and_reading_gives_the_alignment_back(alignment):
    assert parse_pharaoh(format_pharaoh(alignment)) == alignment


@pytest.mark.parametrize("token", ["0", "0-", "-1-2", "0:1", "a-b", "0-1-2", "٣-1"])
def test_a_bad_token_is_named(token):
    with pytest.raises(ValueError, match="source-target") as error:
        parse_pharaoh(f"0-0 {token}")
    assert repr(token) in str(error.value)
    assert "link 2" in str(error.value)


@pytest.mark.parametrize("name", ["gold.txt", "gold.txt.gz"])
def test_a_file_is_read_line_by_line(tmp_path, name):
    path = tmp_path / name
    with (gzip.open if name.endswith("gz") else open)(path, "wb") as out:
        out.write(b"0-0\n\n1p1\n")
    want = [parse_pharaoh("0-0"), parse_pharaoh(""), parse_pharaoh("1p1")]
    assert read_pharaoh(path) == want


@pytest.mark.parametrize("bad", [b"0_0", b"\xff"])
def test_a_bad_file_names_file_and_line(tmp_path, bad):
    path = tmp_path / "gold.txt"
    path.write_bytes(b"0-0\n" + bad + b"\n")
    with pytest.raises(ValueError, match=r"gold\.txt:2: "):
        read_pharaoh(path)


def test_error_rate_of_a_sentence_worked_by_hand():
    # A = {00, 11, 22}, S = {00, 33}, P = S + {11}: 1 - (1 + 2) / (3 + 2).
    gold = [parse_pharaoh("0-0 3-3 1p1")]
    rate = alignment_error_rate([{(0, 0), (1, 1), (2, 2)}], gold)
    assert rate == pytest.approx(1 - 3 / 5)


@given(st.lists(st.tuples(link_sets, alignments), max_size=4))
def test_error_rate_is_the_formula_over_the_corpus(pairs):
    hit_sure = hit_possible = total_predicted = total_sure = 0
    for predicted, gold in pairs:
        hit_sure += sum(link in gold.sure for link in predicted)
        hit_possible += sum(link in gold.possible for link in predicted)
        total_predicted += len(predicted)
        total_sure += len(gold.sure)
    size = total_predicted + total_sure
    want = 1 - (hit_sure + hit_possible) / size if size else 0.0
    got = alignment_error_rate([p for p, _ in pairs], [g for _, g in pairs])
    assert got == pytest.approx(want)
    assert 0.0 <= got <= 1.0


@given(st.lists(alignments, max_size=4))
def test_predicting_all_sure_links_or_all_possible_ones_is_no_error(gold):
    assert alignment_error_rate([a.sure for a in gold], gold) == 0.0
    assert alignment_error_rate([a.possible for a in gold], gold) == 0.0


def test_missing_everything_is_the_worst():
    assert alignment_error_rate([set()], [parse_pharaoh("0-0")]) == 1.0


def test_repeated_links_count_once():
    gold = [parse_pharaoh("0-0 1-1")]
    assert alignment_error_rate([[(0, 0), (0, 0)]], gold) == pytest.approx(1 - 2 / 3)


def test_nothing_at_all_is_no_error():
    assert alignment_error_rate([], []) == 0.0
    assert alignment_error_rate([set()], [parse_pharaoh("")]) == 0.0


def test_unequal_counts_are_refused():
    with pytest.raises(ValueError, match="predicted=1, gold=0"):
        alignment_error_rate([set()], [])


def test_each_target_word_links_to_its_favourite():
    weights = np.array(
        [
            [0.7, 0.2, 0.1],
            [0.1, 0.2, 0.7],  # looks at the end token
            [0.0, 0.0, 0.0],  # looks nowhere
            [0.4, 0.4, 0.2],  # the first of equals
            [0.9, 0.1, 0.0],  # the end token itself
        ]
    )
    assert links_from_attention(weights) == {(0, 0), (0, 3)}


def test_relative_attention_is_that_of_a_loop_over_weights():
    generator = np.random.default_rng(5)
    weights = generator.dirichlet(np.full(6, 0.3), size=4)
    weights[:, 2] = 0  # a word that nobody looks at
    found = relative_attention(weights)
    for target, source in np.ndindex(weights.shape):
        total = sum(row[source] for row in weights)
        nothing = source in (2, 5)  # 5: the end token
        want = 0.0 if nothing else weights[target, source] / total
        assert found[target, source] == pytest.approx(want)
    # The verb is looked at by all; by "the" it is looked at no more than by others.
    verb = np.array([[0.3, 0.5, 0.2], [0.1, 0.7, 0.2], [0.0, 0.6, 0.4]])
    assert links_from_attention(verb) == {(1, 0), (1, 1)}
    assert links_from_attention(relative_attention(verb)) == {(0, 0), (1, 1)}


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 1)])
def test_without_words_on_both_sides_there_are_no_links(shape):
    assert links_from_attention(np.ones(shape)) == set()


@pytest.mark.parametrize("shape", [(3,), (0, 2), (2, 0), (1, 2, 3)])
def test_anything_but_a_matrix_is_refused(shape):
    with pytest.raises(ValueError, match="must be a matrix"):
        links_from_attention(np.zeros(shape))
    with pytest.raises(ValueError, match="must be a matrix"):
        relative_attention(np.zeros(shape))
