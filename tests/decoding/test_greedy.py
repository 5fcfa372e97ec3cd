"""Greedy search against the same rule in plain Python."""

import pytest
import scripted

from keras_attn.decoding import greedy_search


@pytest.mark.parametrize(
    ("forbidden_ids", "dtype"), [((), "float32"), ((0, 3), "float16")]
)
def test_equals_the_reference(forbidden_ids, dtype):
    script = scripted.Script(seed=1, rows=6, vocabulary_size=5, dtype=dtype)
    limits = [1, 2, 3, 5, 8, 8]
    best = script.search(greedy_search, limits, forbidden_ids=forbidden_ids)
    for row, limit in enumerate(limits):
        reference = scripted.reference_greedy(script, row, limit, forbidden_ids)
        scripted.check_row(best, row, [reference], script)
    assert best.token_ids.shape[-1] == best.lengths.max()
    assert best.truncated.any()
    assert not best.truncated.all()
    # Whatever the dtype of the decoder.
    dtypes = [field.dtype.name for field in best]
    assert dtypes == ["int32", "int32", "float32", "float32", "float32", "bool"]


def test_limits_below_one_count_as_one():
    script = scripted.Script(seed=5, rows=3, vocabulary_size=4)
    best = script.search(greedy_search, [0, -4, 1])
    assert best.lengths.tolist() == [[1], [1], [1]]
    assert best.token_ids.tolist() == [[[scripted.END]]] * 3
