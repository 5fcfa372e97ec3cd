import re

import layer_tools
import numpy as np
import pytest
import reference

from keras_attn import Bridge

SUMMARY = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")


def test_equals_the_formula():
    bridge = Bridge([4, 2])
    bridge(SUMMARY)
    layer_tools.randomise(bridge)
    for each, states in zip(bridge.maps, bridge(SUMMARY), strict=True):
        expected = [reference.dense_tanh(each, row) for row in np.float64(SUMMARY)]
        # float32 against float64 over sums of 6 terms.
        np.testing.assert_allclose(states, expected, rtol=1e-5, atol=1e-6)
    layer_tools.check_gradients(bridge, lambda: bridge(SUMMARY))


def test_a_learned_state_is_the_same_for_every_source():
    bridge = Bridge([4, 2], kind="learned")
    for states in bridge(SUMMARY):
        np.testing.assert_array_equal(states, 0)  # as Keras's cells begin
    layer_tools.randomise(bridge)
    expected = [np.array(weight) for weight in bridge.weights]
    assert [weight.shape for weight in expected] == [(4,), (2,)]
    for source in (SUMMARY, -SUMMARY[:2], SUMMARY[:0]):
        for states, state in zip(bridge(source), expected, strict=True):
            np.testing.assert_array_equal(states, np.tile(state, (len(source), 1)))
    layer_tools.check_gradients(bridge, lambda: bridge(SUMMARY))


def test_a_copy_is_the_summary():
    bridge = Bridge([6, 6], kind="copy")
    states = bridge(SUMMARY)
    assert len(states) == 2
    for state in states:
        np.testing.assert_array_equal(state, SUMMARY)
    assert not bridge.weights


@pytest.mark.parametrize("sizes", [[6, 4], [5]])
def test_a_copy_needs_equal_widths(sizes):
    rule = rf"as wide as it is.*{re.escape(str(sizes))}.*\(3, 6\).*'start'.*kind='map'"
    with pytest.raises(ValueError, match=rule):
        Bridge(sizes, kind="copy", name="start")(SUMMARY)


def test_config_of_the_first_release():
    assert Bridge.from_config({"state_sizes": [4]}).kind == "map"


def test_refuses_an_unknown_kind():
    rule = "`kind` must be one of 'map', 'learned', 'copy'.*kind='zeros'"
    with pytest.raises(ValueError, match=rule):
        Bridge([4], kind="zeros")


@pytest.mark.parametrize("sizes", [[0], [4, 2.5], [4, None]])
def test_refuses(sizes):
    with pytest.raises(ValueError, match=f"positive integer.*={sizes[-1]!r}"):
        Bridge(sizes)
